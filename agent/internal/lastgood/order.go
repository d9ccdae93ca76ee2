package lastgood

import (
	"fmt"
	"time"
)

// orderFile holds the drain order. It is a file of its own, because an order may arrive during a load and must be written at once.
const orderFile = "drain"

// An Order is the last drain order of an operator. The zero Order means that the node takes part in load balancing.
type Order struct {
	Draining bool      `json:"draining"`
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Number   int64     `json:"number"` // orders of a node are numbered; an older one is ignored
}

// Equal reports whether two orders are the same.
func (o Order) Equal(other Order) bool {
	return o.Draining == other.Draining && o.Reason == other.Reason && o.Since.Equal(other.Since) && o.Number == other.Number
}

// RememberOrder writes an order durably.
func (s *Store) RememberOrder(o Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(orderFile, o, nil); err != nil {
		return fmt.Errorf("write the drain order: %w", err)
	}
	return nil
}

// RecallOrder reads the order; the zero Order when there is none. A damaged file is an ErrCorrupt, and no longer in the way of the next.
func (s *Store) RecallOrder() (Order, error) {
	var o Order
	err := s.recall(orderFile, &o)
	if err != nil {
		return Order{}, fmt.Errorf("read the drain order: %w", err)
	}
	return o, nil
}
