package e2e

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
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

func eventuallyValue(t *testing.T, service *extservice.Service, collection, field, want string) {
	t.Helper()
	harness.Eventually(t, field+" of the "+collection+" is "+want, func() error {
		if values := service.Values(collection, field); len(values) != 1 || values[0] != want {
			return fmt.Errorf("%v", values)
		}
		return nil
	})
}

func calls(t *testing.T, service *extservice.Service, method, collection string, status, want int) {
	t.Helper()
	if n := service.Count(method, collection, status); n != want {
		t.Errorf("%d times %s %s with %d, %d wanted", n, method, collection, status, want)
	}
}

func TestNetworkIsMadeServedAndRemoved(t *testing.T) {
	env := harness.New(t)
	service := extservice.New(t, "first")
	service.Fail("POST", "networks", 3, 503)
	service.Fail("POST", "routers", 1, 503)
	service.Fail("DELETE", "subnets", 2, 503)
	env.Run(network(t, service))
	env.Apply(token("first"))
	env.Apply(fmt.Sprintf(tenantAndNetwork, env.NS))
	eventuallyState(t, env, "Active")
	for collection, refused := range map[string]int{"networks": 3, "subnets": 0, "routers": 1} {
		calls(t, service, "POST", collection, 503, refused) // each was asked once and tried again by the queue
		calls(t, service, "POST", collection, 201, 1)
		calls(t, service, "POST", collection, 0, refused+1)
	}
	if _, err := env.Kube.AppsV1().Deployments(env.NS).Get(harness.Background(), "dns-demo", meta.GetOptions{}); err != nil {
		t.Error(err)
	}
	// The token is rotated while the network is live: what follows uses the new one.
	service.Rotate("second")
	env.Apply(token("second"))
	env.Apply(strings.Replace(ofTenant(env.NS), "10.1.0.1", "10.1.0.2", 1))
	eventuallyValue(t, service, "subnets", "gateway_ip", "10.1.0.2")
	eventuallyState(t, env, "Active")
	env.Delete("net.example.com/v1", "Network", "demo")
	eventuallyRemoved(t, env, service)
	calls(t, service, "DELETE", "subnets", 503, 2)
	for _, collection := range []string{"networks", "subnets", "routers"} {
		calls(t, service, "DELETE", collection, 204, 1)
		calls(t, service, "POST", collection, 201, 1)
	}
}

// ofTenant is the Network alone.
func ofTenant(tenant string) string {
	return strings.SplitN(fmt.Sprintf(tenantAndNetwork, tenant), "---", 2)[1]
}

func TestChangedNetworkIsCarriedOver(t *testing.T) {
	env := harness.New(t)
	service := extservice.New(t, "first")
	env.Run(network(t, service))
	env.Apply(token("first"))
	env.Apply(fmt.Sprintf(tenantAndNetwork, env.NS))
	eventuallyState(t, env, "Active")
	env.Apply(strings.Replace(ofTenant(env.NS), "10.1.0.1", "10.1.0.9", 1))
	eventuallyValue(t, service, "subnets", "gateway_ip", "10.1.0.9")
	calls(t, service, "DELETE", "", 0, 0) // in place
	env.Apply(strings.ReplaceAll(ofTenant(env.NS), "10.1.0", "10.2.0"))
	eventuallyValue(t, service, "subnets", "cidr", "10.2.0.0/24")
	eventuallyValue(t, service, "subnets", "gateway_ip", "10.2.0.1")
	harness.Eventually(t, "the status names the new subnet", func() error {
		object, err := env.Object("net.example.com/v1", "Network", "demo")
		if err != nil {
			return err
		}
		id, _, _ := unstructured.NestedString(object.Object, "status", "subnetID")
		if values := service.Values("subnets", "id"); len(values) != 1 || values[0] != id {
			return fmt.Errorf("status says %s, the service has %v", id, values)
		}
		return nil
	})
	calls(t, service, "DELETE", "subnets", 204, 1)
	calls(t, service, "POST", "networks", 201, 1)
	env.Delete("net.example.com/v1", "Network", "demo")
	eventuallyRemoved(t, env, service)
}

// In a namespace of its own: moonlet's account lives in the test's.
func leavingNamespace(t *testing.T, restart bool) (*harness.Env, *harness.Moonlet, *extservice.Service) {
	env := harness.New(t)
	service := extservice.New(t, "first")
	other := env.NS + "-net"
	m := env.Run(network(t, service), "--namespace", other)
	env.Apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + other + "}\n")
	env.Apply(strings.Replace(token("first"), "name:", "namespace: "+other+", name:", 1))
	docs := strings.SplitN(fmt.Sprintf(tenantAndNetwork, env.NS), "---", 2)
	env.Apply(docs[0])
	env.Apply(strings.Replace(docs[1], "name: demo", "name: demo, namespace: "+other, 1))
	harness.Eventually(t, "there is a router", func() error {
		if service.Things("routers") != 1 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if restart {
		m.Stop()
	}
	secrets := env.Kube.CoreV1().Secrets(other)
	if err := secrets.Delete(harness.Background(), "network-service", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if restart {
		m.Launch()
		m.WaitReady()
	}
	if err := env.Kube.CoreV1().Namespaces().Delete(harness.Background(), other, meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the namespace is gone", func() error {
		_, err := env.Kube.CoreV1().Namespaces().Get(harness.Background(), other, meta.GetOptions{})
		if !errors.IsNotFound(err) {
			return fmt.Errorf("still there (%v)", err)
		}
		return nil
	})
	return env, m, service
}

func TestNamespaceGoesThoughItsTokenWentFirst(t *testing.T) {
	_, _, service := leavingNamespace(t, false)
	for _, kind := range []string{"networks", "subnets", "routers"} {
		if n := service.Things(kind); n != 0 {
			t.Errorf("%d %s leaked", n, kind)
		}
	}
}

func TestNamespaceGoesWhenNobodyKnowsTheToken(t *testing.T) {
	_, m, _ := leavingNamespace(t, true)
	m.EventuallyLogs("the token went with the namespace")
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
