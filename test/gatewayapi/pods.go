package gatewayapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const round = 200 * time.Millisecond

// pods stands in for the controllers and the node that a Deployment needs: it makes Pods, runs them as listeners of this process, and gives
// Services with a selector their endpoints.
type pods struct {
	clients kubernetes.Interface
	running map[string]*echo // by namespace/name
	next    int              // address
}

// runPods works until ctx ends.
func runPods(ctx context.Context, c *rest.Config) error {
	clients, err := kubernetes.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("a client for pods: %w", err)
	}
	p := &pods{clients: clients, running: map[string]*echo{}}
	defer func() {
		for _, e := range p.running {
			e.close()
		}
	}()
	for ctx.Err() == nil {
		_ = p.round(ctx) // the next round sees what is left
		select {
		case <-time.After(round):
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

func (p *pods) round(ctx context.Context) error {
	deployments, err := p.clients.AppsV1().Deployments("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	all, err := p.clients.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	var problems error
	for _, d := range deployments.Items {
		if d.DeletionTimestamp != nil {
			continue
		}
		for i := range int(replicas(d)) {
			name := fmt.Sprintf("%s-6d5f4c8b9-%05d", d.Name, i) // as a ReplicaSet names them
			wanted[d.Namespace+"/"+name] = true
			problems = errors.Join(problems, p.want(ctx, d, name, all.Items))
		}
	}
	for _, pod := range all.Items {
		if key := pod.Namespace + "/" + pod.Name; !wanted[key] {
			problems = errors.Join(problems, p.end(ctx, key, pod))
		}
	}
	return errors.Join(problems, p.endpoints(ctx))
}

func replicas(d apps.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// want makes and runs a Pod of a Deployment, and says that it is ready.
func (p *pods) want(ctx context.Context, d apps.Deployment, name string, all []core.Pod) error {
	key := d.Namespace + "/" + name
	i := slices.IndexFunc(all, func(o core.Pod) bool { return o.Namespace == d.Namespace && o.Name == name })
	if i < 0 {
		pod := &core.Pod{
			ObjectMeta: meta.ObjectMeta{
				Name: name, Namespace: d.Namespace, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations,
			},
			Spec: d.Spec.Template.Spec,
		}
		pod.Spec.NodeName = "stand-in"
		_, err := p.clients.CoreV1().Pods(d.Namespace).Create(ctx, pod, meta.CreateOptions{})
		return err
	}
	pod := all[i]
	if p.running[key] != nil || pod.DeletionTimestamp != nil {
		return nil
	}
	p.next++
	address := fmt.Sprintf("10.244.%d.%d", p.next/200, p.next%200+1)
	started, err := p.start(ctx, pod, address)
	if err != nil {
		return fmt.Errorf("run %s: %w", key, err)
	}
	now := meta.Now()
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = core.PodRunning, address, []core.PodIP{{IP: address}}
	pod.Status.Conditions = []core.PodCondition{
		{Type: core.PodReady, Status: core.ConditionTrue, LastTransitionTime: now},
		{Type: core.ContainersReady, Status: core.ConditionTrue, LastTransitionTime: now},
	}
	if _, err := p.clients.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, &pod, meta.UpdateOptions{}); err != nil {
		started.close()
		return err
	}
	p.running[key] = started
	return nil
}

func (p *pods) end(ctx context.Context, key string, pod core.Pod) error {
	if e := p.running[key]; e != nil {
		e.close()
		delete(p.running, key)
	}
	now := int64(0)
	err := p.clients.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, meta.DeleteOptions{GracePeriodSeconds: &now})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// start runs the listeners of a Pod's first container, as its environment says.
func (p *pods) start(ctx context.Context, pod core.Pod, address string) (*echo, error) {
	env := map[string]string{}
	container := pod.Spec.Containers[0]
	for _, e := range container.Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			env[e.Name] = map[string]string{"metadata.name": pod.Name, "metadata.namespace": pod.Namespace}[e.ValueFrom.FieldRef.FieldPath]
		}
	}
	files, err := p.files(ctx, pod)
	if err != nil {
		return nil, err
	}
	return startEcho(address, env, files)
}

// files are what is mounted into the first container from Secrets, by their paths.
func (p *pods) files(ctx context.Context, pod core.Pod) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			if v.Name != mount.Name || v.Secret == nil {
				continue
			}
			secret, err := p.clients.CoreV1().Secrets(pod.Namespace).Get(ctx, v.Secret.SecretName, meta.GetOptions{})
			if err != nil {
				return nil, err
			}
			for _, item := range v.Secret.Items {
				files[mount.MountPath+"/"+item.Path] = secret.Data[item.Key]
			}
			if len(v.Secret.Items) == 0 {
				for key, value := range secret.Data {
					files[mount.MountPath+"/"+key] = value
				}
			}
		}
	}
	return files, nil
}

// endpoints gives each Service with a selector a slice with its Pods, and takes slices away whose Service is gone.
func (p *pods) endpoints(ctx context.Context) error {
	services, err := p.clients.CoreV1().Services("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	all, err := p.clients.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	have, err := p.clients.DiscoveryV1().EndpointSlices("").List(ctx, meta.ListOptions{LabelSelector: discovery.LabelManagedBy + "=stand-in"})
	if err != nil {
		return err
	}
	stale := map[string]discovery.EndpointSlice{}
	for _, s := range have.Items {
		stale[s.Namespace+"/"+s.Name] = s
	}
	var problems error
	for _, s := range services.Items {
		if len(s.Spec.Selector) == 0 || s.Spec.Type == core.ServiceTypeExternalName || s.DeletionTimestamp != nil {
			continue
		}
		want := slice(s, all.Items)
		key := want.Namespace + "/" + want.Name
		old, there := stale[key]
		delete(stale, key)
		client := p.clients.DiscoveryV1().EndpointSlices(s.Namespace)
		switch {
		case !there:
			_, err = client.Create(ctx, want, meta.CreateOptions{})
		case !equal(old, *want):
			want.ResourceVersion = old.ResourceVersion
			_, err = client.Update(ctx, want, meta.UpdateOptions{})
		default:
			err = nil
		}
		problems = errors.Join(problems, err)
	}
	for _, s := range stale {
		problems = errors.Join(problems, p.clients.DiscoveryV1().EndpointSlices(s.Namespace).Delete(ctx, s.Name, meta.DeleteOptions{}))
	}
	return problems
}

func equal(a, b discovery.EndpointSlice) bool {
	addresses := func(s discovery.EndpointSlice) (all []string) {
		for _, e := range s.Endpoints {
			all = append(all, e.Addresses...)
		}
		for _, p := range s.Ports {
			all = append(all, fmt.Sprintf("%s=%d", *p.Name, *p.Port))
		}
		return all
	}
	return slices.Equal(addresses(a), addresses(b))
}

// slice is the endpoints of a Service.
func slice(s core.Service, all []core.Pod) *discovery.EndpointSlice {
	yes := true
	out := &discovery.EndpointSlice{
		ObjectMeta: meta.ObjectMeta{Name: s.Name + "-standin", Namespace: s.Namespace, Labels: map[string]string{
			discovery.LabelServiceName: s.Name, discovery.LabelManagedBy: "stand-in",
		}},
		AddressType: discovery.AddressTypeIPv4,
	}
	selector := labels.SelectorFromSet(s.Spec.Selector)
	var chosen []core.Pod
	for _, pod := range all {
		if pod.Namespace == s.Namespace && pod.Status.PodIP != "" && pod.DeletionTimestamp == nil && selector.Matches(labels.Set(pod.Labels)) {
			chosen = append(chosen, pod)
		}
	}
	slices.SortFunc(chosen, func(a, b core.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for _, pod := range chosen {
		out.Endpoints = append(out.Endpoints, discovery.Endpoint{
			Addresses: []string{pod.Status.PodIP}, Conditions: discovery.EndpointConditions{Ready: &yes, Serving: &yes},
			TargetRef: &core.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name},
		})
	}
	for _, port := range s.Spec.Ports {
		number, ok := target(port, chosen)
		if !ok {
			continue
		}
		name, protocol := port.Name, port.Protocol
		out.Ports = append(out.Ports, discovery.EndpointPort{Name: &name, Port: &number, Protocol: &protocol, AppProtocol: port.AppProtocol})
	}
	return out
}

// target is the port of the Pods that a port of a Service leads to.
func target(port core.ServicePort, chosen []core.Pod) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal != 0 {
			return port.TargetPort.IntVal, true
		}
		return port.Port, true
	}
	for _, pod := range chosen {
		for _, c := range pod.Spec.Containers {
			for _, p := range c.Ports {
				if p.Name == port.TargetPort.StrVal {
					return p.ContainerPort, true
				}
			}
		}
	}
	return 0, false
}
