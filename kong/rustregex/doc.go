// Package rustregex parses regular expressions in the syntax of Rust's crate regex 1.10. The router of a Kong gateway compiles paths and
// values of headers with it (F22) in Kong's default flavor and in the flavor expressions, not in traditional.
//
// Parse reports what that crate would refuse: its grammar, its limits (nesting of 250, 10 MiB of compiled size), and matches of bytes that
// are not UTF-8. Where the result depends on something unknown here, such as a script of a newer Unicode, the expression is accepted with a
// doubt.
//
// The package does not match. Go converts an expression to the syntax of Go's regexp, as far as that syntax allows.
package rustregex
