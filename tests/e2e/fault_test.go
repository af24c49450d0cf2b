package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
	"moonlet.dev/e2e/harness/proxy"
)

// behind starts moonlet on the copier with a proxy between it and the API server.
func behind(env *harness.Env, options ...proxy.Option) (*harness.Moonlet, *proxy.Proxy) {
	p := proxy.New(env.T, env.Server, env.CA, options...)
	m := env.Start(harness.Connection{Server: p.URL, CA: p.CA}, harness.Files{"copier.lua": copier("1")})
	m.WaitReady()
	env.Apply(source("first", "a"))
	env.EventuallyData("first-copy", "value", "a")
	return m, p
}

var (
	watches = proxy.Match{Verb: "watch", Resource: "configmaps"}
	writes  = proxy.Match{Verb: "patch", Resource: "configmaps"}
)

func TestAPIServerRestartIsSurvived(t *testing.T) {
	env := harness.New(t)
	env.Run(harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	env.RestartAPIServer(t)
	env.Apply(source("one", "b"))
	env.EventuallyData("one-copy", "value", "b")
}

func TestConnectionCutInMidFrameLosesNothing(t *testing.T) {
	for name, options := range map[string][]proxy.Option{"h2": nil, "h1": {proxy.HTTP1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it is mostly backoff
			env := harness.New(t)
			_, p := behind(env, options...)
			for _, bytes := range []int{0, 1, 100, 700} {
				p.Cut(watches, 1, bytes)
				p.CutConnections()
				object := fmt.Sprint("cut", bytes)
				env.Apply(source(object, "b"))
				env.EventuallyData(object+"-copy", "value", "b")
			}
		})
	}
}

func TestThrottledWritesArriveInTheEnd(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	p.Answer(writes, 20, 429, "Retry-After", "0")
	for i := range 5 {
		env.Apply(source(fmt.Sprint("storm", i), "b"))
	}
	for i := range 5 {
		env.EventuallyData(fmt.Sprintf("storm%d-copy", i), "value", "b")
	}
}

func TestThrottledWatchIsNotAReasonToList(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	lists := p.Count(proxy.Match{Verb: "list"})
	p.Answer(watches, 3, 429, "Retry-After", "1")
	p.CutConnections()
	env.Apply(source("later", "b"))
	env.EventuallyData("later-copy", "value", "b")
	if n := p.Count(proxy.Match{Verb: "list"}); n != lists {
		t.Errorf("%d lists", n-lists)
	}
}

func TestGoneVersionIsListedAgain(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	p.Answer(watches, 1, 410)
	p.CutConnections()
	env.Apply(source("gone", "b"))
	env.EventuallyData("gone-copy", "value", "b")
}

func TestCompactionWhileAwayIsSurvived(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	p.Answer(proxy.Match{}, -1, 503)
	p.CutConnections()
	env.Apply(source("while-away", "b"))
	if err := env.Kube.CoreV1().ConfigMaps(env.NS).Delete(harness.Background(), "first", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	env.Compact(t)
	env.RestartAPIServer(t) // whose watch cache begins after the compaction
	p.Clear()
	env.EventuallyData("while-away-copy", "value", "b")
}

func TestRotatedTokenIsReadAgain(t *testing.T) {
	env := harness.New(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(env.Token("old-token")), 0o600); err != nil {
		t.Fatal(err)
	}
	m := env.Start(harness.Connection{TokenFile: file}, harness.Files{"copier.lua": copier("1")})
	m.WaitReady()
	if err := env.Kube.CoreV1().Secrets(env.NS).Delete(harness.Background(), "old-token", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(env.Token("new-token")), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the old token is refused or no longer used", func() error {
		env.Apply(source("probe", fmt.Sprint(env.Requests().Count("patch", "configmaps"))))
		if env.Requests().Count("patch", "configmaps") < 3 {
			return fmt.Errorf("too few writes so far")
		}
		return nil
	})
	env.Apply(source("rotated", "b"))
	env.EventuallyData("rotated-copy", "value", "b")
}

func TestUnauthorizedAnswersAreRetried(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	p.Answer(writes, 2, 401)
	env.Apply(source("unauthorized", "b"))
	env.EventuallyData("unauthorized-copy", "value", "b")
}

func TestRefusedWriteFailsThatKeyAlone(t *testing.T) {
	env := harness.New(t)
	env.Restrict(
		rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"}},
		rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"patch", "create", "delete"}},
		rbac.PolicyRule{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"*"}},
	)
	m := env.Start(harness.Connection{}, harness.Files{"copier.lua": copier("1")})
	m.WaitReady()
	env.Apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ` + env.NS + `}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"]}
  validations:
  - {expression: "object.metadata.name != 'refused-copy'", message: "not this one"}
`)
	env.Apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: ` + env.NS + `}
spec:
  policyName: ` + env.NS + `
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + env.NS + `}}}
`)
	t.Cleanup(func() {
		policies := env.Kube.AdmissionregistrationV1()
		_ = policies.ValidatingAdmissionPolicyBindings().Delete(harness.Background(), env.NS, meta.DeleteOptions{})
		_ = policies.ValidatingAdmissionPolicies().Delete(harness.Background(), env.NS, meta.DeleteOptions{})
	})
	harness.Eventually(t, "the policy is in force", func() error {
		_, err := env.Kube.CoreV1().ConfigMaps(env.NS).Create(harness.Background(),
			configMap("refused-copy"), meta.CreateOptions{DryRun: []string{meta.DryRunAll}})
		if err == nil {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	env.Apply(source("refused", "a"))
	env.Apply(source("welcome", "a"))
	env.EventuallyData("welcome-copy", "value", "a")
	m.EventuallyLogs("not this one")
	m.EventuallyMetric(2, "controller_runtime_reconcile_errors_total")
}

func TestConflictIsReconciledAgain(t *testing.T) {
	env := harness.New(t)
	_, p := behind(env)
	p.Answer(writes, 2, 409)
	env.Apply(source("conflict", "b"))
	env.EventuallyData("conflict-copy", "value", "b")
}

func TestObjectDeletedInMidReconcileIsNotWrittenAgain(t *testing.T) {
	env := harness.New(t)
	env.Apply(widgetCRD)
	p := proxy.New(t, env.Server, env.CA)
	env.Start(harness.Connection{Server: p.URL, CA: p.CA}, harness.Files{"widgets.lua": widgets}).WaitReady()
	p.Before(writes, 1, func() { env.Delete("e2e.moonlet.dev/v1", "Widget", "short") })
	env.Apply(widget("short", "a"))
	env.Apply(widget("long", "a"))
	env.EventuallyData("long", "value", "a")
	env.EventuallyGone("e2e.moonlet.dev/v1", "Widget", "short")
	env.EventuallyGone("v1", "ConfigMap", "short") // its owner is gone
}

func TestKindDeletedAndMadeAgainIsServedAgain(t *testing.T) {
	env := harness.New(t)
	env.Apply(widgetCRD)
	env.Run(harness.Files{"widgets.lua": widgets})
	env.Apply(widget("one", "a"))
	env.EventuallyData("one", "value", "a")
	crds := env.CRDs.ApiextensionsV1().CustomResourceDefinitions()
	if err := crds.Delete(harness.Background(), "widgets.e2e.moonlet.dev", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the kind is gone", func() error {
		if _, err := crds.Get(harness.Background(), "widgets.e2e.moonlet.dev", meta.GetOptions{}); err == nil {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	env.Apply(widgetCRD)
	env.Apply(widget("two", "b"))
	env.EventuallyData("two", "value", "b")
}
