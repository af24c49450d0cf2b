package e2e

import (
	"fmt"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
)

// gate waits for the ConfigMap ready-POD before a Pod labelled hold=yes may be scheduled.
func gate(name, fields string) string {
	return fmt.Sprintf(`
local moonlet = require "moonlet"
return moonlet.initializer {
  name = %q, labels = "hold=yes", namespaces = { "$NS" }, retry = { base = "20ms", max = "200ms" },
  writes = { "v1/ConfigMap" }, reads = { { "v1/ConfigMap", namespaces = { "$NS" } } }, %s
  initialize = function(pod, ctx)
    if pod.spec.schedulingGates == nil then error "called without the gate" end
    ctx:apply({ apiVersion = "v1", kind = "ConfigMap", metadata = { name = "called-" .. pod.metadata.name },
      data = { called = "yes" } }, { create = true })
    local ready = ctx:get("v1/ConfigMap", "ready-" .. pod.metadata.name, pod.metadata.namespace)
    if not ready then error "not ready" end
    if ready.data.wait then ctx:requeue "50ms" end
  end,
}
`, name, fields)
}

const heldGate = "moonlet.dev/hold"

// gatesOf are the gates of a Pod as it is stored.
func gatesOf(env *harness.Env, name string) (string, *core.Pod) {
	env.T.Helper()
	one, err := env.Kube.CoreV1().Pods(env.NS).Get(harness.Background(), name, meta.GetOptions{})
	if err != nil {
		env.T.Fatal(err)
	}
	var gates []string
	for _, gate := range one.Spec.SchedulingGates {
		gates = append(gates, gate.Name)
	}
	return strings.Join(gates, " "), one
}

func eventuallyGated(env *harness.Env, name, want string) {
	env.T.Helper()
	harness.Eventually(env.T, fmt.Sprintf("the gates of %s are %q", name, want), func() error {
		if got, _ := gatesOf(env, name); got != want {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}

// holding runs the initializer and waits until it adds its gate.
func holding(env *harness.Env, fields string) *harness.Moonlet {
	m := serve(env, harness.Files{"gate.lua": gate("hold", fields)})
	n := 0
	harness.Eventually(env.T, "Pods get a gate", func() error {
		n++
		one, err := pod(env, fmt.Sprint("probe-", n), `hold: "yes"`, "", plainSpec)
		if err == nil && len(one.Spec.SchedulingGates) == 0 {
			err = fmt.Errorf("they get none")
		}
		return err
	})
	return m
}

func held(env *harness.Env, name, spec string) {
	env.T.Helper()
	if _, err := pod(env, name, `hold: "yes"`, "", plainSpec+spec); err != nil {
		env.T.Fatal(err)
	}
}

func TestAGateStaysUntilInitializeHasReturned(t *testing.T) {
	env := harness.New(t)
	m := holding(env, "")
	held(env, "one", "")
	held(env, "two", ", schedulingGates: [{name: example.com/theirs}]")
	held(env, "bound", ", nodeName: node-1")
	if gates, _ := gatesOf(env, "two"); gates != "example.com/theirs "+heldGate {
		t.Fatalf("beside another: %s", gates)
	}
	if gates, _ := gatesOf(env, "bound"); gates != "" {
		t.Fatalf("of a Pod that is bound: %s", gates)
	}
	env.EventuallyData("called-one", "called", "yes")
	env.ConfigMap("ready-one", map[string]string{"wait": "yes"}) // a requeue is no end either
	m.EventuallyMetric(8, "controller_runtime_reconcile_total", `controller="hold"`)
	if gates, _ := gatesOf(env, "one"); gates != heldGate {
		t.Fatalf("before its end: %q", gates)
	}
	env.ConfigMap("ready-two", map[string]string{})
	env.Delete("v1", "ConfigMap", "ready-one")
	env.ConfigMap("ready-one", map[string]string{"done": "yes"})
	eventuallyGated(env, "one", "")
	env.Delete("v1", "ConfigMap", "ready-two")
	env.ConfigMap("ready-two", map[string]string{"done": "yes"})
	eventuallyGated(env, "two", "example.com/theirs")
}

func TestAHeldPodSurvivesAKilledHost(t *testing.T) {
	env := harness.New(t)
	m := holding(env, "")
	held(env, "one", "")
	env.EventuallyData("called-one", "called", "yes")
	m.Kill()
	if gates, _ := gatesOf(env, "one"); gates != heldGate {
		t.Fatalf("of a killed host: %q", gates)
	}
	if _, err := pod(env, "lost", `hold: "yes"`, "", plainSpec); err == nil {
		t.Fatal("a Pod came in without its gate")
	}
	env.ConfigMap("ready-one", map[string]string{"done": "yes"})
	m.Launch()
	eventuallyGated(env, "one", "")
}

func TestTheDeadlineHoldsOrReleases(t *testing.T) {
	for _, one := range []struct{ on, gates string }{{"hold", heldGate}, {"release", ""}} {
		t.Run(one.on, func(t *testing.T) {
			env := harness.New(t)
			holding(env, fmt.Sprintf(`deadline = "2s", on_deadline = %q,`, one.on))
			held(env, "one", "")
			harness.Eventually(t, "a Warning says so", func() error {
				events, err := env.Kube.CoreV1().Events(env.NS).List(harness.Background(),
					meta.ListOptions{FieldSelector: "involvedObject.name=one,reason=InitializerDeadline,type=Warning"})
				if err == nil && len(events.Items) != 1 {
					err = fmt.Errorf("%d do", len(events.Items))
				}
				return err
			})
			eventuallyGated(env, "one", one.gates)
			if one.on == "hold" {
				harness.Eventually(t, "the Pod says since when", func() error {
					if _, stored := gatesOf(env, "one"); stored.Annotations["moonlet.dev/held-hold"] == "" {
						return fmt.Errorf("%v", stored.Annotations)
					}
					return nil
				})
				env.ConfigMap("ready-one", map[string]string{"done": "yes"})
				env.Plane.Kubectl(t, "-n", env.NS, "label", "pod", "one", "touched=yes")
				eventuallyGated(env, "one", heldGate)
			}
		})
	}
}

func TestAPodThatStopsToMatchIsLetGo(t *testing.T) {
	env := harness.New(t)
	holding(env, "")
	held(env, "one", "")
	env.EventuallyData("called-one", "called", "yes")
	env.Plane.Kubectl(t, "-n", env.NS, "label", "pod", "one", "hold-")
	eventuallyGated(env, "one", "")
}
