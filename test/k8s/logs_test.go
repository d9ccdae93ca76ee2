package k8s_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// collected finds namespace and containers in the pattern of the files that are read.
var collected = regexp.MustCompile(`^/var/log/pods/([a-z-]+)_\*/\{([a-z,-]+)\}/\*\.log$`)

// The collector of logs reads the files of every container of the fleet, and may do nothing else on the machine.
func TestLogsAreCollectedFromEveryContainer(t *testing.T) {
	dir := filepath.Join(root(t), "deploy", "observability", "logs", "kubernetes")
	checkFolder(t, dir)
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var (
		set      *apps.DaemonSet
		settings *core.ConfigMap
		policy   *networking.NetworkPolicy
	)
	for _, o := range objects {
		switch o := o.(type) {
		case *apps.DaemonSet:
			set = o
		case *core.ConfigMap:
			settings = o
		case *networking.NetworkPolicy:
			policy = o
		}
	}
	if set == nil || settings == nil || policy == nil || len(set.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("the kustomization is %s", text)
	}
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	s := c.SecurityContext
	if *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks || pod.HostNetwork || pod.HostPID || !*s.ReadOnlyRootFilesystem ||
		*s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 ||
		pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("the collector may do more than it must: %+v %+v", pod.SecurityContext, s)
	}
	if !regexp.MustCompile(`:\d+\.\d+\.\d+$`).MatchString(c.Image) {
		t.Errorf("%s is no exact version", c.Image)
	}
	if len(policy.Spec.Ingress) != 0 || !slices.Equal(policy.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress}) {
		t.Errorf("the collector can be called: %+v", policy.Spec)
	}
	if !slices.ContainsFunc(pod.Tolerations, func(o core.Toleration) bool { return o.Operator == core.TolerationOpExists && o.Key == "" }) {
		t.Error("it does not run on every machine")
	}
	mounts := map[string]core.VolumeMount{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m
	}
	for _, v := range pod.Volumes {
		m, ok := mounts[v.Name]
		switch {
		case !ok:
			t.Errorf("nobody mounts %s", v.Name)
		case v.ConfigMap != nil && (v.ConfigMap.Name != settings.Name || !m.ReadOnly ||
			!slices.Equal(c.Args, []string{"--config=" + m.MountPath + "/collector.yaml"})):
			t.Errorf("the collector reads %v of %s, and %s is at %s", c.Args, v.ConfigMap.Name, settings.Name, m.MountPath)
		case v.HostPath != nil && v.Name == "pods" && (v.HostPath.Path != m.MountPath || !m.ReadOnly):
			t.Errorf("the logs of %s are at %s, and can be written: %v", v.HostPath.Path, m.MountPath, !m.ReadOnly)
		}
	}
	var config struct {
		Extensions map[string]struct{ Directory string }
		Receivers  map[string]struct{ Include []string }
	}
	if err := yaml.Unmarshal([]byte(settings.Data["collector.yaml"]), &config); err != nil { // test/observability reads it strictly
		t.Fatal(err)
	}
	if config.Extensions["file_storage"].Directory != mounts["state"].MountPath {
		t.Errorf("what was read is noted in %s, and the volume is at %s", config.Extensions["file_storage"].Directory, mounts["state"].MountPath)
	}
	include := config.Receivers["filelog"].Include
	if len(include) != 1 || collected.FindStringSubmatch(include[0]) == nil {
		t.Fatalf("the files are %q", include)
	}
	found := collected.FindStringSubmatch(include[0])
	if found[1] != "silverback" { // overlays/production/namespace.yaml
		t.Errorf("the namespace is %s", found[1])
	}
	want := map[string]bool{}
	for _, folder := range []string{"overlays/production", "kubernetes-source", "kubernetes-source/webhook"} {
		for _, w := range mustFleet(t, folder).workloads {
			for _, c := range w.containers() {
				if name := c.Name; name != "etcd" && name != "boot-file" { // etcd writes JSON of its own form
					want[name] = true
				}
			}
		}
	}
	got := strings.Split(found[2], ",")
	for name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("nobody collects the logs of the container %s", name)
		}
	}
	for _, name := range got {
		if !want[name] {
			t.Errorf("there is no container %s", name)
		}
	}
}
