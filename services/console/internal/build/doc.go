// Command build bundles the softphone page: TypeScript and CSS from web/ into
// dist/, which is committed and embedded. It runs at development time only
// ("go generate" in services/console) and is no part of the exchange.
package main
