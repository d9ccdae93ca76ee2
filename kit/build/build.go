// Package build has the version of this build of Silverback.
package build

import "runtime/debug"

// linked is set by the linker, in binaries that make builds.
var linked string

// Version returns the version that the linker set, else the module's version, as `go install …@v1.2.3` records it, else "dev".
func Version() string {
	if linked != "" {
		return linked
	}
	return ofModule(debug.ReadBuildInfo())
}

func ofModule(info *debug.BuildInfo, ok bool) string {
	if !ok || info.Main.Path != "github.com/silverback-gateway/silverback" || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
