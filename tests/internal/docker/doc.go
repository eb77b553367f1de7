// Package docker runs a Docker daemon of the tests' own and makes what it needs
// without a registry: base images under the names that the Dockerfile and the
// compose file use, out of what is installed here.
//
// The daemon has its own socket, networks and data; it keeps images and build
// caches between runs in the user's cache, and nothing else. Where a daemon runs
// already, that one is used: its images as they are, and what is made there is
// removed again, but for what it keeps of a build.
package docker
