package e2e

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"moonlet.dev/e2e/harness"
)

func names(t *testing.T, object *unstructured.Unstructured, path ...string) string {
	t.Helper()
	list, _, err := unstructured.NestedSlice(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item.(map[string]any)["name"]))
	}
	return strings.Join(out, " ")
}

func get(t *testing.T, env *harness.Env, apiVersion, kind, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := env.Object(apiVersion, kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

const loggedDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {example.com/logging: agent, example.com/exporter: redis}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
`

func TestInjectorsCompleteADeploymentOnce(t *testing.T) {
	env := harness.New(t)
	m := env.Run(merged(shipped(t, "logging-agent"), shipped(t, "metrics-exporter")))
	defer m.Stop() // takes the registration back
	m.EventuallyLogs("webhooks registered: moonlet-logging-agent")
	m.EventuallyLogs("webhooks registered: moonlet-metrics-exporter")
	env.Apply(loggedDeployment)
	first := get(t, env, "apps/v1", "Deployment", "web")
	if got := names(t, first, "spec", "template", "spec", "containers"); got != "web logging-agent metrics-exporter" {
		t.Fatalf("containers: %s", got)
	}
	env.Plane.Kubectl(t, "-n", env.NS, "label", "deployment", "web", "edited=yes")
	second := get(t, env, "apps/v1", "Deployment", "web")
	if second.GetGeneration() != first.GetGeneration() {
		t.Fatalf("an edit of a label changed the spec:\n%v\n%v", first.Object["spec"], second.Object["spec"])
	}
	env.Plane.Kubectl(t, "-n", env.NS, "annotate", "deployment", "web", "moonlet.dev/inject=false")
	if got := names(t, get(t, env, "apps/v1", "Deployment", "web"), "spec", "template", "spec", "containers"); got != "web" {
		t.Fatalf("containers after opting out: %s", got)
	}
}

func TestAWebhookRefusesAndAnInjectorCompletesASite(t *testing.T) {
	env := harness.New(t)
	m := env.Run(shipped(t, "site"))
	defer m.Stop() // takes the registration back
	m.EventuallyLogs("webhooks registered: moonlet-site-check")
	m.EventuallyLogs("mutating webhooks registered: moonlet-site")
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: www, labels: {site: git}%s}\n" +
		"spec: {containers: [{name: web, image: nginx}]}\n"
	err := env.TryApply(fmt.Sprintf(pod, ""))
	if err == nil || !strings.Contains(err.Error(), "site=git needs the annotation example.com/repository") {
		t.Fatalf("without a repository: %v", err)
	}
	env.Apply(fmt.Sprintf(pod, ", annotations: {example.com/repository: \"https://git.example.com/x\"}"))
	object := get(t, env, "v1", "Pod", "www")
	if got := names(t, object, "spec", "containers") + " / " + names(t, object, "spec", "initContainers"); got != "web git-sync / log-shipper" {
		t.Fatalf("containers: %s", got)
	}
}

func TestCronTabIsConvertedOverTwoHops(t *testing.T) {
	env := harness.New(t)
	m := env.Run(shipped(t, "crontab"))
	defer m.Stop()                                      // takes the registration back
	defer removeCRD(env, "crontabs.stable.example.com") // while somebody can convert what is in it
	env.Apply("apiVersion: stable.example.com/v1alpha1\nkind: CronTab\nmetadata: {name: nightly}\n" +
		"spec: {cronSpec: \"5 3 * * 1\", image: cron}\n")
	newest := get(t, env, "stable.example.com/v1", "CronTab", "nightly")
	if hour, _, _ := unstructured.NestedString(newest.Object, "spec", "schedule", "hour"); hour != "3" {
		t.Fatalf("as v1: %v", newest.Object["spec"])
	}
	// what the older version cannot say has the stored version's default
	if suspend, there, _ := unstructured.NestedBool(newest.Object, "spec", "suspend"); suspend || !there {
		t.Fatalf("as v1: %v", newest.Object["spec"])
	}
	oldest := get(t, env, "stable.example.com/v1alpha1", "CronTab", "nightly")
	if text, _, _ := unstructured.NestedString(oldest.Object, "spec", "cronSpec"); text != "5 3 * * 1" {
		t.Fatalf("as v1alpha1: %v", oldest.Object["spec"])
	}
	env.Delete("stable.example.com/v1", "CronTab", "nightly")
}

const gates = `
local moonlet = require "moonlet"

return moonlet.initializer {
  name = "gate", labels = "gate=yes", deadline = "3s", retry = { max = "1s" },
  initialize = function(pod) if pod.metadata.name == "stuck" then error "not yet" end end,
}
`

func TestAnInitializerHoldsAPodAndLetsItGo(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"gate.lua": gates})
	defer m.Stop() // takes the registration back
	m.EventuallyLogs("webhooks registered: moonlet-gate")
	for _, name := range []string{"done", "stuck"} {
		env.Apply("apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", labels: {gate: \"yes\"}}\n" +
			"spec: {containers: [{name: web, image: nginx}]}\n")
	}
	harness.Eventually(t, "the gate of the Pod that is done is gone", func() error {
		if got := names(t, get(t, env, "v1", "Pod", "done"), "spec", "schedulingGates"); got != "" {
			return fmt.Errorf("gates: %s", got)
		}
		return nil
	})
	harness.Eventually(t, "the other is held, and says so", func() error {
		pod := get(t, env, "v1", "Pod", "stuck")
		if pod.GetAnnotations()["moonlet.dev/held-gate"] == "" {
			return fmt.Errorf("annotations: %v", pod.GetAnnotations())
		}
		return nil
	})
	m.EventuallyLogs(`"handler":"initialize"`)
	if got := names(t, get(t, env, "v1", "Pod", "stuck"), "spec", "schedulingGates"); got != "moonlet.dev/gate" {
		t.Fatalf("gates: %s", got)
	}
}
