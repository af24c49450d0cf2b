package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"moonlet.dev/e2e/harness"
)

// marker marks each ConfigMap labelled mark=NAME with its version.
func marker(name, version, fields string) string {
	return fmt.Sprintf(`
local moonlet = require "moonlet"
return moonlet.webhook {
  name = %q, resource = { "v1/ConfigMap", labels = "mark=%s", namespaces = { "$NS" } }, %s
  mutate = function(map)
    map.metadata.annotations = { version = %q, again = %q }
  end,
}
`, name, name, fields, version, version)
}

// marking asks what version marks ConfigMaps now; "" is none.
func marking(env *harness.Env, name string) func() (string, error) {
	return func() (string, error) {
		cm, err := try(env, labelled("one", "mark", name))
		if err != nil {
			return "", err
		}
		if cm.Annotations["version"] != cm.Annotations["again"] {
			return "", fmt.Errorf("half of two versions: %v", cm.Annotations)
		}
		return cm.Annotations["version"], nil
	}
}

func eventuallyUnregistered(env *harness.Env, name string) {
	env.T.Helper()
	harness.Eventually(env.T, "the configuration of "+name+" is gone", func() error {
		if _, err := mutating(env, name); !errors.IsNotFound(err) {
			return fmt.Errorf("it is there: %v", err)
		}
		return nil
	})
}

func TestAConfigurationComesChangesAndGoesWithItsFile(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{})
	if _, err := mutating(env, "life"); !errors.IsNotFound(err) {
		t.Fatalf("before the file: %v", err)
	}
	for round := range 3 {
		tr := drive(t, 4, marking(env, "life"))
		first, second := fmt.Sprint(round, "a"), fmt.Sprint(round, "b")
		m.Write("life.lua", here(env, marker("life", first, "")))
		tr.until(first)
		m.Write("life.lua", here(env, marker("life", second, `timeout = "7s", operations = { "CREATE" },`)))
		tr.until(second)
		harness.Eventually(t, "the configuration follows", func() error {
			config, err := mutating(env, "life")
			if err != nil {
				return err
			}
			one := config.Webhooks[0]
			if *one.TimeoutSeconds != 7 || len(one.Rules[0].Operations) != 1 || len(one.ClientConfig.CABundle) == 0 {
				return fmt.Errorf("%+v", one)
			}
			return nil
		})
		before := tr.times("")
		m.Remove("life.lua")
		eventuallyUnregistered(env, "life")
		harness.Eventually(t, "nobody is asked", func() error {
			if tr.times("") == before {
				return fmt.Errorf("somebody is")
			}
			return nil
		})
		tr.more(20)
		tr.none("while the file came, changed and went")
		tr.end()
	}
}

// What somebody edits or deletes by hand is put right. A deletion is said, an edit is no news for the log.
func TestAConfigurationThatWasEditedComesBack(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"life.lua": here(env, marker("life", "1", ""))}, "--webhook-resync=500ms")
	configs := env.Kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	const name = "moonlet-life"
	registered := func() {
		t.Helper()
		harness.Eventually(t, "it is registered", func() error {
			_, err := mutating(env, "life")
			return err
		})
	}
	registered()
	if err := configs.Delete(harness.Background(), name, meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	registered()
	m.EventuallyLogs("mutating webhooks were deleted by somebody and are registered again: moonlet-life")
	if _, err := configs.Patch(harness.Background(), name, types.JSONPatchType,
		[]byte(`[{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":29}]`), meta.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "an edited one is as declared", func() error {
		config, err := mutating(env, "life")
		if err == nil && *config.Webhooks[0].TimeoutSeconds == 29 {
			err = fmt.Errorf("timeoutSeconds is 29")
		}
		return err
	})
	if n := strings.Count(m.Log(), "mutating webhooks registered"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestABusyWebhookAddressThatWasGivenEndsTheProgram(t *testing.T) {
	env := harness.New(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	m := env.Start(harness.Connection{}, harness.Files{}, "--webhook-bind-address="+busy.Addr().String())
	harness.Eventually(t, "it ends", func() error {
		if code, exited := m.Exited(); !exited || code != 1 {
			return fmt.Errorf("exited %v, %d", exited, code)
		}
		return nil
	})
	m.EventuallyLogs("webhooks: listen on " + busy.Addr().String())
}

func TestAnEndOutOfTheClusterLeavesNoConfigurationAndNoFailure(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "1", "")})
	for range 3 {
		tr := drive(t, 4, marking(env, "life"))
		tr.until("1")
		if code := m.Stop(); code != 0 {
			t.Fatalf("it ended with %d", code)
		}
		if _, err := mutating(env, "life"); !errors.IsNotFound(err) {
			t.Fatalf("after the end: %v", err)
		}
		tr.more(20)
		tr.none("while the host ended")
		tr.end()
		m.Launch()
		m.WaitReady()
	}
}

const foreign = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: moonlet-theirs
  labels: {app.kubernetes.io/managed-by: moonlet, moonlet.dev/instance: another.moonlet}
webhooks:
- name: theirs.moonlet.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {url: "https://127.0.0.1:1/mutate/theirs"}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $NS}}
`

func TestWhatAKilledHostLeftGoesAtTheNextStart(t *testing.T) {
	env := harness.New(t)
	env.Apply(here(env, foreign))
	m := serve(env, harness.Files{"life.lua": marker("life", "1", ""), "other.lua": marker("other", "1", "")})
	ask, other := marking(env, "life"), marking(env, "other")
	eventually(t, "1", ask)
	eventually(t, "1", other)
	m.Kill()
	if _, err := ask(); err == nil {
		t.Fatal("a Fail webhook that nobody answers lets things pass")
	}
	m.Remove("other.lua")
	m.Write("third.lua", "return {{{") // who is not known may be what nobody else wants
	m.Launch()
	eventually(t, "1", ask)
	m.EventuallyMetric(1, "moonlet_controller_load_failures_total")
	m.EventuallyLogs("webhooks registered: moonlet-life")
	if _, err := mutating(env, "other"); err != nil {
		t.Fatalf("removed while a file cannot be loaded: %v", err)
	}
	m.Write("third.lua", here(env, marker("theirs", "1", "")))
	eventually(t, "", other)
	if _, err := mutating(env, "other"); !errors.IsNotFound(err) {
		t.Fatalf("still there: %v", err)
	}
	m.EventuallyLogs("moonlet-theirs belongs to another installation of moonlet (moonlet.dev/instance: another.moonlet)")
	m.Stop()
	theirs, err := mutating(env, "theirs")
	if err != nil || *theirs.Webhooks[0].ClientConfig.URL != "https://127.0.0.1:1/mutate/theirs" {
		t.Fatalf("what is another's: %v %v", theirs, err)
	}
}

// eventually polls until ask is told what is wanted.
func eventually(t *testing.T, want string, ask func() (string, error)) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the answer is %q", want), func() error {
		got, err := ask()
		if err == nil && got != want {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
}

func TestABrokenFileKeepsThePreviousVersionAnswering(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "1", "")})
	tr := drive(t, 2, marking(env, "life"))
	tr.until("1")
	tr.failures()
	for i, broken := range []string{"return {{{", "error 'no'", here(env, marker("life", "2", `nonsense = 1,`))} {
		m.Write("life.lua", broken)
		m.EventuallyMetric(float64(i+1), "moonlet_controller_load_failures_total")
		tr.more(10)
	}
	m.Write("life.lua", here(env, marker("life", "3", "")))
	tr.until("3")
	tr.none("while the file was broken")
	if n := tr.times("2"); n > 0 {
		t.Fatalf("the broken version has answered %d times", n)
	}
}

func TestAReplicaWithoutTheWebhookSaysSo(t *testing.T) {
	env := harness.New(t)
	serve(env, harness.Files{"life.lua": marker("life", "1", "")})
	eventually(t, "1", marking(env, "life"))
	config, err := mutating(env, "life")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.Webhooks[0].ClientConfig.CABundle)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	url := strings.TrimSuffix(*config.Webhooks[0].ClientConfig.URL, "life")
	for path, want := range map[string]int{"nobody": 503, "life": 400} {
		res, err := client.Post(url+path, "application/json", bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

const installed = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: moonlet-life, labels: {app.kubernetes.io/managed-by: moonlet}}
webhooks:
- name: life.moonlet.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 3
  clientConfig: {url: "https://%s/mutate/life"}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  objectSelector: {matchLabels: {mark: life}}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $NS}}
`

func TestInstalledConfigurationsGetTheirTrustAndNothingElse(t *testing.T) {
	env := harness.New(t)
	address := harness.FreeAddress(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "1", `timeout = "9s",`)},
		"--webhooks=check", "--webhook-bind-address="+address)
	m.EventuallyLogs("moonlet-life")
	env.Apply(here(env, fmt.Sprintf(installed, address)))
	eventually(t, "1", marking(env, "life"))
	if code := m.Stop(); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	config, err := mutating(env, "life")
	if err != nil {
		t.Fatal(err)
	}
	if one := config.Webhooks[0]; *one.TimeoutSeconds != 3 || len(one.ClientConfig.CABundle) == 0 || len(config.Labels) != 1 {
		t.Fatalf("%+v", config)
	}
}

// Somebody tries the files of a running installation: what calls that one keeps its trust.
func TestInstalledConfigurationsThatCallAnotherHostAreLeftAlone(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "1", "")}, "--webhooks=check")
	for name, called := range map[string]string{
		"other.example.com": `url: "https://other.example.com:9443/mutate/life"`,
		"moonlet.other.svc": "service: {namespace: other, name: moonlet, path: /mutate/life}",
	} {
		env.Apply(here(env, strings.Replace(fmt.Sprintf(installed, "x"), `url: "https://x/mutate/life"`, called, 1)))
		m.EventuallyLogs("registration of moonlet-life: it calls " + name + ", which is not this host")
	}
	config, err := mutating(env, "life")
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Webhooks[0].ClientConfig.CABundle) > 0 {
		t.Fatalf("%+v", config)
	}
}

func TestSkippedWebhooksAreServedAndNeverRegistered(t *testing.T) {
	env := harness.New(t)
	address := harness.FreeAddress(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "1", "")}, "--webhooks=skip", "--webhook-bind-address="+address)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Post("https://"+address+"/mutate/life", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Fatalf("%s", res.Status)
	}
	m.Stop()
	for _, one := range env.Requests() {
		if strings.HasSuffix(one.Resource, "webhookconfigurations") {
			t.Fatalf("sent: %+v", one)
		}
	}
}
