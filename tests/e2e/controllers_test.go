package e2e

import (
	"fmt"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"moonlet.dev/e2e/harness"
)

const storageAnnotation = "moonlet.dev/image-storage"

func annotation(env *harness.Env, node, want string) func() error {
	return func() error {
		object, err := env.Kube.CoreV1().Nodes().Get(harness.Background(), node, meta.GetOptions{})
		if err != nil {
			return err
		}
		if got := object.Annotations[storageAnnotation]; (got != "") != (want != "") || !strings.Contains(got, want) {
			return fmt.Errorf("annotation %q", got)
		}
		return nil
	}
}

func setImages(t *testing.T, env *harness.Env, name string, bytes int64) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"images":[{"names":["a"],"sizeBytes":%d},{"names":["b"],"sizeBytes":1}]}}`, bytes)
	_, err := env.Kube.CoreV1().Nodes().Patch(harness.Background(), name, types.MergePatchType, []byte(patch),
		meta.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodeImagesAreWarnedOfAndCleared(t *testing.T) {
	env := harness.New(t)
	m := env.Run(merged(shipped(t, "nodes"), shipped(t, "node-names")), "--set", "node-images.threshold=1000")
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: env.NS}}
	if _, err := env.Kube.CoreV1().Nodes().Create(harness.Background(), node, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = env.Kube.CoreV1().Nodes().Delete(harness.Background(), env.NS, meta.DeleteOptions{})
	})
	setImages(t, env, env.NS, 2000)
	harness.Eventually(t, "the annotation says 2001 bytes", annotation(env, env.NS, "2001"))
	harness.Eventually(t, "there is a Warning Event", func() error {
		events, err := env.Kube.CoreV1().Events("").List(harness.Background(),
			meta.ListOptions{FieldSelector: "reason=ImageStorageHigh,involvedObject.name=" + env.NS})
		if err != nil || len(events.Items) == 0 || events.Items[0].Type != "Warning" {
			return fmt.Errorf("%d events, %v", len(events.Items), err)
		}
		return nil
	})
	setImages(t, env, env.NS, 10)
	harness.Eventually(t, "the annotation is cleared", annotation(env, env.NS, ""))
	if n := m.Metric("moonlet_watches_total", `kind="v1/Node"`); n != 1 {
		t.Errorf("%v watches of Nodes for two controllers, one is wanted", n)
	}
}

func TestReadyNodesAreNamedUntilTheyAreGone(t *testing.T) {
	env := harness.New(t)
	env.Run(shipped(t, "node-names"))
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: env.NS}}
	nodes := env.Kube.CoreV1().Nodes()
	if _, err := nodes.Create(harness.Background(), node, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nodes.Delete(harness.Background(), env.NS, meta.DeleteOptions{}) })
	_, err := nodes.Patch(harness.Background(), env.NS, types.MergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`), meta.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	env.EventuallyData("ready-nodes", "names", env.NS)
	if err := nodes.Delete(harness.Background(), env.NS, meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	env.EventuallyData("ready-nodes", "count", "0")
}

func TestInvitedIsAccepted(t *testing.T) {
	env := harness.New(t)
	m := env.Run(shipped(t, "invited"))
	guests := env.Dynamic.Resource(harness.Resource("example.com/v1", "AstaXie").GroupVersion().WithResource("astaxies")).Namespace(env.NS)
	guest := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "AstaXie",
		"metadata": map[string]any{"name": "asta"}, "spec": map[string]any{"handsome": true}}}
	if _, err := guests.Create(harness.Background(), guest, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the guest is accepted", func() error {
		object, err := guests.Get(harness.Background(), "asta", meta.GetOptions{})
		if err != nil {
			return err
		}
		state, _, _ := unstructured.NestedString(object.Object, "status", "state")
		language, _, _ := unstructured.NestedString(object.Object, "spec", "language")
		if state != "Accepted" || language != "Go" {
			return fmt.Errorf("state %q, language %q", state, language)
		}
		return nil
	})
	m.EventuallyLogs("Hello asta, who speaks Go")
	lines := strings.Split(env.Kubectl(t, "--namespace", env.NS, "get", "astaxies"), "\n")
	if head := strings.Fields(lines[0]); strings.Join(head, " ") != "NAME LANGUAGE STATE AGE" {
		t.Errorf("kubectl prints %q", lines[0])
	}
	if row := strings.Fields(lines[1]); len(row) != 4 || strings.Join(row[:3], " ") != "asta Go Accepted" {
		t.Errorf("kubectl prints %q", lines[1])
	}
	_, err := guests.Patch(harness.Background(), "asta", types.MergePatchType, []byte(`{"spec":{"language":"Lua"}}`),
		meta.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.EventuallyLogs("asta was updated")
	_, err = guests.Patch(harness.Background(), "asta", types.MergePatchType, []byte(`{"status":{"state":"Late"}}`),
		meta.PatchOptions{}, "status")
	if err == nil || !strings.Contains(err.Error(), "Accepted") {
		t.Errorf("a state that is none of the enum: %v", err)
	}
	if err := guests.Delete(harness.Background(), "asta", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	m.EventuallyLogs("asta was deleted")
}

// R13: --once ends when nothing is queued or in work.
func TestExamplesRunOnceAndEnd(t *testing.T) {
	env := harness.New(t)
	m := env.Start(harness.Connection{}, example(t, "pods"), "--once")
	harness.Eventually(t, "the host has ended", func() error {
		if code, over := m.Exited(); !over || code != 0 {
			return fmt.Errorf("exited %v, code %d", over, code)
		}
		return nil
	})
	pods, err := env.Kube.CoreV1().Pods(env.NS).Get(harness.Background(), "example-pod", meta.GetOptions{})
	if err != nil || pods.Spec.Containers[0].Image == "" {
		t.Error(err)
	}
	deployment, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "example-deployment", meta.GetOptions{})
	if err != nil || *deployment.Spec.Replicas != 3 {
		t.Error(err)
	}
	for _, name := range []string{"created Pod example-pod", "created Deployment example-deployment",
		"pod " + env.NS + "/example-pod"} {
		if n := strings.Count(m.Log(), name); n != 1 {
			t.Errorf("%q is printed %d times", name, n)
		}
	}
}

// A CRD that is deleted under its host is not put back against who deletes it; when it is back, all goes on.
func TestControllerGoesOnWhenItsDeletedCRDIsBack(t *testing.T) {
	env := harness.New(t)
	group := env.NS + ".example.com"
	crd := fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.%s}
spec:
  group: %s
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`, group, group)
	thing := "apiVersion: " + group + "/v1\nkind: Thing\nmetadata: {name: %s}\n"
	crds := env.Dynamic.Resource(harness.Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition"))
	remove := func() error { return crds.Delete(harness.Background(), "things."+group, meta.DeleteOptions{}) }
	env.Apply(crd)
	t.Cleanup(func() { _ = remove() })
	m := env.Run(harness.Files{"things.lua": `
return require "moonlet".controller {
  name = "things", resource = "` + group + `/v1/Thing",
  reconcile = function(obj, ctx) ctx.log:info("SAW " .. obj.metadata.name) end,
}`})
	env.Apply(fmt.Sprintf(thing, "one"))
	m.EventuallyLogs("SAW one")
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	m.EventuallyLogs("was its CRD deleted?")
	m.EventuallyMetric(1, "moonlet_controller_file_state", `file="things"`, `state="waiting"`)
	harness.Eventually(t, "the CRD is gone", func() error {
		if _, err := crds.Get(harness.Background(), "things."+group, meta.GetOptions{}); !errors.IsNotFound(err) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	env.Apply(crd)
	harness.Eventually(t, "the kind is served", func() error { return env.TryApply(fmt.Sprintf(thing, "two")) })
	m.EventuallyLogs("SAW two")
	m.EventuallyMetric(1, "moonlet_controller_file_state", `file="things"`, `state="live"`)
}

func TestOnceEndsWithoutTheCertificateItWasTold(t *testing.T) {
	env := harness.New(t)
	m := env.Start(harness.Connection{}, harness.Files{"gate.lua": `
return require "moonlet".initializer { name = "gate", labels = "gate=yes", initialize = function() end }`},
		"--once", "--webhook-cert-dir=/nowhere")
	harness.Eventually(t, "the host has ended", func() error {
		if code, over := m.Exited(); !over || code != 1 {
			return fmt.Errorf("exited %v, code %d", over, code)
		}
		return nil
	})
	m.EventuallyLogs("--webhook-cert-dir: /nowhere/tls.crt: No such file or directory")
}

// Plain CRUD: list by a field selector, delete with a grace.
func TestPodIsFoundByItsNameAndDeletedWithGrace(t *testing.T) {
	env := harness.New(t)
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: env.NS}}
	if _, err := env.Kube.CoreV1().Nodes().Create(harness.Background(), node, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pods := env.Kube.CoreV1().Pods(env.NS)
	now := int64(0)
	t.Cleanup(func() {
		_ = pods.Delete(harness.Background(), "victim", meta.DeleteOptions{GracePeriodSeconds: &now})
		_ = env.Kube.CoreV1().Nodes().Delete(harness.Background(), env.NS, meta.DeleteOptions{})
	})
	for _, name := range []string{"victim", "bystander"} {
		env.Apply(fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"+
			"spec: {nodeName: %s, containers: [{name: a, image: example.com/a}]}\n", name, env.NS))
	}
	m := env.Start(harness.Connection{}, harness.Files{"reaper.lua": `
local moonlet = require "moonlet"
return moonlet.startup {
  name = "reaper", reads = { "v1/Pod" }, writes = { { "v1/Pod", verbs = { "list", "delete" } } },
  run = function(ctx)
    local cached = ctx:list("v1/Pod", { fields = "metadata.name=victim" })
    local found = ctx.live:list("v1/Pod", { namespace = cached[1].metadata.namespace, fields = "metadata.name=victim" })
    ctx.log:info(("FOUND %d and %d: %s"):format(#cached, #found, found[1].metadata.name))
    ctx:delete(found[1], { grace = "10s" })
  end,
}`}, "--once")
	m.EventuallyLogs("FOUND 1 and 1: victim")
	harness.Eventually(t, "the pod is on its way out, with 10 s", func() error {
		pod, err := pods.Get(harness.Background(), "victim", meta.GetOptions{})
		if err != nil {
			return err
		}
		if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil || *pod.DeletionGracePeriodSeconds != 10 {
			return fmt.Errorf("deletion %v, grace %v", pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds)
		}
		return nil
	})
	if pod, err := pods.Get(harness.Background(), "bystander", meta.GetOptions{}); err != nil || pod.DeletionTimestamp != nil {
		t.Errorf("the other pod: %v", err)
	}
	selected := 0
	for _, request := range env.Requests() {
		if request.Verb == "list" && strings.Contains(request.URI, "fieldSelector=metadata.name%3Dvictim") {
			selected++
		}
	}
	if selected != 1 {
		t.Errorf("%d lists with the field selector", selected)
	}
}
