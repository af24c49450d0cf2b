package e2e

import (
	"fmt"
	"strings"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"moonlet.dev/e2e/harness"
	"moonlet.dev/e2e/harness/extservice"
)

// The shipped Network controller, told to call the service of the test.
func network(t *testing.T, service *extservice.Service) harness.Files {
	files := shipped(t, "network")
	for name, text := range files {
		files[name] = strings.ReplaceAll(text, "https://neutron.example.com", service.URL)
	}
	return files
}

const tenantAndNetwork = `
apiVersion: net.example.com/v1
kind: Tenant
metadata: {name: %[1]s}
spec: {description: of a test}
---
apiVersion: net.example.com/v1
kind: Network
metadata: {name: demo}
spec: {cidr: 10.1.0.0/24, gateway: 10.1.0.1, tenant: %[1]s}
`

func token(value string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: network-service}
stringData: {token: %q}
`, value)
}

func networkState(env *harness.Env) (string, error) {
	object, err := env.Object("net.example.com/v1", "Network", "demo")
	if err != nil {
		return "", err
	}
	state, _, err := unstructured.NestedString(object.Object, "status", "state")
	return state, err
}

func eventuallyState(t *testing.T, env *harness.Env, want string) {
	t.Helper()
	harness.Eventually(t, "the network is "+want, func() error {
		state, err := networkState(env)
		if err != nil || state != want {
			return fmt.Errorf("state %q, %v", state, err)
		}
		return nil
	})
}

func eventuallyRemoved(t *testing.T, env *harness.Env, service *extservice.Service) {
	t.Helper()
	env.EventuallyGone("net.example.com/v1", "Network", "demo")
	for _, kind := range []string{"networks", "subnets", "routers"} {
		if n := service.Things(kind); n != 0 {
			t.Errorf("%d %s leaked", n, kind)
		}
	}
	if twice := service.DeletedTwice(); len(twice) > 0 {
		t.Errorf("deleted twice: %v", twice)
	}
}

func TestNetworkIsMadeServedAndRemoved(t *testing.T) {
	env := harness.New(t)
	service := extservice.New(t, "first")
	service.Fail("POST", "networks", 3, 503)
	env.Run(network(t, service))
	env.Apply(token("first"))
	env.Apply(fmt.Sprintf(tenantAndNetwork, env.NS))
	eventuallyState(t, env, "Active")
	for _, kind := range []string{"networks", "subnets", "routers"} {
		if n := service.Things(kind); n != 1 {
			t.Errorf("%d %s, one is wanted", n, kind)
		}
	}
	if _, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "dns-demo", meta.GetOptions{}); err != nil {
		t.Error(err)
	}
	// The token is rotated: the next calls, among them the removal's, use the new one.
	service.Rotate("second")
	env.Apply(token("second"))
	env.Delete("net.example.com/v1", "Network", "demo")
	eventuallyRemoved(t, env, service)
}

// Killed after the first external delete, and after the last, before the finalizer is off.
func TestFinalizerSurvivesAKillBetweenTheExternalDeletes(t *testing.T) {
	for _, collection := range []string{"routers", "networks"} {
		t.Run(collection, func(t *testing.T) { killAfterDelete(t, collection) })
	}
}

func killAfterDelete(t *testing.T, collection string) {
	env := harness.New(t)
	service := extservice.New(t, "first")
	m := env.Run(network(t, service))
	env.Apply(token("first"))
	docs := strings.SplitN(fmt.Sprintf(tenantAndNetwork, env.NS), "---", 2)
	env.Apply(docs[1])
	eventuallyState(t, env, "Failed")
	env.Apply(docs[0]) // the tenant's appearance runs the network again
	eventuallyState(t, env, "Active")
	killed := make(chan struct{}, 8)
	service.After(func(c extservice.Call) {
		if c.Method == "DELETE" && c.Collection == collection && c.Status < 300 {
			m.Kill()
			killed <- struct{}{}
		}
	})
	env.Delete("net.example.com/v1", "Network", "demo")
	<-killed
	if _, err := networkState(env); err != nil {
		t.Fatalf("the finalizer does not hold the object: %v", err)
	}
	service.After(nil)
	m.Launch()
	eventuallyRemoved(t, env, service)
}
