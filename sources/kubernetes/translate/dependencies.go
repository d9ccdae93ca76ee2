package translate

import "github.com/silverback-gateway/silverback/sources/kubernetes/object"

// Dependencies lists the objects of the set that obj names and cannot be without: of a plugin its Secrets, of an Ingress its class, its
// Services and its plugins.
func Dependencies(set *object.Set, obj object.Object) []object.Ref { return dependencies(set, obj) }
