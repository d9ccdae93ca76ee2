package fleet

// A Problem is one reason why a gateway refused a configuration. It names the object and the field, never a value. Its JSON form is stored
// with rollouts and on the disks of agents, so names only grow.
type Problem struct {
	Source   string `json:"source,omitempty"`   // whose configuration it is, when known
	Document string `json:"document,omitempty"` // as submitted
	Line     int32  `json:"line,omitempty"`     // from 1; 0 when unknown
	Column   int32  `json:"column,omitempty"`   // from 1, in bytes; 0 when unknown
	Kind     string `json:"kind,omitempty"`     // singular, such as "route"
	Name     string `json:"name,omitempty"`     // of the entity
	ID       string `json:"id,omitempty"`       // of the entity
	Field    string `json:"field,omitempty"`    // positions count from 0, such as paths[0]
	Class    int32  `json:"class,omitempty"`    // the number that the contract gives it; 0 when not said
	Message  string `json:"message"`
}
