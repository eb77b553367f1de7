// Package logs bounds what a process logs, so that a stranger's flood of requests
// does not become a flood of lines that fills a disk.
package logs
