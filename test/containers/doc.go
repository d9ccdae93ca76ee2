// Package containers runs a fleet in containers: a compose file's project on the Docker engine of this machine, and its parts by name.
package containers
