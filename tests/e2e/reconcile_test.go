package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
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
  image: example.com/web:1
  ports: [{port: 80, targetPort: 80}]
`

func TestAppServiceIsServedAndCollected(t *testing.T) {
	env := harness.New(t)
	env.Run(shipped(t, "appservice"))
	env.Apply(fmt.Sprintf(appService, 2))
	deployment := func() (*apps.Deployment, error) {
		return env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "demo", meta.GetOptions{})
	}
	replicas := func(want int32) {
		t.Helper()
		harness.Eventually(t, fmt.Sprintf("the Deployment has %d replicas", want), func() error {
			d, err := deployment()
			if err == nil && *d.Spec.Replicas != want {
				err = fmt.Errorf("%d", *d.Spec.Replicas)
			}
			return err
		})
	}
	replicas(2)
	harness.Eventually(t, "the Service is there", func() error {
		_, err := env.Object("v1", "Service", "demo")
		return err
	})
	d, err := deployment()
	if err != nil {
		t.Fatal(err)
	}
	if owner := meta.GetControllerOf(d); owner == nil || owner.Kind != "AppService" {
		t.Errorf("owner is %v", owner)
	}
	env.Apply(fmt.Sprintf(appService, 3))
	replicas(3)

	harness.Eventually(t, "the Deployment's status is written", func() error {
		d, err := deployment()
		if err != nil {
			return err
		}
		d.Status.Replicas, d.Status.ReadyReplicas = 3, 3
		d.Status.ObservedGeneration = d.Generation
		_, err = env.Kube.AppsV1().Deployments(env.NS).UpdateStatus(harness.Background(), d, meta.UpdateOptions{})
		return err
	})
	harness.Eventually(t, "the AppService mirrors a status", func() error {
		app, err := env.Object("app.example.com/v1", "AppService", "demo")
		if err == nil && app.Object["status"] == nil {
			err = fmt.Errorf("no status")
		}
		return err
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
