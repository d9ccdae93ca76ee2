// Package outside uses the repository as others do: through a module proxy, with go install and go get. The proxy is a folder, made from
// the files that git tracks.
package outside
