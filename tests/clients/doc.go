// Package clients completes calls with WG2 clients that are not ours: grpcurl, which
// learns the API by reflection, and Node's gRPC client, which loads the .proto files.
// Neither has media; their descriptions are of a PeerConnection beside them, which
// talks to the exchange as a terminal's does.
package clients
