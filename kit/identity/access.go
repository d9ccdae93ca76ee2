package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// The names of the services in their certificates.
const (
	RegistryService    = "registry"
	TranslatorService  = "translator"
	DistributorService = "distributor"
)

// Rule is who may call one rpc.
type Rule struct {
	Least    Role     // users of this role and higher ones; NoRole is no user at all
	Services []string // services by name
	Nodes    bool     // nodes, each for itself only
}

// rules has the permissions of all callers, by full method name. Methods that it lacks are denied to all. Health and reflection disclose
// nothing about a fleet and are open to every identity.
var rules = map[string]Rule{
	registryv1.RegistryService_CreateGroup_FullMethodName:     {Least: Admin},
	registryv1.RegistryService_UpdateGroup_FullMethodName:     {Least: Admin},
	registryv1.RegistryService_DeleteGroup_FullMethodName:     {Least: Admin},
	registryv1.RegistryService_DeleteNode_FullMethodName:      {Least: Admin},
	registryv1.RegistryService_GetGroup_FullMethodName:        {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_ListGroups_FullMethodName:      {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_WatchGroups_FullMethodName:     {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_GetNode_FullMethodName:         {Least: Viewer, Services: []string{DistributorService}},
	registryv1.RegistryService_ListNodes_FullMethodName:       {Least: Viewer, Services: []string{TranslatorService, DistributorService}},
	registryv1.RegistryService_WatchNodes_FullMethodName:      {Least: Viewer, Services: []string{DistributorService}},
	registryv1.RegistryService_EnrolNode_FullMethodName:       {Nodes: true},
	registryv1.RegistryService_RenewNode_FullMethodName:       {Nodes: true},
	registryv1.RegistryService_UploadSchemas_FullMethodName:   {Nodes: true},
	registryv1.RegistryService_GetSchemas_FullMethodName:      {Least: Viewer, Services: []string{TranslatorService}},
	registryv1.RegistryService_UploadInventory_FullMethodName: {Nodes: true},
	// An inventory holds hashes of clients' keys, so it is for callers that may read the configuration.
	registryv1.RegistryService_GetInventory_FullMethodName:         {Least: Submitter, Services: []string{TranslatorService}},
	registryv1.RegistryService_UploadConfiguration_FullMethodName:  {Nodes: true},
	registryv1.RegistryService_GetNodeConfiguration_FullMethodName: {Least: Submitter},
	registryv1.RegistryService_DrainNode_FullMethodName:            {Least: Operator},
	registryv1.RegistryService_UndrainNode_FullMethodName:          {Least: Operator},
	registryv1.RegistryService_QuarantineNode_FullMethodName:       {Least: Operator},
	registryv1.RegistryService_ReleaseNode_FullMethodName:          {Least: Operator},
	registryv1.RegistryService_RevokeNode_FullMethodName:           {Least: Operator},
	registryv1.RegistryService_UnrevokeNode_FullMethodName:         {Least: Operator},
	registryv1.RegistryService_RevokeUser_FullMethodName:           {Least: Operator},
	registryv1.RegistryService_UnrevokeUser_FullMethodName:         {Least: Operator},
	registryv1.RegistryService_ListRevocations_FullMethodName:      {Least: Viewer},
	registryv1.RegistryService_WatchRevocations_FullMethodName:     {Least: Viewer, Services: []string{TranslatorService, DistributorService}},

	translatorv1.TranslatorService_SubmitConfig_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_ValidateConfig_FullMethodName: {Least: Submitter},
	translatorv1.TranslatorService_DiffConfig_FullMethodName:     {Least: Submitter},
	translatorv1.TranslatorService_RenderConfig_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_DeleteSource_FullMethodName:   {Least: Submitter},
	translatorv1.TranslatorService_GetSource_FullMethodName:      {Least: Viewer},
	translatorv1.TranslatorService_ListSources_FullMethodName:    {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_GetRevision_FullMethodName:    {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_ListRevisions_FullMethodName:  {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_WatchRevisions_FullMethodName: {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_GetSnapshot_FullMethodName:    {Least: Submitter, Services: []string{DistributorService}},
	translatorv1.TranslatorService_LocateEntities_FullMethodName: {Least: Viewer, Services: []string{DistributorService}},
	translatorv1.TranslatorService_RestoreSources_FullMethodName: {Least: Operator, Services: []string{DistributorService}},
	translatorv1.TranslatorService_PinSource_FullMethodName:      {Least: Operator},
	translatorv1.TranslatorService_UnpinSource_FullMethodName:    {Least: Operator},
	// It deletes revisions that the distributor's leader does not list as used.
	translatorv1.TranslatorService_CollectRevisions_FullMethodName: {Services: []string{DistributorService}},

	distributorv1.DeliveryService_FollowAssignment_FullMethodName:   {Nodes: true},
	distributorv1.RolloutService_GetRollout_FullMethodName:          {Least: Viewer},
	distributorv1.RolloutService_ListRollouts_FullMethodName:        {Least: Viewer},
	distributorv1.RolloutService_WatchRollouts_FullMethodName:       {Least: Viewer},
	distributorv1.RolloutService_GetAssignment_FullMethodName:       {Least: Viewer},
	distributorv1.RolloutService_ListAssignments_FullMethodName:     {Least: Viewer},
	distributorv1.RolloutService_GetLedger_FullMethodName:           {Least: Viewer},
	distributorv1.RolloutService_RecoverLedger_FullMethodName:       {Least: Operator},
	distributorv1.RolloutService_PauseRollout_FullMethodName:        {Least: Operator},
	distributorv1.RolloutService_ResumeRollout_FullMethodName:       {Least: Operator},
	distributorv1.RolloutService_PromoteRollout_FullMethodName:      {Least: Operator},
	distributorv1.RolloutService_AbortRollout_FullMethodName:        {Least: Operator},
	distributorv1.RolloutService_RetryRollout_FullMethodName:        {Least: Operator},
	distributorv1.RolloutService_FreezeGroup_FullMethodName:         {Least: Operator},
	distributorv1.RolloutService_UnfreezeGroup_FullMethodName:       {Least: Operator},
	distributorv1.TargetService_UpdateDrainedTargets_FullMethodName: {Least: Operator},
	distributorv1.TargetService_ListDrainedTargets_FullMethodName:   {Least: Viewer},
	distributorv1.EventService_ListEvents_FullMethodName:            {Least: Viewer},
	distributorv1.EventService_WatchEvents_FullMethodName:           {Least: Viewer},
}

// Allows reports whether the rule lets a caller in. A node is let in for itself only, see Access.Message.
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

// RuleOf returns the rule of a method by its full name. Without a rule nobody is let in.
func RuleOf(method string) (Rule, bool) {
	if strings.HasPrefix(method, "/grpc.health.v1.") || strings.HasPrefix(method, "/grpc.reflection.") {
		return Rule{Least: Viewer, Services: []string{RegistryService, TranslatorService, DistributorService}, Nodes: true}, true
	}
	r, ok := rules[method]
	return r, ok
}

// Revocations are the certificates that are refused although their authority signed them.
type Revocations interface {
	// Refuse returns a fault for a revoked certificate.
	Refuse(who Identity, issued time.Time) error
	// Known reports whether the list of revocations is complete.
	Known() bool
}

// Access checks calls against the table. It is safe for concurrent use.
type Access struct {
	TrustDomain string
	Revocations Revocations // nil: no certificate is revoked
}

// Call returns the context of a call with its caller, or a fault of kind Denied.
func (a Access) Call(ctx context.Context, method string) (context.Context, error) {
	who, issued, err := fromPeer(ctx, a.TrustDomain)
	if err != nil {
		return nil, fault.New(fault.Denied, "NO_IDENTITY", "the caller is not authenticated: %s", err)
	}
	rule, _ := RuleOf(method)
	if err := a.revoked(who, issued, rule); err != nil {
		return nil, err
	}
	if !rule.Allows(who) {
		return nil, fault.New(fault.Denied, "NOT_ALLOWED", "%s may not call %s%s", who, method, rule.remedy(who))
	}
	return context.WithValue(ctx, callerKey{}, who), nil
}

// revoked refuses a revoked certificate. While the list of revocations is incomplete, users may only read. Nodes are let in: a node acts
// for itself only, and gateways must be served while the registry is away.
func (a Access) revoked(who Identity, issued time.Time, rule Rule) error {
	if a.Revocations == nil {
		return nil
	}
	if err := a.Revocations.Refuse(who, issued); err != nil {
		return err
	}
	if who.Kind == User && rule.Least > Viewer && !a.Revocations.Known() {
		return fault.New(fault.Down, "REVOCATIONS_UNKNOWN", "this replica has not received the list of revoked certificates from the registry; "+
			"until then users may only read")
	}
	return nil
}

func (r Rule) remedy(who Identity) string {
	if who.Kind == User && r.Least != NoRole {
		return "; that takes the role " + r.Least.String()
	}
	return ""
}

// Message refuses, with a fault of kind Denied, a node's message about another node.
func (a Access) Message(ctx context.Context, m any) error {
	who := Caller(ctx)
	if who.Kind != Node {
		return nil
	}
	if f, ok := m.(*distributorv1.FollowAssignmentRequest); ok {
		if f.GetHello() == nil {
			return nil // later messages are about the node of the hello
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
		return fault.New(fault.Denied, "NOT_ALLOWED", "%s may not act for node %s/%s", who, about.GetGroup(), about.GetNode())
	}
	return nil
}
