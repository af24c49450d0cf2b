package e2e

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"moonlet.dev/e2e/harness"
)

func TestWatchedObjectIsReconciledIntoAWrite(t *testing.T) {
	env := harness.New(t)
	env.Apply(source("before", "a"))
	env.Run(harness.Files{"copier.lua": copier("1")})
	env.EventuallyData("before-copy", "value", "a")
	env.Apply(source("after", "b"))
	env.EventuallyData("after-copy", "value", "b")
	env.Apply(source("after", "c"))
	env.EventuallyData("after-copy", "value", "c")
}

// R1
func TestApplyThatChangesNothingIsNotSent(t *testing.T) {
	env := harness.New(t)
	owning := strings.Replace(copier("1"), "writes =", "owns =", 1) // what is cached can be compared
	m := env.Run(harness.Files{"copier.lua": owning})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	sent := env.Requests().Count("patch", "configmaps")
	done := m.Metric("controller_runtime_reconcile_total")
	_, err := env.Kube.CoreV1().ConfigMaps(env.NS).Patch(harness.Background(), "one", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"unrelated":"change"}}}`), meta.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.EventuallyMetric(done+1, "controller_runtime_reconcile_total")
	if n := env.Requests().Count("patch", "configmaps"); n != sent {
		t.Errorf("%d writes, %d before the change that does not matter", n, sent)
	}
}

const appService = `
apiVersion: app.example.com/v1
kind: AppService
metadata: {name: demo}
spec:
  size: %d
  image: example.com/web:%d
  ports: [{port: %d, targetPort: http, nodePort: 31280}]
  envs: [{name: MODE, value: fast}]
  resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
`

// served says what the Deployment and the Service of the AppService lack.
func served(env *harness.Env, size int32, image string, port int32) error {
	d, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "demo", meta.GetOptions{})
	if err != nil {
		return err
	}
	s, err := env.Kube.CoreV1().Services(env.NS).Get(harness.Background(), "demo", meta.GetOptions{})
	if err != nil {
		return err
	}
	for _, owner := range []*meta.OwnerReference{meta.GetControllerOf(d), meta.GetControllerOf(s)} {
		if owner == nil || owner.Kind != "AppService" || owner.Name != "demo" {
			return fmt.Errorf("owner is %v", owner)
		}
	}
	c := d.Spec.Template.Spec.Containers[0]
	if *d.Spec.Replicas != size || c.Image != image {
		return fmt.Errorf("%d replicas of %s", *d.Spec.Replicas, c.Image)
	}
	if len(c.Ports) != 1 || c.Ports[0].Name != "http" || c.Ports[0].ContainerPort != port {
		return fmt.Errorf("container ports %v", c.Ports)
	}
	if len(c.Env) != 1 || c.Env[0].Name != "MODE" || c.Env[0].Value != "fast" {
		return fmt.Errorf("environment %v", c.Env)
	}
	if c.Resources.Requests.Cpu().String() != "100m" || c.Resources.Limits.Memory().String() != "64Mi" {
		return fmt.Errorf("resources %v", c.Resources)
	}
	if s.Spec.Type != core.ServiceTypeNodePort || len(s.Spec.Ports) != 1 {
		return fmt.Errorf("service %v", s.Spec)
	}
	if p := s.Spec.Ports[0]; p.Port != port || p.NodePort != 31280 || p.TargetPort.String() != "http" {
		return fmt.Errorf("service port %v", p)
	}
	for label, value := range s.Spec.Selector {
		if d.Spec.Template.Labels[label] != value {
			return fmt.Errorf("the service selects %v, the pods have %v", s.Spec.Selector, d.Spec.Template.Labels)
		}
	}
	return nil
}

// mirrored says in what the status of the AppService differs from its Deployment's.
func mirrored(env *harness.Env, replicas int64) error {
	app, err := env.Object("app.example.com/v1", "AppService", "demo")
	if err != nil {
		return err
	}
	d, err := env.Object("apps/v1", "Deployment", "demo")
	if err != nil {
		return err
	}
	if n, _, _ := unstructured.NestedInt64(d.Object, "status", "replicas"); n != replicas {
		return fmt.Errorf("the Deployment has %d replicas", n)
	}
	if !reflect.DeepEqual(app.Object["status"], d.Object["status"]) {
		return fmt.Errorf("status %v, the Deployment's is %v", app.Object["status"], d.Object["status"])
	}
	return nil
}

func TestAppServiceIsServedAndCollected(t *testing.T) {
	env := harness.New(t)
	env.Run(shipped(t, "appservice"))
	env.Apply(fmt.Sprintf(appService, 2, 1, 80))
	harness.Eventually(t, "all of it is there", func() error { return served(env, 2, "example.com/web:1", 80) })
	harness.Eventually(t, "the status is the Deployment's", func() error { return mirrored(env, 2) })
	env.Apply(fmt.Sprintf(appService, 3, 1, 80))
	harness.Eventually(t, "the size is carried over", func() error { return served(env, 3, "example.com/web:1", 80) })
	env.Apply(fmt.Sprintf(appService, 3, 2, 80))
	harness.Eventually(t, "the image is carried over", func() error { return served(env, 3, "example.com/web:2", 80) })
	env.Apply(fmt.Sprintf(appService, 3, 2, 8080))
	harness.Eventually(t, "the port is carried over", func() error { return served(env, 3, "example.com/web:2", 8080) })
	harness.Eventually(t, "the status follows", func() error {
		d, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "demo", meta.GetOptions{})
		if err != nil || d.Status.ObservedGeneration != d.Generation {
			return fmt.Errorf("the Deployment is at work, %v", err)
		}
		return mirrored(env, int64(d.Status.Replicas))
	})

	env.Delete("app.example.com/v1", "AppService", "demo")
	env.EventuallyGone("app.example.com/v1", "AppService", "demo")
	env.EventuallyGone("apps/v1", "Deployment", "demo")
	env.EventuallyGone("v1", "Service", "demo")
}

func TestReconcileResumesAfterKill(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	m.Kill()
	env.Apply(source("one", "b"))
	m.Launch()
	env.EventuallyData("one-copy", "value", "b")
}

func TestTerminationDrainsAndExitsZero(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	begin := time.Now()
	if code := m.Stop(); code != 0 {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
}
