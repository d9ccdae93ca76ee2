package controller

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/graft"
)

// Entities are moved between sources when the setting of what is a source changes. A source that gives something up comes before the one
// that takes it, since the translator refuses an entity of two sources; so the group is frozen meanwhile, and no gateway sees what is in
// between. What is moved is what the stable revision holds, entity by entity: the configuration is the same afterwards, and a process that
// ends in the middle is followed by one that goes on.

// moveReason is why the group is frozen, by which the next process knows it.
func (s *sources) moveReason() string {
	return "kubernetes: entities of the source " + s.remote.source + " move between sources"
}

// move moves entities that are in the wrong sources, and says whether there is nothing to move any more.
func (s *sources) move(ctx context.Context, now news) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	frozen := now.rollout.GetFrozen().GetReason()
	if frozen != s.moveReason() && !s.misplaced(now.revision) {
		s.moving = ""
		return true
	}
	wait, err := s.moveNow(ctx, now, frozen)
	switch {
	case err != nil:
		s.moving = "entities cannot be moved between sources: " + why(err)
		s.log.Warn("entities cannot be moved between sources", telemetry.Group, s.remote.group, telemetry.Err, err)
	case wait != "":
		s.moving = "entities are moved between sources once " + wait
	default:
		s.moving = ""
		return true
	}
	s.again = s.now().Add(moveRetry)
	return false
}

// misplaced says whether sources of a revision hold what others should: without a source of its own for each namespace, all of those.
func (s *sources) misplaced(newest *client.Revision) bool {
	if s.byNamespace() {
		return s.clustered()
	}
	return len(s.namespaceSources(newest)) > 0
}

// clustered says whether the common source has what belongs to namespaces.
func (s *sources) clustered() bool {
	e := s.engines[common]
	if e == nil || e.committed == nil {
		return false
	}
	return slices.ContainsFunc(e.committed.Entities(), func(one content.Entity) bool {
		return one.Kind == "services" || one.Kind == "upstreams"
	})
}

// namespaceSources are the sources of a revision that may be of namespaces, by their names.
func (s *sources) namespaceSources(r *client.Revision) []string {
	var names []string
	for _, ref := range r.GetSources() {
		if strings.HasPrefix(ref.GetName(), s.remote.source+".") {
			names = append(names, ref.GetName())
		}
	}
	return names
}

// moveNow moves what is in the wrong source. It returns what has to come first, if anything.
func (s *sources) moveNow(ctx context.Context, now news, frozen string) (wait string, err error) {
	stable := rolloutOf(now.rollout)
	switch {
	case now.revision.GetNumber() == 0 || now.rollout == nil:
		return "the state of the group is known", nil
	case frozen != "" && frozen != s.moveReason():
		return "the group is not frozen any more: " + frozen, nil
	}
	origin, err := s.revisions.get(ctx, stable.Good())
	if err != nil || origin == nil {
		return "a revision is stable", err
	}
	if frozen == "" {
		if now.rollout.GetEndTime() == nil || origin.GetDigest() != now.revision.GetDigest() {
			return "the gateways serve the newest revision", nil
		}
	}
	targets, notes, err := s.moved(ctx, origin)
	if err != nil {
		return "", err
	}
	if targets == nil {
		return "", nil // sources of that name belong to others
	}
	if frozen == "" {
		request := &distributorv1.FreezeGroupRequest{Group: s.remote.group, Reason: s.moveReason()}
		if _, err := s.remote.Rollouts().FreezeGroup(ctx, request); err != nil {
			return "", fmt.Errorf("freeze the group: %w", err)
		}
		s.log.Info("the group is frozen while entities move between sources", telemetry.Group, s.remote.group)
	}
	for _, takes := range []bool{false, true} { // what gives comes first
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			if (name == s.remote.source) == s.byNamespace() != takes {
				if err := s.put(ctx, name, targets[name], notes); err != nil {
					return "", fmt.Errorf("move entities to the source %s: %w", name, err)
				}
			}
		}
	}
	if err := s.verify(ctx, targets); err != nil {
		return "", err
	}
	request := &distributorv1.UnfreezeGroupRequest{Group: s.remote.group, Reason: "entities were moved between sources"}
	if _, err := s.remote.Rollouts().UnfreezeGroup(ctx, request); err != nil {
		return "", fmt.Errorf("unfreeze the group: %w", err)
	}
	s.log.Info("entities were moved between sources", telemetry.Group, s.remote.group, "sources", len(targets))
	s.engines, s.broken = map[string]*engine{}, broken{}
	return "", s.learnOnce(ctx)
}

// moved are the contents that sources are to have, by their names, and what the messages of their revisions have to remember. It is nil
// when there is nothing to move. Sources are empty that hold nothing any more.
func (s *sources) moved(ctx context.Context, origin *client.Revision) (map[string][]content.Entity, string, error) {
	targets := map[string][]content.Entity{}
	var notes strings.Builder
	for _, name := range append(s.namespaceSources(origin), s.remote.source) {
		from := &remote{Client: s.remote.Client, group: s.remote.group, source: name}
		held, err := from.content(ctx, origin.GetNumber())
		if err != nil && !missing(err) {
			return nil, "", err
		}
		shares := sharesOf(held)
		if name != s.remote.source && !s.owns(name, shares) {
			continue
		}
		last, err := from.lastSubmitted(ctx)
		if err != nil {
			return nil, "", err
		}
		notes.WriteString(remembered(last.GetMessage()).trailers(common))
		if targets[name] == nil {
			targets[name] = []content.Entity{}
		}
		for share, entities := range shares {
			target := s.remote.source
			if s.byNamespace() {
				target = sourceOf(s.remote.source, share)
			}
			targets[target] = append(targets[target], entities...)
		}
	}
	if !s.byNamespace() && len(targets) < 2 {
		return nil, "", nil
	}
	return targets, notes.String(), nil
}

// owns says whether a source that is named as that of a namespace is: all that it has is of that namespace.
func (s *sources) owns(name string, shares map[string][]content.Entity) bool {
	for share := range shares {
		if sourceOf(s.remote.source, share) != name {
			return false
		}
	}
	return len(shares) > 0
}

// sharesOf divides a content as split divides a configuration.
func sharesOf(c *content.Content) map[string][]content.Entity {
	fields, routes, hosts := map[string]content.Fields{}, map[string]string{}, map[string]string{} // by ids, ids and names
	for _, e := range c.Entities() {
		fields[e.ID] = e.Read()
	}
	owners := map[string]string{} // shares by ids
	for _, e := range c.Entities() {
		if ref, tagged := fields[e.ID].Object(); e.Kind == "routes" && tagged {
			for _, service := range fields[e.ID].Refs {
				routes[service] = ref.Namespace
			}
			owners[e.ID] = ref.Namespace
		}
	}
	for _, e := range c.Entities() {
		if e.Kind != "services" {
			continue
		}
		share, known := routes[e.ID]
		if !known {
			ref, _ := fields[e.ID].Object()
			share = ref.Namespace
		}
		owners[e.ID], hosts[fields[e.ID].Host] = share, share
	}
	for _, e := range c.Entities() {
		if e.Kind == "upstreams" {
			owners[e.ID] = hosts[fields[e.ID].Name]
		}
	}
	shares := map[string][]content.Entity{}
	for _, e := range c.Entities() {
		share := owners[e.ID]
		for _, id := range fields[e.ID].Refs { // plugins of routes, targets, entities of other kinds
			if share == common {
				share = owners[id]
			}
		}
		shares[share] = append(shares[share], e)
	}
	return shares
}

// put gives a source a content, or takes it away when there is none.
func (s *sources) put(ctx context.Context, name string, entities []content.Entity, notes string) error {
	text, err := graft.Document(entities)
	if err != nil {
		return err
	}
	message := "kubernetes: entities were moved between sources" + notes
	if len(message) > maxMessage {
		message = message[:strings.LastIndexByte(message[:maxMessage], '\n')]
	}
	if len(entities) == 0 {
		_, err := s.remote.Translator().DeleteSource(ctx, &translatorv1.DeleteSourceRequest{Group: s.remote.group, Source: name,
			Message: message, AllowShrink: true})
		if missing(err) {
			return nil
		}
		return err
	}
	_, err = s.remote.Submit(ctx, &client.SubmitRequest{Group: s.remote.group, Source: name, Message: message, AllowShrink: true,
		Documents: []*client.Document{{Name: keptName, Content: text}}})
	return err
}

var errUnmoved = errors.New("a source does not hold what was moved to it; the group stays frozen")

// verify reads back what sources hold now.
func (s *sources) verify(ctx context.Context, targets map[string][]content.Entity) error {
	for name, entities := range targets {
		held, err := (&remote{Client: s.remote.Client, group: s.remote.group, source: name}).content(ctx, 0)
		if err != nil && !missing(err) {
			return err
		}
		if !holds(held, entities) {
			return fmt.Errorf("%w: %s", errUnmoved, name)
		}
	}
	return nil
}

// holds says whether a content has these entities, and no others.
func holds(held *content.Content, entities []content.Entity) bool {
	for _, e := range entities {
		if got, there := held.Get(e.Key); !there || !bytes.Equal(got.Line, e.Line) {
			return false
		}
	}
	return len(held.Entities()) == len(entities)
}

// shortDigest tells texts apart.
func shortDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
