// Package build says which build of Silverback this is.
package build

// Version is set by the linker; "dev" in a build that did not set it.
var Version = "dev"
