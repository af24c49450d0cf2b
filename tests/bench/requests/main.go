// requests asks an API server over kept connections of HTTP/1.1 and TLS, and says what each kind of request cost
// the server's process.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

//go:embed deployment.json
var deployment string

const configMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"watched"},"data":{"n":"%d"}}`

// What `kubectl run` sends with --port, --env and --labels; a ConfigMap of 1 KB; what a controller says of a Deployment.
const runPod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"run-%[1]d","creationTimestamp":null,"labels":{` +
	`"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop"}},"spec":{"containers":[{"name":"run-%[1]d",` +
	`"image":"registry.example.com/shop/web:1.27.3","ports":[{"containerPort":8080}],"env":[{"name":"DATABASE_HOST",` +
	`"value":"db.shop.svc.cluster.local"},{"name":"LOG_LEVEL","value":"info"}],"resources":{}}],` +
	`"restartPolicy":"Always","dnsPolicy":"ClusterFirst"},"status":{}}`

const settings = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"map-%d","labels":{` +
	`"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop"}},"data":{"mode":"%s",` +
	`"application.properties":"%s"}}`

const available = `{"status":{"observedGeneration":%d,"replicas":3,"updatedReplicas":3,"readyReplicas":%[2]d,` +
	`"availableReplicas":%[2]d,"conditions":[{"type":"Available","status":"True","reason":` +
	`"MinimumReplicasAvailable","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "requests: "+format+"\n", args...)
	os.Exit(1)
}

type bench struct {
	url, token string
	trust      *x509.CertPool
	pid        int
	clients    []*http.Client
}

// What a kubeconfig of moonlet dev says.
func open(kubeconfig string, pid, connections int) *bench {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		fail("%v", err)
	}
	field := func(name string) string {
		found := regexp.MustCompile(name + `: (\S+)`).FindSubmatch(text)
		if found == nil {
			fail("%s has no %s", kubeconfig, name)
		}
		return string(found[1])
	}
	pem, err := base64.StdEncoding.DecodeString(field("certificate-authority-data"))
	if err != nil {
		fail("%v", err)
	}
	b := &bench{url: field("server"), token: field("token"), trust: x509.NewCertPool(), pid: pid}
	b.trust.AppendCertsFromPEM(pem)
	for range connections {
		b.clients = append(b.clients, b.client())
	}
	return b
}

// client has one connection.
func (b *bench) client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, IdleConnTimeout: time.Hour,
		TLSClientConfig: &tls.Config{RootCAs: b.trust, NextProtos: []string{"http/1.1"}}}}
}

func (b *bench) send(c *http.Client, method, path, kind, body string) *http.Response {
	request, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		fail("%v", err)
	}
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Accept", "application/json")
	answer, err := c.Do(request)
	if err != nil {
		fail("%v", err)
	}
	return answer
}

// ask fails unless the answer is a good one.
func (b *bench) ask(c *http.Client, method, path, kind, body string) {
	answer := b.send(c, method, path, kind, body)
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode/100 != 2 {
		fail("%s %s: %s: %s %v", method, path, answer.Status, text, err)
	}
}

// cpu is what the process has used, user and system together.
func (b *bench) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.pid))
	if err != nil {
		fail("%v", err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// rss is the process's memory in KB.
func (b *bench) rss() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.pid))
	if err != nil {
		fail("%v", err)
	}
	kb, _ := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(text)[1]))
	return kb
}

func say(what string, count int, spent time.Duration, more string) {
	fmt.Printf("%-34s %8d %9.1f us CPU each %9.0f in a second of CPU   %s\n", what, count,
		float64(spent.Microseconds())/float64(count), float64(count)/max(spent.Seconds(), 0.01), more)
}

// measure does `one` count times, spread over the connections.
func (b *bench) measure(what string, count int, one func(c *http.Client, i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	before, memory := b.cpu(), b.rss()
	for _, c := range b.clients {
		wait.Go(func() {
			for i := int(next.Add(1)); i <= count; i = int(next.Add(1)) {
				one(c, i)
			}
		})
	}
	wait.Wait()
	more := ""
	if grown := b.rss() - memory; grown > count/2 {
		more = fmt.Sprintf("%.2f KB of memory each", float64(grown)/float64(count))
	}
	say(what, count, b.cpu()-before, more)
}

// watch reads one event after the other and tells of each.
func (b *bench) watch(opened, told *sync.WaitGroup) {
	answer := b.send(b.client(), "GET", "/api/v1/namespaces/bench/configmaps?watch=1&resourceVersion=0", "", "")
	if answer.StatusCode != 200 {
		fail("a watch: %s", answer.Status)
	}
	lines := bufio.NewReader(answer.Body)
	for first := true; ; first = false {
		if _, err := lines.ReadSlice('\n'); err != nil {
			fail("a watch ended: %v", err)
		}
		if first {
			opened.Done()
		} else {
			told.Done()
		}
	}
}

func (b *bench) watches(count, changes int) {
	const kind = "application/apply-patch+yaml"
	const path = "/api/v1/namespaces/bench/configmaps/watched?fieldManager=bench"
	var opened, told sync.WaitGroup
	b.ask(b.clients[0], "PATCH", path, kind, fmt.Sprintf(configMap, 0))
	opened.Add(count)
	before, memory := b.cpu(), b.rss()
	for range count {
		go b.watch(&opened, &told)
	}
	opened.Wait()
	say("open a watch, with its handshake", count, b.cpu()-before,
		fmt.Sprintf("%.1f KB of memory each", float64(b.rss()-memory)/float64(count)))
	before = b.cpu()
	for i := range changes {
		told.Add(count)
		b.ask(b.clients[0], "PATCH", path, kind, fmt.Sprintf(configMap, i+1))
		told.Wait()
	}
	say(fmt.Sprintf("an event to one of %d watches", count), count*changes, b.cpu()-before, "")
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of the server")
	template := flag.String("pod", "", "file with a Pod that has a generateName")
	pid := flag.Int("pid", 0, "of the server")
	connections := flag.Int("connections", 8, "kept open")
	count := flag.Int("count", 20000, "requests of each kind")
	flag.Parse()
	pod, err := os.ReadFile(*template)
	if err != nil {
		fail("%v", err)
	}
	const core, apps, json = "/api/v1/namespaces", "/apis/apps/v1/namespaces/bench/deployments", "application/json"
	b := open(*kubeconfig, *pid, *connections)
	apply := func(c *http.Client, i, replicas int) {
		name := fmt.Sprintf("web-%d", i%*connections)
		body := strings.NewReplacer("NAME", name, `"REPLICAS"`, strconv.Itoa(replicas)).Replace(deployment)
		b.ask(c, "PATCH", apps+"/"+name+"?fieldManager=bench&force=true", "application/apply-patch+yaml", body)
	}
	for _, name := range []string{"bench", "shop"} {
		b.ask(b.clients[0], "POST", core, json, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
	}
	b.ask(b.clients[0], "POST", core+"/shop/serviceaccounts", json, `{"metadata":{"name":"frontend"}}`) // the Pods'
	named := regexp.MustCompile(`"generateName":"[^"]*"`)
	pod = regexp.MustCompile(`"ownerReferences":\[[^\]]*\],`).ReplaceAll(pod, nil) // it is not there
	b.measure("create a Pod of 5 KB", *count, func(c *http.Client, i int) {
		b.ask(c, "POST", core+"/shop/pods", json, named.ReplaceAllString(string(pod), fmt.Sprintf(`"name":"pod-%d"`, i)))
	})
	b.measure("get it", *count, func(c *http.Client, i int) {
		b.ask(c, "GET", fmt.Sprintf("%s/shop/pods/pod-%d", core, i), "", "")
	})
	b.measure("list 500 of them", *count/500*5, func(c *http.Client, i int) {
		b.ask(c, "GET", core+"/shop/pods?limit=500", "", "")
	})
	b.measure("apply a Deployment, changed", *count, func(c *http.Client, i int) { apply(c, i, i) })
	b.measure("apply a Deployment, as it was", *count, func(c *http.Client, i int) { apply(c, i%*connections, 7) })
	b.measure("patch its status, some 300 bytes", *count, func(c *http.Client, i int) {
		path := fmt.Sprintf("%s/web-%d/status", apps, i%*connections)
		b.ask(c, "PATCH", path, "application/merge-patch+json", fmt.Sprintf(available, i, i%3))
	})
	b.measure("create a Pod as kubectl run does", *count, func(c *http.Client, i int) {
		b.ask(c, "POST", core+"/bench/pods", json, fmt.Sprintf(runPod, i))
	})
	lines := ""
	for i := range 18 {
		lines += fmt.Sprintf(`shop.feature.%02[1]d.endpoint=http://svc-%02[1]d:80\n`, i)
	}
	b.measure("create a ConfigMap of 1 KB", *count, func(c *http.Client, i int) {
		b.ask(c, "POST", core+"/shop/configmaps", json, fmt.Sprintf(settings, i, "production", lines))
	})
	b.measure("update it", *count, func(c *http.Client, i int) {
		path := fmt.Sprintf("%s/shop/configmaps/map-%d", core, i)
		b.ask(c, "PUT", path, json, fmt.Sprintf(settings, i, "maintenance", lines))
	})
	b.watches(*count/20, 50)
}
