// Package docs holds the pages under docs/ to the code: what they name exists, and what exists they name. It judges no
// sentence.
package docs
