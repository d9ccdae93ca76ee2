package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// maxMends bounds how often records are restored that others restore or change at the same time.
const maxMends = 10

// damage is what is to be written again in a group, and the head on which that was found: 0 is that there is none.
type damage struct {
	group       fleet.GroupID
	headVersion int64
	head        *desired.Revision
	sources     []desired.Source
}

// lost finds what the records of a group lack of what its revisions name; nil is nothing.
func (l *Ledger) lost(ctx context.Context, g fleet.GroupID, state desired.State) (*damage, error) {
	d := damage{group: g, headVersion: state.HeadVersion, head: state.Head}
	if state.HeadVersion == 0 {
		newest, err := l.Revisions(ctx, g, 0, 1)
		if err != nil || len(newest) == 0 {
			return nil, err
		}
		d.head = newest[0]
	}
	d.sources = lostSources(d.head, state.Sources)
	if state.HeadVersion != 0 && len(d.sources) == 0 {
		return nil, nil
	}
	return &d, nil
}

// lostSources returns the sources that the head holds entities of, or pins, and whose records are not there. A source that is deleted
// leaves the head with its entities and its pin; one that had none may be named by the head after it is gone.
func lostSources(head *desired.Revision, there []desired.Source) (lost []desired.Source) {
	if head == nil {
		return nil
	}
	known := map[fleet.SourceID]bool{}
	for _, s := range there {
		known[s.Name] = true
	}
	for _, p := range head.Pins {
		if known[p.Name] {
			continue
		}
		known[p.Name] = true
		pin := p.Pin
		lost = append(lost, desired.Source{
			Group: head.Group, Name: p.Name, Fragment: p.Fragment, Entities: p.Entities, Revision: head.Number, Author: head.Author,
			UpdateTime: head.CreateTime, Pin: &pin,
		})
	}
	for _, ref := range head.Sources {
		if ref.Entities > 0 && !known[ref.Name] {
			lost = append(lost, desired.Source{
				Group: head.Group, Name: ref.Name, Fragment: ref.Fragment, Entities: ref.Entities, Revision: head.Number, Author: head.Author,
				UpdateTime: head.CreateTime,
			})
		}
	}
	return lost
}

// mend writes records again. It loses to whoever else writes to the group, and says nothing of that: the caller reads again.
func (l *Ledger) mend(ctx context.Context, d damage) error {
	head, err := encodeRevision(d.head)
	if err != nil {
		return fmt.Errorf("encode revision: %w", err)
	}
	conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(headKey(d.group)), "=", d.headVersion)}
	// The head is written in any case, so that commits that rest on the group without these sources lose.
	ops := []clientv3.Op{clientv3.OpPut(headKey(d.group), string(head))}
	var names []fleet.SourceID
	for _, s := range d.sources {
		value, err := encodeSource(&s)
		if err != nil {
			return fmt.Errorf("encode source: %w", err)
		}
		ops = append(ops, clientv3.OpPut(sourceKey(d.group, s.Name), string(value)))
		names = append(names, s.Name)
	}
	answer, err := l.kv.Txn(ctx).If(conditions...).Then(ops...).Commit()
	if err != nil {
		return fmt.Errorf("restore group %s: %w", d.group, err)
	}
	if answer.Succeeded {
		l.log.Warn("records of a group were gone and are restored from its newest revision", "group", d.group, "revision", d.head.Number, "head",
			d.headVersion == 0, "sources", names)
	}
	return nil
}

// catchUp moves a head that stands before a revision which is there already to the newest one: the revision stays, and so does its number.
func (l *Ledger) catchUp(ctx context.Context, g fleet.GroupID, headVersion int64, taken fleet.Revision) error {
	newest, err := l.Revisions(ctx, g, 0, 1)
	if err != nil {
		return err
	}
	if len(newest) == 0 || newest[0].Number < taken {
		return nil // another condition failed
	}
	return l.mend(ctx, damage{group: g, headVersion: headVersion, head: newest[0]})
}
