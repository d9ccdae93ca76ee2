package upstream

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// certificateRevoked is the condition of a node whose certificate an operator revoked.
const certificateRevoked = "CertificateRevoked"

// revokedWait is the longest pause after a refusal. Only an operator or a new certificate changes the answer.
const revokedWait = 10 * time.Second

// isRevoked reports whether a call was refused because the node's certificate is revoked.
func isRevoked(err error) bool {
	return errors.Is(fault.FromStatus(err), &fault.Error{Kind: fault.Denied, Reason: "CERTIFICATE_REVOKED"})
}

// noteRevoked records whether a service refuses the node's certificate as revoked; err is the result of the call, nil when it
// succeeded. The gateway serves on and stays ready, because the certificate opens the control plane, not the gateway.
func noteRevoked(b *status.Tracker, log *slog.Logger, who Identity, service string, err error) (refused bool) {
	refused = isRevoked(err)
	if !refused && err != nil {
		return false // the call failed for another reason
	}
	if refused == slices.Contains(b.View().RevokedAt, service) {
		return refused
	}
	var before, now []string
	b.Update(func(v *status.View) {
		before = v.RevokedAt
		now = slices.DeleteFunc(slices.Clone(before), func(s string) bool { return s == service })
		if refused {
			now = append(now, service)
		}
		v.RevokedAt = now
	})
	if refused {
		b.Raise(certificateRevoked, "the services refuse this node's certificate: "+reason(err), time.Now())
	}
	switch {
	case len(before) == 0:
		log.Warn("this node's certificate is revoked; the gateway serves on; the agent needs a new certificate, or an operator must undo it",
			telemetry.Group, who.Group, telemetry.Node, who.Node, telemetry.Err, reason(err))
	case len(now) == 0:
		b.Clear(certificateRevoked)
		log.Info("this node's certificate is accepted again", telemetry.Group, who.Group, telemetry.Node, who.Node)
	}
	return refused
}
