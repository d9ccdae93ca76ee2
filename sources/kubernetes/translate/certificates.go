package translate

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// certificate is a certificate that is being made.
type certificate struct {
	declarative.Certificate
	created time.Time
	origins []object.Ref
}

// caCertificate is an authority that is being made.
type caCertificate struct {
	declarative.CACertificate
	origin object.Ref
}

// sniTable says which Secrets are certificates for which names, and why. A name belongs to the first that asks for it.
type sniTable struct {
	hosts   map[string][]string        // by namespace/name of the Secret
	parents map[string][]object.Object // likewise
	seen    map[string]bool            // names that belong to a Secret
}

func newSNIs() *sniTable {
	return &sniTable{hosts: map[string][]string{}, parents: map[string][]object.Object{}, seen: map[string]bool{}}
}

// addTLS notes the certificates of an Ingress. One without names is not served for any.
func (n *sniTable) addTLS(ingress *networking.Ingress) {
	for _, section := range ingress.Spec.TLS {
		if len(section.Hosts) > 0 && section.SecretName != "" {
			n.add(ingress.Namespace+"/"+section.SecretName, ingress, section.Hosts...)
		}
	}
}

// add notes that a Secret is a certificate which parent wants for hosts.
func (n *sniTable) add(secret string, parent object.Object, hosts ...string) {
	ref := object.RefOf(parent)
	if !slices.ContainsFunc(n.parents[secret], func(p object.Object) bool { return object.RefOf(p) == ref }) {
		n.parents[secret] = append(n.parents[secret], parent)
	}
	for _, host := range hosts {
		if !n.seen[host] {
			n.seen[host] = true
			n.hosts[secret] = append(n.hosts[secret], host)
		}
	}
}

// certificateID is the id of a Secret's certificate: its uid, or one derived from its name where there is none.
func (t *translation) certificateID(secret *core.Secret) string {
	if secret.UID != "" {
		return string(secret.UID)
	}
	return t.id("certificates", secret.Namespace+"/"+secret.Name)
}

// keyPair takes the certificate and the key of a Secret.
func keyPair(secret *core.Secret) (cert, key string, err error) {
	certPEM, hasCert := secret.Data[core.TLSCertKey]
	keyPEM, hasKey := secret.Data[core.TLSPrivateKeyKey]
	if !hasCert || !hasKey {
		return "", "", errors.New("it has no tls.crt or no tls.key")
	}
	certPEM, keyPEM = bytes.TrimSpace(certPEM), bytes.TrimSpace(keyPEM)
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return "", "", errors.New("its tls.crt and tls.key are no certificate with its key")
	}
	return string(certPEM), string(keyPEM), nil
}

// readCertificates makes the certificates that Ingresses, Services and listeners ask for. Equal ones of several Secrets become one, with
// the id of the oldest; services that named another follow.
func (t *translation) readCertificates() {
	var wanted []certificate
	for _, name := range slices.Sorted(maps.Keys(t.secrets.parents)) {
		namespace, base, _ := strings.Cut(name, "/")
		if made, ok := t.certificate(namespace, base, t.secrets.parents[name]); ok {
			for _, host := range t.secrets.hosts[name] {
				made.SNIs = append(made.SNIs, declarative.SNI{Name: host})
			}
			wanted = append(wanted, made)
		}
	}
	wanted = append(wanted, t.listenerCertificates()...)

	merged, replaced := mergeCertificates(wanted)
	t.certificates = merged
	for _, s := range t.services {
		if s.ClientCertificate != "" {
			s.ClientCertificate = replaced[s.ClientCertificate]
		}
	}
}

// certificate makes the certificate of one Secret, which parents want. That there is none is a problem.
func (t *translation) certificate(namespace, name string, parents []object.Object) (certificate, bool) {
	made, whose, wrong := t.certificateOf(namespace, name, parents)
	if wrong != "" {
		t.problem(whose.reason, wrong, whose.objects...)
	}
	return made, wrong == ""
}

// certificateOf makes the certificate of one Secret, or says what is wrong with it and whose problem that is.
func (t *translation) certificateOf(namespace, name string, parents []object.Object) (_ certificate, _ blame, wrong string) {
	secret, ok := t.secret(namespace, name)
	if !ok {
		return certificate{}, blame{object.ReasonUnresolved, parents}, fmt.Sprintf("there is no Secret %s/%s with a certificate", namespace, name)
	}
	cert, key, err := keyPair(secret)
	if err != nil {
		return certificate{}, blame{object.ReasonInvalid, append([]object.Object{secret}, parents...)},
			fmt.Sprintf("the Secret %s/%s is no certificate: %v", namespace, name, err)
	}
	made := certificate{
		Certificate: declarative.Certificate{ID: t.certificateID(secret), Cert: cert, Key: key, Tags: tagsOf(secret)},
		created:     secret.CreationTimestamp.Time,
		origins:     []object.Ref{object.RefOf(secret)},
	}
	for _, parent := range parents {
		made.origins = append(made.origins, object.RefOf(parent))
	}
	return made, blame{}, ""
}

// mergeCertificates makes one of equal certificates, and gives every name to the first that asks for it. Replaced are the ids by what
// they became.
func mergeCertificates(wanted []certificate) (merged []certificate, replaced map[string]string) {
	replaced = map[string]string{}
	byText := map[string]int{}
	owner := map[string]int{}
	ids := map[int][]string{}
	for _, made := range wanted {
		at, known := byText[made.Cert+made.Key]
		if !known {
			at = len(merged)
			byText[made.Cert+made.Key] = at
			empty := made
			empty.SNIs, empty.origins = nil, nil
			merged = append(merged, empty)
		}
		m := &merged[at]
		if cmp.Or(made.created.Compare(m.created), cmp.Compare(made.ID, m.ID)) < 0 {
			m.ID, m.created = made.ID, made.created
		}
		m.origins = append(m.origins, made.origins...)
		ids[at] = append(ids[at], made.ID)
		for _, sni := range made.SNIs {
			if _, taken := owner[sni.Name]; !taken {
				owner[sni.Name] = at
				m.SNIs = append(m.SNIs, sni)
			}
		}
	}
	for at := range merged {
		m := &merged[at]
		slices.SortFunc(m.SNIs, func(a, b declarative.SNI) int { return cmp.Compare(a.Name, b.Name) })
		for i := range m.SNIs {
			m.SNIs[i].Certificate.ID = m.ID
		}
		for _, id := range ids[at] {
			replaced[id] = m.ID
		}
	}
	return merged, replaced
}

// authority is a Secret or a ConfigMap that holds one.
type authority struct {
	obj  object.Object
	data map[string]string
}

// readCACertificates makes the authorities of labelled Secrets and ConfigMaps. Of several with one id the oldest counts.
func (t *translation) readCACertificates() {
	byID := map[string]authority{}
	for _, one := range t.authorities() {
		id, ok := one.data["id"]
		if !ok {
			t.problem(object.ReasonInvalid, "an authority needs an id in its data", one.obj)
			continue
		}
		other, taken := byID[id]
		if taken && !older(one.obj, other.obj) {
			one, other = other, one
		}
		if taken {
			t.problem(object.ReasonConflict, "the authority has the id of an older one, "+object.RefOf(one.obj).String(), other.obj)
		}
		byID[id] = one
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		one := byID[id]
		text, ok := one.data["cert"]
		if !ok {
			text, ok = one.data["ca.crt"]
		}
		err := errors.New("its data has neither cert nor ca.crt")
		if ok {
			text, err = t.authorityText(text)
		}
		if err != nil {
			t.problem(object.ReasonInvalid, "this is no authority: "+err.Error(), append([]object.Object{one.obj}, t.pluginsThatTrust(id)...)...)
			continue
		}
		t.caCertificates = append(t.caCertificates, caCertificate{
			CACertificate: declarative.CACertificate{ID: id, Cert: text, Tags: tagsOf(one.obj)}, origin: object.RefOf(one.obj),
		})
	}
}

func (t *translation) authorities() []authority {
	var found []authority
	for _, secret := range object.List[*core.Secret](t.set, "Secret") {
		if secret.Labels[labelCACert] == "true" {
			data := map[string]string{}
			for name, value := range secret.Data {
				data[name] = string(value)
			}
			found = append(found, authority{secret, data})
		}
	}
	for _, config := range object.List[*core.ConfigMap](t.set, "ConfigMap") {
		if config.Labels[labelCACert] == "true" {
			found = append(found, authority{config, config.Data})
		}
	}
	return found
}

// older says whether a was there before b; where times are equal, the names decide.
func older(a, b object.Object) bool { return byAge(a, b) < 0 }

// byAge orders objects by when they were made; where times are equal, the names decide.
func byAge(a, b object.Object) int {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(at.Compare(bt.Time), cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// Authority is what is wrong with a Secret or a ConfigMap that should hold a certificate authority.
func Authority(set *object.Set, ref object.Ref) Finding {
	data := map[string]string{}
	if secret, ok := object.Get[*core.Secret](set, ref.Kind, ref.Namespace, ref.Name); ok {
		for name, value := range secret.Data {
			data[name] = string(value)
		}
	} else if config, ok := object.Get[*core.ConfigMap](set, ref.Kind, ref.Namespace, ref.Name); ok {
		data = config.Data
	} else {
		return Finding{string(object.ReasonUnresolved), fmt.Sprintf("there is no %s %s/%s with an authority", ref.Kind, ref.Namespace, ref.Name)}
	}
	text, ok := data["cert"]
	if !ok {
		text, ok = data["ca.crt"]
	}
	if !ok {
		return Finding{string(object.ReasonInvalid), ref.String() + " has neither cert nor ca.crt"}
	}
	if _, err := (&translation{}).authorityText(text); err != nil {
		return Finding{string(object.ReasonInvalid), ref.String() + " is no authority: " + err.Error()}
	}
	return Finding{}
}

// authorityText is one certificate of an authority in PEM form, and nothing else.
func (t *translation) authorityText(text string) (string, error) {
	block, rest := pem.Decode(bytes.TrimSpace([]byte(text)))
	switch {
	case block == nil || block.Type != "CERTIFICATE":
		return "", errors.New("it is not one certificate in PEM form")
	case len(bytes.TrimSpace(rest)) > 0:
		return "", errors.New("something follows its first certificate")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "", errors.New("its certificate does not parse")
	case !parsed.IsCA:
		return "", errors.New("its certificate is not one of an authority")
	case !t.Now.IsZero() && t.Now.After(parsed.NotAfter):
		return "", errors.New("its certificate has expired")
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes})), nil
}

// pluginsThatTrust lists the plugins whose configuration names an authority.
func (t *translation) pluginsThatTrust(id string) []object.Object {
	var found []object.Object
	for _, kind := range []string{kongcrd.KindPlugin, kongcrd.KindClusterPlugin} {
		for _, p := range object.List[*kongcrd.Plugin](t.set, kind) {
			if slices.Contains(trustedBy(p), id) {
				found = append(found, p)
			}
		}
	}
	return found
}
