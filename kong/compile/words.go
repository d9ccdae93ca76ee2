package compile

import "github.com/silverback-gateway/silverback/kong/entity"

// Kinds is the table of the kinds that the compiler knows.
func (c *Compiler) Kinds() *entity.Table { return c.table }

// Singular returns the word for one entity of a kind: "route" for "routes". A kind that the compiler does not know is returned as it is.
func (c *Compiler) Singular(kind string) string {
	if k := c.table.Kind(kind); k != nil {
		return k.Singular
	}
	return kind
}
