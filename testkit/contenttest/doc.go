// Package contenttest holds the tests of kit/content on a real etcd. They are here
// and not beside the code so that kit does not require the etcd server.
package contenttest
