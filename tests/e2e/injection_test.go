package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
)

// agent puts a sidecar, a native sidecar, an init container and what they need into Pods and
// Deployments labelled inject=yes; its level comes from a ConfigMap.
func agent(image, more string) string {
	return fmt.Sprintf(`
local moonlet = require "moonlet"
local match = { labels = "inject=yes", namespaces = { "$NS" } }
return moonlet.injector {
  name = "agent", reads = { { "v1/ConfigMap", namespaces = { "$NS" } } },
  into = {
    { "v1/Pod", labels = match.labels, namespaces = match.namespaces },
    { "apps/v1/Deployment", labels = match.labels, namespaces = match.namespaces },
  },
  containers = function(object, ctx)
    local settings = ctx:get("v1/ConfigMap", "agent", object.metadata.namespace)
    return { { name = "agent", image = %q, env = { { name = "LEVEL", value = settings and settings.data.level or "info" } } } }
  end,
  init_containers = {
    { name = "prepare", image = "busybox" },
    { name = "shipper", image = "busybox", restartPolicy = "Always" },
  },
  volumes = { { name = "logs", emptyDir = {} } },
  mounts = { { name = "logs", path = "/var/log/app" } },
  env = { AGENT = "127.0.0.1" }, labels = { injected = "yes" }, %s
}
`, image, more)
}

func podYAML(name, labels, annotations, spec string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {%s}, annotations: {%s}}\nspec: {%s}\n",
		name, labels, annotations, spec)
}

const plainSpec = "containers: [{name: app, image: nginx}], initContainers: [{name: own, image: busybox}]"

// called lists the containers of a Pod spec: init ones, then the others.
func called(spec core.PodSpec) string {
	var list []string
	for _, one := range spec.InitContainers {
		list = append(list, one.Name)
	}
	list = append(list, "/")
	for _, one := range spec.Containers {
		list = append(list, one.Name)
	}
	return strings.Join(list, " ")
}

const whole, bare = "prepare shipper own / app agent", "own / app"

func container(spec core.PodSpec, name string) core.Container {
	for _, one := range append(spec.Containers, spec.InitContainers...) {
		if one.Name == name {
			return one
		}
	}
	return core.Container{}
}

func mounts(one core.Container, path string) bool {
	return slices.ContainsFunc(one.VolumeMounts, func(m core.VolumeMount) bool { return m.MountPath == path })
}

// pod creates one, and answers what is stored.
func pod(env *harness.Env, name, labels, annotations, spec string) (*core.Pod, error) {
	if err := env.TryApply(podYAML(name, labels, annotations, spec)); err != nil {
		return nil, err
	}
	return env.Kube.CoreV1().Pods(env.NS).Get(harness.Background(), name, meta.GetOptions{})
}

func injecting(env *harness.Env, source string) *harness.Moonlet {
	m := serve(env, harness.Files{"agent.lua": source})
	n := 0
	harness.Eventually(env.T, "Pods are injected", func() error {
		n++
		one, err := pod(env, fmt.Sprint("probe-", n), `inject: "yes"`, "", plainSpec)
		if err == nil && len(one.Spec.Containers) < 2 {
			err = fmt.Errorf("%s", called(one.Spec))
		}
		return err
	})
	m.EventuallyLogs("webhooks registered: moonlet-agent")
	return m
}

func TestAConflictIsDeniedOrSkippedWithAWarning(t *testing.T) {
	env := harness.New(t)
	m := injecting(env, agent("agent:1", ""))
	theirs := "containers: [{name: app, image: nginx}, {name: agent, image: theirs}]"
	_, err := pod(env, "denied", `inject: "yes"`, "", theirs)
	if err == nil || !strings.Contains(err.Error(), `agent: container "agent" is there already`) {
		t.Fatalf("%v", err)
	}
	m.Write("agent.lua", here(env, agent("agent:1", `on_conflict = "skip",`)))
	kube, w := warned(env)
	harness.Eventually(t, "it is skipped", func() error {
		w.text = nil
		_, err := kube.CoreV1().Pods(env.NS).Create(harness.Background(), &core.Pod{
			ObjectMeta: meta.ObjectMeta{Name: "skipped", Labels: map[string]string{"inject": "yes"}},
			Spec:       core.PodSpec{Containers: []core.Container{{Name: "app", Image: "nginx"}, {Name: "agent", Image: "theirs"}}},
		}, meta.CreateOptions{})
		return err
	})
	if got := strings.Join(w.text, "|"); !strings.Contains(got, `container "agent" is there already`) {
		t.Fatalf("warned of %q", got)
	}
	one, err := env.Kube.CoreV1().Pods(env.NS).Get(harness.Background(), "skipped", meta.GetOptions{})
	if err != nil || container(one.Spec, "agent").Image != "theirs" || container(one.Spec, "shipper").Name == "" {
		t.Fatalf("%v %+v", err, one.Spec)
	}
}

func TestInjectionIsOptedIntoAndOutOf(t *testing.T) {
	env := harness.New(t)
	injecting(env, agent("agent:1", ""))
	for _, one := range []struct{ name, labels, annotations, want string }{
		{"in", `inject: "yes"`, "", whole},
		{"never", "", "", bare},
		{"out", `inject: "yes"`, `moonlet.dev/inject: "false"`, bare},
		{"out-of-this", `inject: "yes"`, `agent.moonlet.dev/inject: "false"`, bare},
	} {
		got, err := pod(env, one.name, one.labels, one.annotations, plainSpec)
		if err != nil {
			t.Fatal(err)
		}
		if called(got.Spec) != one.want {
			t.Errorf("%s: %s", one.name, called(got.Spec))
		}
	}
	one, err := env.Kube.CoreV1().Pods(env.NS).Get(harness.Background(), "in", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	app := container(one.Spec, "app")
	always := container(one.Spec, "shipper").RestartPolicy
	if len(app.Env) != 1 || app.Env[0].Value != "127.0.0.1" || !mounts(app, "/var/log/app") ||
		one.Labels["injected"] != "yes" || always == nil || *always != core.ContainerRestartPolicyAlways {
		t.Fatalf("%+v", one)
	}
}

func deploymentYAML(labels string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {" + labels + "}}\nspec:\n" +
		"  replicas: 2\n  selector: {matchLabels: {app: web}}\n  template:\n" +
		"    metadata: {labels: {app: web, inject: \"yes\"}}\n    spec: {" + plainSpec + "}\n"
}

func deployment(env *harness.Env) *apps.Deployment {
	env.T.Helper()
	one, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "web", meta.GetOptions{})
	if err != nil {
		env.T.Fatal(err)
	}
	return one
}

func TestADeploymentKeepsOneCopyHoweverOftenItIsEdited(t *testing.T) {
	env := harness.New(t)
	m := injecting(env, agent("agent:1", ""))
	env.Apply(deploymentYAML(`inject: "yes"`))
	if got := called(deployment(env).Spec.Template.Spec); got != whole {
		t.Fatalf("at first: %s", got)
	}
	first := deployment(env)
	edit := func(change func(spec *core.PodSpec)) *apps.Deployment { // as kubectl edit does: the whole, with what was put in
		t.Helper()
		var stored *apps.Deployment
		harness.Eventually(t, "the edit is stored", func() error {
			one := deployment(env)
			change(&one.Spec.Template.Spec)
			var err error
			stored, err = env.Kube.AppsV1().Deployments(env.NS).Update(harness.Background(), one, meta.UpdateOptions{})
			return err
		})
		if got := called(stored.Spec.Template.Spec); got != whole {
			t.Fatalf("after an edit: %s", got)
		}
		return stored
	}
	if same := edit(func(*core.PodSpec) {}); same.Generation != first.Generation {
		t.Fatal("an edit of nothing has changed something")
	}
	edit(func(spec *core.PodSpec) { spec.Containers[0].Image = "nginx:2" })
	env.Apply(deploymentYAML(`inject: "yes", edited: "yes"`)) // as kubectl apply: without what was put in
	if got := called(deployment(env).Spec.Template.Spec); got != whole {
		t.Fatalf("after an apply: %s", got)
	}
	pods := func() (list []core.Pod) {
		found, err := env.Kube.CoreV1().Pods(env.NS).List(harness.Background(), meta.ListOptions{LabelSelector: "app=web"})
		if err != nil {
			t.Fatal(err)
		}
		return found.Items
	}
	harness.Eventually(t, "its Pods are there", func() error {
		if n := len(pods()); n < 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	for _, one := range pods() { // the Pods match the injector too
		if got := called(one.Spec); got != whole {
			t.Errorf("%s: %s", one.Name, got)
		}
	}
	m.Write("agent.lua", here(env, agent("agent:2", "")))
	env.ConfigMap("agent", map[string]string{"level": "debug"})
	harness.Eventually(t, "an edit renews what is untouched", func() error {
		spec := edit(func(spec *core.PodSpec) { spec.Containers[0].Image += "x" }).Spec.Template.Spec
		if one := container(spec, "agent"); one.Image != "agent:2" || one.Env[0].Value != "debug" {
			return fmt.Errorf("%+v", one)
		}
		return nil
	})
	edit(func(spec *core.PodSpec) { spec.Containers[1].Image = "mine" })
	m.Write("agent.lua", here(env, agent("agent:3", `annotations = { third = "yes" },`)))
	harness.Eventually(t, "the third definition is live", func() error {
		one := edit(func(spec *core.PodSpec) { spec.Containers[0].Image += "x" })
		if one.Spec.Template.Annotations["third"] != "yes" {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	if one := container(deployment(env).Spec.Template.Spec, "agent"); one.Image != "mine" {
		t.Fatalf("what somebody edited was renewed: %+v", one)
	}
}
