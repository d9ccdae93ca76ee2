// Package k8s holds the manifests of deploy/k8s to what they speak of: the API types of Kubernetes and of the operators they
// use, each other, the flags of the binaries, the settings of Kong and etcd. It needs no cluster; where KUBECONFIG names
// one, its API server judges the overlays too. Go's test cache does not see files outside of a module: after a change of a
// manifest run it with -count=1, as make race does.
package k8s
