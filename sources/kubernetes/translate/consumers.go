package translate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// consumer is a consumer that is being made.
type consumer struct {
	declarative.Consumer
	source  *kongcrd.Consumer
	groups  []string
	secrets []credentialSource
}

// credentialSource says which Secret a credential came from.
type credentialSource struct {
	kind   string // of the credential, in Kong's words
	secret object.Ref
}

// name is what other entities call a consumer.
func (c consumer) name() string { return cmp.Or(c.Username, c.CustomID) }

// group is a group of consumers that is being made.
type group struct {
	declarative.ConsumerGroup
	source *kongcrd.ConsumerGroup
}

// readConsumers makes the consumers of our class with their credentials. Consumers that claim one credential are left out, all of them.
func (t *translation) readConsumers() {
	claims := claims{}
	for _, source := range object.List[*kongcrd.Consumer](t.set, kongcrd.KindConsumer) {
		if !t.ours(source) {
			continue
		}
		if source.Username == "" && source.CustomID == "" {
			t.problem(object.ReasonInvalid, "a consumer needs a username or a custom_id", source)
			continue
		}
		c := consumer{source: source, Consumer: declarative.Consumer{
			ID: t.id("consumers", source.Username), Username: source.Username, CustomID: source.CustomID, Tags: tagsOf(source),
		}}
		for _, name := range source.ConsumerGroups {
			if _, ok := object.Get[*kongcrd.ConsumerGroup](t.set, kongcrd.KindConsumerGroup, source.Namespace, name); !ok {
				t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no KongConsumerGroup %s/%s", source.Namespace, name), source)
				continue
			}
			c.groups = append(c.groups, name)
		}
		for _, name := range source.Credentials {
			t.addCredential(&c, name, claims)
		}
		t.consumers = append(t.consumers, c)
	}
	t.dropConflicts(claims)
}

// readConsumerGroups makes the groups of our class.
func (t *translation) readConsumerGroups() {
	for _, source := range object.List[*kongcrd.ConsumerGroup](t.set, kongcrd.KindConsumerGroup) {
		if t.ours(source) {
			t.groups = append(t.groups, group{source: source, ConsumerGroup: declarative.ConsumerGroup{
				ID: t.id("consumergroups", source.Name), Name: source.Name, Tags: tagsOf(source),
			}})
		}
	}
}

// claims are, for every credential that must be unique, those that have it. Its key holds a secret and is never shown.
type claims map[claim][]claimant

type claim struct{ field, value string }

type claimant struct{ secret, consumer object.Object }

// dropConflicts leaves out the consumers whose credentials are not theirs alone.
func (t *translation) dropConflicts(all claims) {
	dropped := map[object.Ref]bool{}
	for what, by := range all {
		if len(by) < 2 {
			continue
		}
		for _, one := range by {
			t.problem(object.ReasonConflict, "another credential has the same "+what.field, one.secret)
			t.problem(object.ReasonConflict, "a credential of the consumer has the same "+what.field+" as another, so the consumer is left out",
				one.consumer)
			dropped[object.RefOf(one.consumer)] = true
		}
	}
	t.consumers = slices.DeleteFunc(t.consumers, func(c consumer) bool { return dropped[object.RefOf(c.source)] })
}
