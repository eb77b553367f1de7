// Package deploy runs what operators run: the image built from its Dockerfile,
// and the compose file with every role in a container of its own. Calls are
// placed through the published ports, with media.
//
// It needs a Docker daemon, or root to start one; without it fails and says why. One
// that runs already is left as it was, but for its build cache.
package deploy
