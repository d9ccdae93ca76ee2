package dashboards_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/test/dashboards"
)

// Who looks at every panel of nothing has looked at nothing.
func TestAFolderWithoutDashboardsIsAnError(t *testing.T) {
	if all, err := dashboards.Read(t.TempDir()); err == nil {
		t.Errorf("read %v", all)
	}
}
