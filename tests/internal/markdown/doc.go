// Package markdown finds in a document what it tells its reader to do: blocks of
// commands and code, and code spans in its prose.
package markdown
