// Package systemd holds what deploy has for machines without a cluster to the binaries: units start what there is with
// settings that are accepted, and are locked up alike.
package systemd
