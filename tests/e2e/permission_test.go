package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
	"moonlet.dev/e2e/harness/proxy"
)

// printed is what `moonlet rbac` says about one controller file.
func printed(t *testing.T, file, text string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(harness.Binary(), append([]string{"rbac", dir}, flags...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// R26: within one namespace, Roles are all that a host needs.
func TestRolesInOneNamespaceAreEnough(t *testing.T) {
	env := harness.New(t)
	env.Restrict()
	roles := printed(t, "copier.lua", copier("1"), "--namespace", env.NS, "--host-namespace", env.NS,
		"--config-map", env.NS+"/settings")
	if strings.Contains(roles, "ClusterRole") {
		t.Fatalf("more than Roles:\n%s", roles)
	}
	env.Apply(strings.TrimPrefix(roles, "---\n"))
	m := env.Run(harness.Files{"copier.lua": copier("1")}, "--config-map", env.NS+"/settings", "--leader-elect")
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	if code := m.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, request := range env.Requests() {
		if request.Code == 403 {
			t.Errorf("forbidden: %+v", request)
		}
	}
	review := &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{User: env.User,
		ResourceAttributes: &authorization.ResourceAttributes{Verb: "list", Resource: "configmaps"}}}
	review, err := env.Kube.AuthorizationV1().SubjectAccessReviews().Create(harness.Background(), review, meta.CreateOptions{})
	if err != nil || review.Status.Allowed {
		t.Errorf("the roles reach beyond the namespace: %v", err)
	}
}

// R26: who does not answer has not allowed it.
func TestUnansweredReviewIsAskedAgain(t *testing.T) {
	env := harness.New(t)
	p := proxy.New(t, env.Server, env.CA)
	reviews := proxy.Match{Verb: "create", Resource: "selfsubjectaccessreviews"}
	p.Answer(reviews, 1, 500)
	env.Apply(source("one", "a"))
	m := env.Start(harness.Connection{Server: p.URL, CA: p.CA}, harness.Files{"copier.lua": copier("1")})
	m.EventuallyLogs("the server does not say whether what the file declares is allowed")
	m.WaitReady()
	env.EventuallyData("one-copy", "value", "a")
	log := m.Log()
	if strings.Index(log, "does not say whether") > strings.Index(log, `"running"`) {
		t.Errorf("it ran before it was allowed:\n%s", log)
	}
}
