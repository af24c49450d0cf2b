package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"moonlet.dev/e2e/harness"
)

// forwarder is a small load balancer: it gives each connection to the next backend that is in.
type forwarder struct {
	listener net.Listener
	mu       sync.Mutex
	backends []string
	open     map[net.Conn]string // client's connection -> backend
	next     int
}

func forward(t *testing.T) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{listener: l, open: map[net.Conn]string{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		f.drop("")
	})
	return f
}

func (f *forwarder) port() string {
	_, port, _ := net.SplitHostPort(f.listener.Addr().String())
	return port
}

func (f *forwarder) pick(client net.Conn) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.backends) == 0 {
		return ""
	}
	f.next++
	backend := f.backends[f.next%len(f.backends)]
	f.open[client] = backend
	return backend
}

func (f *forwarder) serve(client net.Conn) {
	defer client.Close()
	defer f.forget(client)
	server, err := net.Dial("tcp", f.pick(client))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (f *forwarder) forget(client net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, client)
}

// put makes these the backends.
func (f *forwarder) put(backends ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backends = backends
}

// drop closes the connections of a backend, or all.
func (f *forwarder) drop(backend string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for client, of := range f.open {
		if backend == "" || of == backend {
			client.Close()
			delete(f.open, client)
		}
	}
}

// Each request is five admissions: one that marks, and four at once that look at the mark.
func admitted(version string) harness.Files {
	text := strings.Replace(marker("life", version, ""), "return moonlet", "local all = { moonlet", 1) + "}"
	return harness.Files{"life.lua": text + fmt.Sprintf(`
for i = 1, 4 do
  all[#all + 1] = moonlet.webhook {
    name = "life-" .. i, resource = { "v1/ConfigMap", labels = "mark=life", namespaces = { "$NS" } },
    validate = function(map)
      if map.metadata.annotations.version ~= %q then return moonlet.deny "not marked" end
    end,
  }
end
return all
`, version)}
}

func TestTenThousandAdmissionsOutliveARotation(t *testing.T) {
	env := harness.New(t)
	m := serve(env, admitted("1"), "--webhook-secret="+env.NS+"/webhook", "--webhook-cert-lifetime=30s")
	m.EventuallyLogs("webhooks registered: moonlet-life-4")
	eventually(t, "1", marking(env, "life"))
	admissions := func(codes ...string) float64 {
		return m.Metric("controller_runtime_webhook_requests_total", codes...)
	}
	tr := drive(t, 8, marking(env, "life"))
	for renewals := 0; admissions() < 10000; renewals++ {
		tr.more(300)
		if renewals == 1 || renewals == 3 {
			_, err := env.Kube.CoreV1().Secrets(env.NS).Patch(harness.Background(), "webhook",
				types.MergePatchType, []byte(`{"data":{"tls.crt":""}}`), meta.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		tr.none("while certificates changed")
	}
	tr.end()
	tr.none("while certificates changed")
	if all, good := admissions(), admissions(`code="200"`); all != good {
		t.Fatalf("%v of %v were answered with an error", all-good, all)
	}
	if tr.times("1") != tr.total() {
		t.Fatalf("%d of %d are marked", tr.times("1"), tr.total())
	}
	m.EventuallyLogs("the certificate for webhooks was renewed")
}

func TestOneOfTwoReplicasIsKilledUnderLoad(t *testing.T) {
	env := harness.New(t)
	f := forward(t)
	addresses := []string{harness.FreeAddress(t), harness.FreeAddress(t)}
	files := harness.Files{"life.lua": here(env, marker("life", "1", ""))}
	unregister(env)
	var replicas []*harness.Moonlet
	for _, address := range addresses {
		m := env.Run(files, "--webhook-bind-address="+address, "--webhook-host=127.0.0.1", "--webhook-port="+f.port(),
			"--webhook-secret="+env.NS+"/webhook", "--leader-elect",
			"--lease-duration=12s", "--renew-deadline=10s", "--retry-period=500ms")
		replicas = append(replicas, m)
	}
	f.put(addresses...)
	eventually(t, "1", marking(env, "life"))
	f.drop("") // so that connections spread
	tr := drive(t, 6, marking(env, "life"))
	tr.renewed()
	tr.failures() // the server may have written to a connection that was dropped just then
	tr.more(500)
	for i, m := range replicas {
		m.EventuallyMetric(20, "controller_runtime_webhook_requests_total", `code="200"`)
		if i == 0 {
			tr.none("with two replicas")
		}
	}
	for i, m := range replicas { // the leader, then, when it is back, the other
		m.Kill()
		f.put(addresses[1-i])
		f.drop(addresses[i])
		tr.renewed()
		tr.failures()
		tr.more(500)
		tr.none(fmt.Sprint("after replica ", i, " was killed and dropped"))
		m.Launch()
		m.WaitReady()
		f.put(addresses...)
		tr.more(200)
		tr.none(fmt.Sprint("after replica ", i, " came back"))
	}
}

func TestAReloadUnderLoadAnswersAsOldOrNewAndNeverFails(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"life.lua": marker("life", "0", "")})
	eventually(t, "0", marking(env, "life"))
	tr := drive(t, 6, marking(env, "life"))
	for version := 1; version <= 15; version++ {
		m.Write("life.lua", here(env, marker("life", fmt.Sprint(version), "")))
		tr.until(fmt.Sprint(version))
	}
	tr.none("while the file was reloaded")
	if n := tr.times(""); n > 0 {
		t.Fatalf("%d were let through", n)
	}
	tr.renewed()
	old := tr.times("14")
	tr.more(50)
	if n := tr.times("14"); n != old {
		t.Fatalf("the old version has answered %d times after the new", n-old)
	}
}

const looping = `
local moonlet = require "moonlet"
local function loop(name, timeout)
  return moonlet.webhook {
    name = name, timeout = timeout, resource = { "v1/ConfigMap", labels = "loop=" .. name, namespaces = { "$NS" } },
    mutate = function() while true do end end,
  }
end
return { loop("brief", "1s"), loop("greedy", "10s") }
`

func TestALoopingWebhookDelaysNobodyElse(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"looping.lua": looping, "life.lua": marker("life", "1", "")})
	eventually(t, "1", marking(env, "life"))
	m.EventuallyLogs("webhooks registered: moonlet-greedy")
	const clients, each = 2, 5 // of those that wait for a loop to end, one or two each are answered
	tr := drive(t, clients, marking(env, "life"))
	for name, why := range map[string]string{"brief": "brief did not answer in 0.9 s", "greedy": "looping.lua:6: "} {
		eventuallyRefused(env, labelled("one", "loop", name), why)
		before := tr.total()
		_, err := try(env, labelled("one", "loop", name))
		if done := tr.total() - before; done < clients*each {
			t.Errorf("only %d others were answered while %s looped", done, name)
		}
		if err == nil { // why was said above; a busy API server may run out of patience first
			t.Errorf("%s was let through", name)
		}
	}
	tr.none("beside a loop")
}
