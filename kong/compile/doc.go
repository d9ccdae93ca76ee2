// Package compile turns Kong declarative files into the flat, complete set of
// entities of a snapshot. It is pure: documents in, entities or problems out; no
// clock, no file, no network, and the same answer on every machine.
//
// Parse reads the documents of one source into a Fragment, Merge joins the
// fragments of a group: it resolves references across sources, gives ids and
// refuses what is twice. A Fragment can be stored, so that a submit of one source
// need not read the others again. Render is the way back, for people.
//
// The package checks structure, types, references and uniqueness. The content of
// a plugin's config it takes as it is: only the gateways' schemas know better, and
// Validate asks those.
package compile
