// Package compose looks at deploy/compose: at both files as they stand, and, where a Docker engine answers, at the offline one at work: it
// makes the images, brings everything up and runs the demo, which checks what it claims and takes everything down again.
package compose
