package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kong/inventory"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

func TestWhatUnmanagedGatewaysWouldLoseIsRefusedByName(t *testing.T) {
	a := adoption{losses: []loss{
		{serving.Unmanaged{Served: "x", Nodes: []string{"gw-1", "gw-2", "gw-3", "gw-4"}},
			[]inventory.Entry{{Kind: "route", Name: "orders"}, {Kind: "service"}}},
		{Unmanaged: serving.Unmanaged{Served: "md5:1", Nodes: []string{"gw-5"}}},
	}}
	err := a.refused("edge")
	if fault.KindOf(err) != fault.WrongState || !strings.Contains(err.Error(),
		"gw-1, gw-2, gw-3 and 1 more would lose route orders, a service; gw-5 would lose an unknown part of its configuration") ||
		!strings.Contains(err.Error(), "silverback import node gw-1 -g edge") {
		t.Errorf("%v", err)
	}
	a.losses = nil
	if err := a.refused("edge"); err != nil {
		t.Errorf("without a loss: %v", err)
	}
}

func TestWhatARevisionMayReplace(t *testing.T) {
	a := adoption{
		suits:  []serving.Unmanaged{{Served: "suits", Nodes: []string{"gw-1"}}, {Served: "alike", Nodes: []string{"gw-2"}}},
		losses: []loss{{Unmanaged: serving.Unmanaged{Served: "loses", Nodes: []string{"gw-3"}}}},
	}
	for _, c := range []struct {
		name string
		s    Submission
		want []string
		told int
	}{
		{"what loses nothing by name, told", Submission{}, []string{"suits", "alike"}, 3},
		{"all of it, when that was meant", Submission{ReplaceUnmanaged: true}, []string{"suits", "alike", "loses"}, 2},
		{"nothing, when it is to be left", Submission{LeaveUnmanaged: true}, nil, 3},
		{"what was imported alone", Submission{LeaveUnmanaged: true, ReplaceServed: []string{"suits"}}, []string{"suits"}, 2},
	} {
		got, told := a.replaced(c.s)
		if !slices.Equal(got, c.want) || len(told) != c.told {
			t.Errorf("%s: %v, %v", c.name, got, told)
		}
	}
}
