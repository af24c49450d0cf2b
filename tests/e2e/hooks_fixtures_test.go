package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"moonlet.dev/e2e/harness"
)

// hooked are the flags of a host whose webhooks are its own.
func hooked(flags ...string) []string {
	return append([]string{"--webhook-bind-address=127.0.0.1:0"}, flags...)
}

// here writes the test's namespace for $NS: a webhook of one test must not meet the objects of others.
func here(env *harness.Env, text string) string { return strings.ReplaceAll(text, "$NS", env.NS) }

// serve runs a host with webhooks that the test's end removes, whatever has become of the host.
func serve(env *harness.Env, files harness.Files, flags ...string) *harness.Moonlet {
	env.T.Helper()
	placed := harness.Files{}
	for name, text := range files {
		placed[name] = here(env, text)
	}
	unregister(env)
	m := env.Run(placed, hooked(flags...)...)
	env.T.Cleanup(m.Kill) // faster than an end, and unregister follows
	return m
}

// unregister makes the test's end remove what hosts that were killed have registered.
func unregister(env *harness.Env) {
	env.T.Cleanup(func() {
		of := meta.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=moonlet"}
		hooks := env.Kube.AdmissionregistrationV1()
		_ = hooks.MutatingWebhookConfigurations().DeleteCollection(harness.Background(), meta.DeleteOptions{}, of)
		_ = hooks.ValidatingWebhookConfigurations().DeleteCollection(harness.Background(), meta.DeleteOptions{}, of)
	})
}

// mutating and validating are the configuration moonlet-NAME, or the error of the API server.
func mutating(env *harness.Env, name string) (*admission.MutatingWebhookConfiguration, error) {
	return env.Kube.AdmissionregistrationV1().MutatingWebhookConfigurations().
		Get(harness.Background(), "moonlet-"+name, meta.GetOptions{})
}

func validating(env *harness.Env, name string) (*admission.ValidatingWebhookConfiguration, error) {
	return env.Kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().
		Get(harness.Background(), "moonlet-"+name, meta.GetOptions{})
}

// labelled is a ConfigMap to be sent; pairs are its labels.
func labelled(name string, pairs ...string) *core.ConfigMap {
	cm := configMap(name)
	cm.Labels = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		cm.Labels[pairs[i]] = pairs[i+1]
	}
	return cm
}

var dryRun = meta.CreateOptions{DryRun: []string{meta.DryRunAll}}

// try is a dry-run CREATE: what would be stored, or why not.
func try(env *harness.Env, cm *core.ConfigMap) (*core.ConfigMap, error) {
	return env.Kube.CoreV1().ConfigMaps(env.NS).Create(harness.Background(), cm, dryRun)
}

func create(env *harness.Env, cm *core.ConfigMap) (*core.ConfigMap, error) {
	return env.Kube.CoreV1().ConfigMaps(env.NS).Create(harness.Background(), cm, meta.CreateOptions{})
}

// eventuallyRefused waits until the API server has heard of a webhook that refuses this.
func eventuallyRefused(env *harness.Env, cm *core.ConfigMap, why string) {
	env.T.Helper()
	harness.Eventually(env.T, cm.Name+" is refused", func() error {
		_, err := try(env, cm)
		if err == nil {
			return fmt.Errorf("it is not")
		}
		if !strings.Contains(err.Error(), why) {
			return err
		}
		return nil
	})
}

// eventuallyMarked waits until the dry-run answer has the annotation.
func eventuallyMarked(env *harness.Env, cm *core.ConfigMap, key, want string) {
	env.T.Helper()
	harness.Eventually(env.T, cm.Name+" has "+key+"="+want, func() error {
		got, err := try(env, cm)
		if err == nil && got.Annotations[key] != want {
			err = fmt.Errorf("%s=%q", key, got.Annotations[key])
		}
		return err
	})
}

func status(t *testing.T, err error) meta.Status {
	t.Helper()
	if said, ok := err.(errors.APIStatus); ok {
		return said.Status()
	}
	t.Fatalf("not an answer of the API server: %v", err)
	return meta.Status{}
}

// warnings collects what the API server warns a client of.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

// warned is a client of its own, and what it is warned of.
func warned(env *harness.Env) (kubernetes.Interface, *warnings) {
	w := &warnings{}
	config := rest.CopyConfig(env.Config)
	config.WarningHandler = w
	return kubernetes.NewForConfigOrDie(config), w
}
