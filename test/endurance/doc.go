// Package endurance has a small etcd take far more submissions than it has room for, with real services around it, and looks at what is
// left.
package endurance
