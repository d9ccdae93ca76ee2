// Package rustregex reads regular expressions in the syntax of Rust's crate regex
// 1.10, which the router of a Kong gateway compiles paths and values of headers
// with (F22): Kong's default flavor and the expressions flavor, not traditional.
//
// Parse says what that crate would refuse: its grammar, its limits (nesting of 250,
// 10 MiB for what an expression compiles to), and what would match bytes that are no
// UTF-8. Where the answer hangs on something that is not known here, such as a
// script that a newer Unicode has, the expression is taken with a doubt.
//
// It does not match. Go writes an expression in the syntax of Go's regexp for those
// who want to, as closely as that can say it.
package rustregex
