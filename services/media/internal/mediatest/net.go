package mediatest

import "net"

// isLoopback keeps a client to loopback, so that candidates stay few.
func isLoopback(ip net.IP) bool { return ip.IsLoopback() }
