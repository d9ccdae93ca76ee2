package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// The names of the services, as their certificates have them.
const (
	RegistryService    = "registry"
	TranslatorService  = "translator"
	DistributorService = "distributor"
)

// Rule says who may call one rpc.
type Rule struct {
	Least    Role     // users of this role and those above; NoRole is no user at all
	Services []string // services by name
	Nodes    bool     // nodes, each for itself only
}

// rules is the whole of what callers may do, by full method name. A method that is not here is denied to all; health and
// reflection, which tell nothing of a fleet, are open to everybody who has an identity.
var rules = map[string]Rule{
	registryv1.RegistryService_CreateGroup_FullMethodName:    {Least: Admin},
	registryv1.RegistryService_UpdateGroup_FullMethodName:    {Least: Admin},
	registryv1.RegistryService_DeleteGroup_FullMethodName:    {Least: Admin},
	registryv1.RegistryService_DeleteNode_FullMethodName:     {Least: Admin},
	registryv1.RegistryService_GetGroup_FullMethodName:       {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_ListGroups_FullMethodName:     {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_WatchGroups_FullMethodName:    {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_GetNode_FullMethodName:        {Least: Viewer, Services: []string{DistributorService}},
	registryv1.RegistryService_ListNodes_FullMethodName:      {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_WatchNodes_FullMethodName:     {Least: Viewer, Services: []string{DistributorService}},
	registryv1.RegistryService_EnrolNode_FullMethodName:      {Nodes: true},
	registryv1.RegistryService_RenewNode_FullMethodName:      {Nodes: true},
	registryv1.RegistryService_UploadSchemas_FullMethodName:  {Nodes: true},
	registryv1.RegistryService_GetSchemas_FullMethodName:     {Least: Viewer, Services: []string{TranslatorService}},
	registryv1.RegistryService_DrainNode_FullMethodName:      {Least: Operator},
	registryv1.RegistryService_UndrainNode_FullMethodName:    {Least: Operator},
	registryv1.RegistryService_QuarantineNode_FullMethodName: {Least: Operator},
	registryv1.RegistryService_ReleaseNode_FullMethodName:    {Least: Operator},

	translatorv1.TranslatorService_SubmitConfig_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_ValidateConfig_FullMethodName: {Least: Submitter},
	translatorv1.TranslatorService_DiffConfig_FullMethodName:     {Least: Submitter},
	translatorv1.TranslatorService_RenderConfig_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_DeleteSource_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_GetSource_FullMethodName:      {Least: Viewer},
	translatorv1.TranslatorService_ListSources_FullMethodName:    {Least: Viewer},
	translatorv1.TranslatorService_GetRevision_FullMethodName:    {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_ListRevisions_FullMethodName:  {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_WatchRevisions_FullMethodName: {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_GetSnapshot_FullMethodName:    {Least: Submitter, Services: []string{DistributorService}},
	translatorv1.TranslatorService_LocateEntities_FullMethodName: {Least: Viewer, Services: []string{DistributorService}},

	distributorv1.DeliveryService_FollowAssignment_FullMethodName: {Nodes: true},
	distributorv1.RolloutService_GetRollout_FullMethodName:        {Least: Viewer},
	distributorv1.RolloutService_ListRollouts_FullMethodName:      {Least: Viewer},
	distributorv1.RolloutService_WatchRollouts_FullMethodName:     {Least: Viewer},
	distributorv1.RolloutService_GetAssignment_FullMethodName:     {Least: Viewer},
	distributorv1.RolloutService_ListAssignments_FullMethodName:   {Least: Viewer},
	distributorv1.RolloutService_GetLedger_FullMethodName:         {Least: Viewer},
	distributorv1.RolloutService_RecoverLedger_FullMethodName:     {Least: Operator},
}

// Allows reports whether the rule lets a caller in; a node is let in for itself only, see Access.Message.
func (r Rule) Allows(who Identity) bool {
	switch who.Kind {
	case User:
		return r.Least != NoRole && who.Role >= r.Least
	case Service:
		return slices.Contains(r.Services, who.Name)
	case Node:
		return r.Nodes
	}
	return false
}

// RuleOf returns the rule of a method by its full name; false when there is none, and nobody is let in.
func RuleOf(method string) (Rule, bool) {
	if strings.HasPrefix(method, "/grpc.health.v1.") || strings.HasPrefix(method, "/grpc.reflection.") {
		return Rule{Least: Viewer, Services: []string{RegistryService, TranslatorService, DistributorService}, Nodes: true}, true
	}
	r, ok := rules[method]
	return r, ok
}

// Access lets calls in by the table. It is safe for concurrent use.
type Access struct {
	TrustDomain string
}

// Call returns the context of a call with its caller, or a fault of kind Denied.
func (a Access) Call(ctx context.Context, method string) (context.Context, error) {
	who, err := fromPeer(ctx, a.TrustDomain)
	if err != nil {
		return nil, fault.New(fault.Denied, "NO_IDENTITY", "who calls is not known: %s", err)
	}
	rule, _ := RuleOf(method)
	if !rule.Allows(who) {
		return nil, fault.New(fault.Denied, "NOT_ALLOWED", "%s may not call %s%s", who, method, rule.remedy(who))
	}
	return context.WithValue(ctx, callerKey{}, who), nil
}

func (r Rule) remedy(who Identity) string {
	if who.Kind == User && r.Least != NoRole {
		return "; that takes the role " + r.Least.String()
	}
	return ""
}

// Message refuses a node's message that is about another node, with a fault of kind Denied.
func (a Access) Message(ctx context.Context, m any) error {
	who := Caller(ctx)
	if who.Kind != Node {
		return nil
	}
	if f, ok := m.(*distributorv1.FollowAssignmentRequest); ok {
		if f.GetHello() == nil {
			return nil // what follows the hello is about the node of the hello
		}
		m = f.GetHello()
	}
	about, ok := m.(interface {
		GetGroup() string
		GetNode() string
	})
	if !ok {
		return nil // health and reflection
	}
	if about.GetGroup() != who.Group || about.GetNode() != who.Name {
		return fault.New(fault.Denied, "NOT_ALLOWED", "%s may not speak for node %s/%s", who, about.GetGroup(), about.GetNode())
	}
	return nil
}
