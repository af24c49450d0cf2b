// Package harness runs moonlet against a real control plane and looks at both from outside:
// client-go says what the cluster holds, the audit log what was asked of it.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Plane is the one control plane of a test binary.
type Plane struct {
	Dir        string
	Kubeconfig string
	Server     string // https://127.0.0.1:port
	Etcd       string // http://127.0.0.1:port
	CA         []byte
	Config     *rest.Config
	Kube       kubernetes.Interface
	Dynamic    dynamic.Interface
	CRDs       apiextensions.Interface
	env        []string
}

var (
	plane   *Plane
	absence string // why the tests cannot run here
)

// Main is the TestMain of every package that needs the plane.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if _, err := os.Stat(Binary()); err != nil {
		absence = "no moonlet to test: " + Binary()
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, absence)
			return 1
		}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "moonlet-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	plane, err = startPlane(filepath.Join(dir, "plane"), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plane.script("stop")
	return m.Run()
}

// Root is the top folder of the repository.
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tests", "plane", "plane")); err == nil {
			return dir
		}
		if dir == "/" {
			panic("not inside the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// Binary is the moonlet under test.
func Binary() string {
	if path := os.Getenv("MOONLET_BIN"); path != "" {
		return path
	}
	return filepath.Join(Root(), "build", "moonlet")
}

// NewPlane is one more control plane, for a test that needs another kind of it (PLANE_... in env).
func NewPlane(t testing.TB, env ...string) *Plane {
	t.Helper()
	if plane == nil {
		t.Skip("SKIPPED: " + absence)
	}
	p, err := startPlane(filepath.Join(t.TempDir(), "plane"), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.script("stop") })
	return p
}

func startPlane(dir string, env []string) (*Plane, error) {
	p := &Plane{Dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig"), env: env}
	if err := p.script("start", "--with-pid", strconv.Itoa(os.Getpid())); err != nil {
		return nil, err
	}
	facts, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(facts)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		value = strings.Trim(value, "'")
		switch name {
		case "PLANE_SERVER":
			p.Server = value
		case "PLANE_ETCD":
			p.Etcd = value
		}
	}
	if p.CA, err = os.ReadFile(filepath.Join(dir, "certs", "apiserver.crt")); err != nil {
		return nil, err
	}
	if p.Config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return nil, err
	}
	p.Config.QPS, p.Config.Burst = 500, 1000
	p.Config.UserAgent = "judge"
	p.Kube = kubernetes.NewForConfigOrDie(p.Config)
	p.Dynamic = dynamic.NewForConfigOrDie(p.Config)
	p.CRDs = apiextensions.NewForConfigOrDie(p.Config)
	return p, nil
}

func (p *Plane) script(verb string, args ...string) error {
	cmd := exec.Command(filepath.Join(Root(), "tests", "plane", "plane"), append([]string{verb, p.Dir}, args...)...)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("plane %s: %w\n%s", verb, err, out)
	}
	return nil
}

// Kubectl is what kubectl prints, as the plane's administrator.
func (p *Plane) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.TryKubectl(args...)
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return out
}

// TryKubectl is Kubectl when a refusal is what is looked for.
func (p *Plane) TryKubectl(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(Root(), "tests", "plane", "plane"), append([]string{"kubectl", p.Dir}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// RestartAPIServer stops the API server, open watches and all, and starts it on the same port.
func (p *Plane) RestartAPIServer(t testing.TB) { p.must(t, "restart-apiserver") }

// StopAPIServer leaves etcd and the controller manager running.
func (p *Plane) StopAPIServer(t testing.TB) { p.must(t, "stop-apiserver") }

// StartAPIServer follows StopAPIServer.
func (p *Plane) StartAPIServer(t testing.TB) { p.must(t, "start-apiserver") }

func (p *Plane) must(t testing.TB, verb string) {
	t.Helper()
	if err := p.script(verb); err != nil {
		t.Fatal(err)
	}
}

// Compact makes etcd forget every version but the newest: older ones answer 410 from then on.
func (p *Plane) Compact(t testing.TB) {
	t.Helper()
	var status struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	p.etcd(t, "/v3/maintenance/status", map[string]any{}, &status)
	p.etcd(t, "/v3/kv/compaction", map[string]any{"revision": status.Header.Revision, "physical": true}, nil)
}

func (p *Plane) etcd(t testing.TB, path string, in, out any) {
	t.Helper()
	body, _ := json.Marshal(in)
	res, err := http.Post(p.Etcd+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("etcd %s: %s %s", path, res.Status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatal(err)
		}
	}
}

// Requests is what the API server's audit log says one user asked for.
type Requests []Request

// Request is one line of the audit log.
type Request struct {
	Verb, Resource, Subresource, Namespace, Name, URI string
	Code                                              int
}

// Requests reads the audit log; a watch counts once it is open.
func (p *Plane) Requests(t testing.TB, user string) Requests {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		AuditID, Stage, Verb, RequestURI string
		User                             struct{ Username string }
		ObjectRef                        struct{ Resource, Subresource, Namespace, Name string }
		ResponseStatus                   struct{ Code int }
	}
	var found Requests
	seen := map[string]bool{}
	for raw := range bytes.Lines(text) {
		if !bytes.Contains(raw, []byte(user)) {
			continue
		}
		var l line
		if json.Unmarshal(raw, &l) != nil || l.User.Username != user || seen[l.AuditID] {
			continue
		}
		seen[l.AuditID] = true
		found = append(found, Request{l.Verb, l.ObjectRef.Resource, l.ObjectRef.Subresource,
			l.ObjectRef.Namespace, l.ObjectRef.Name, l.RequestURI, l.ResponseStatus.Code})
	}
	return found
}

// Count counts requests by verb and, unless empty, resource ("deployments", "appservices/status").
func (r Requests) Count(verb, resource string) int {
	n := 0
	for _, one := range r {
		name := one.Resource
		if one.Subresource != "" {
			name += "/" + one.Subresource
		}
		if one.Verb == verb && (resource == "" || resource == name) {
			n++
		}
	}
	return n
}

// Background is the context of calls that nothing cancels.
func Background() context.Context { return context.Background() }
