package lastgood

import "fmt"

// bootIDFile holds the boot id of the agent that ran last on this directory.
const bootIDFile = "boot-id"

type boot struct {
	ID string `json:"id"`
}

// SwapBootID writes the boot id of this run durably, and returns the previous one; empty when there is none or it cannot be
// read. After an error the id is not written, and the next run gets an older one.
func (s *Store) SwapBootID(id string) (before string, err error) {
	var last boot
	if err := s.recall(bootIDFile, &last); err != nil {
		last = boot{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(bootIDFile, boot{id}, nil); err != nil {
		return last.ID, fmt.Errorf("write the boot id: %w", err)
	}
	return last.ID, nil
}
