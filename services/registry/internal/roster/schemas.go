package roster

// SchemasOf is the digest of the bundle of schemas that a node has; empty when there is no node, when it is gone, and when its agent
// names none. What a node of which nothing is heard had last still counts: it comes back with it.
func SchemasOf(n *Node, s *Session) string {
	if n == nil || StateOf(*n, s) == Gone {
		return ""
	}
	return n.Schemas
}
