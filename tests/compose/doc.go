// Package compose looks at the compose deployment as Compose understands it, without
// a Docker daemon: what each container may do, and which ports are opened where.
// That it runs, package deploy shows.
package compose
