// load sends AdmissionReviews to one webhook over HTTPS and reports what they cost the server: as many as it
// takes over a fixed number of connections, then half of that rate, for the latencies.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed pod.json
var pod []byte

// As kube-apiserver writes it; %s is the uid, then the Pod.
const review = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":%q,` +
	`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
	`"requestKind":{"group":"","version":"v1","kind":"Pod"},` +
	`"requestResource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","operation":"CREATE",` +
	`"userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller",` +
	`"uid":"0a6f6b1e-4c69-45ab-9d5c-9f3c5a6c9d01","groups":["system:serviceaccounts",` +
	`"system:serviceaccounts:kube-system","system:authenticated"]},"object":%s,"oldObject":null,"dryRun":false,` +
	`"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

// A connection that one goroutine uses.
type client struct {
	conn   *tls.Conn
	reader *bufio.Reader
	head   string
	id     string
	sent   int
	out    bytes.Buffer
	body   bytes.Buffer
}

func dial(target *url.URL, config *tls.Config, number int) (*client, error) {
	conn, err := tls.Dial("tcp", target.Host, config)
	if err != nil {
		return nil, err
	}
	head := "POST " + target.RequestURI() + " HTTP/1.1\r\nHost: " + target.Host +
		"\r\nUser-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n" +
		"Content-Type: application/json\r\nContent-Length: "
	return &client{conn: conn, reader: bufio.NewReaderSize(conn, 32<<10), head: head,
		id: fmt.Sprintf("705ab4f5-6393-11e8-b7cc-%05x", number)}, nil
}

// ask sends one review and checks that the answer is its own and changes the Pod.
func (c *client) ask() error {
	c.sent++
	uid := fmt.Sprintf("%s%07x", c.id, c.sent)
	body := fmt.Sprintf(review, uid, pod)
	c.out.Reset()
	c.out.WriteString(c.head)
	c.out.WriteString(strconv.Itoa(len(body)))
	c.out.WriteString("\r\n\r\n")
	c.out.WriteString(body)
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, response.Body); err != nil {
		return err
	}
	if answer := c.body.Bytes(); response.StatusCode != 200 || !bytes.Contains(answer, []byte(uid)) ||
		!bytes.Contains(answer, []byte(`"patch":"`)) {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	if c.sent == 1 {
		return checkPatch(c.body.Bytes())
	}
	return nil
}

func checkPatch(answer []byte) error {
	var said struct {
		Response struct {
			Allowed bool
			Patch   string
		}
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	patch, err := base64.StdEncoding.DecodeString(said.Response.Patch)
	if err != nil || !said.Response.Allowed || !bytes.Contains(patch, []byte(`"seen"`)) {
		return fmt.Errorf("not the label, but %s", patch)
	}
	return nil
}

// cpu is what the process has used, user and system together.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		fail(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// each runs `work` on every connection at once and returns the latencies of all.
func each(clients []*client, work func(c *client, at int) ([]time.Duration, error)) []time.Duration {
	var wait sync.WaitGroup
	taken := make([][]time.Duration, len(clients))
	for i, c := range clients {
		wait.Go(func() {
			var err error
			if taken[i], err = work(c, i); err != nil {
				fail(err)
			}
		})
	}
	wait.Wait()
	all := slices.Concat(taken...)
	slices.Sort(all)
	return all
}

func flood(length time.Duration) func(c *client, at int) ([]time.Duration, error) {
	end := time.Now().Add(length)
	return func(c *client, _ int) (taken []time.Duration, err error) {
		for time.Now().Before(end) {
			start := time.Now()
			if err = c.ask(); err != nil {
				return nil, err
			}
			taken = append(taken, time.Since(start))
		}
		return taken, nil
	}
}

// pace keeps to a rate for all connections together. The latency of a request that had to wait for the one
// before it counts from when it was due; the client's own timer is not counted.
func pace(length time.Duration, rate float64, connections int) func(c *client, at int) ([]time.Duration, error) {
	start := time.Now()
	gap := time.Duration(float64(connections) / rate * float64(time.Second))
	return func(c *client, at int) (taken []time.Duration, err error) {
		due := start.Add(gap * time.Duration(at) / time.Duration(connections))
		for ; due.Before(start.Add(length)); due = due.Add(gap) {
			from := due
			if wait := time.Until(due); wait > 0 {
				time.Sleep(wait)
				from = time.Now()
			}
			if err = c.ask(); err != nil {
				return nil, err
			}
			taken = append(taken, time.Since(from))
		}
		return taken, nil
	}
}

func main() {
	label := flag.String("label", "", "what the line begins with")
	address := flag.String("url", "", "of the webhook")
	ca := flag.String("ca", "", "file with the CA of its certificate")
	pid := flag.Int("pid", 0, "of the server")
	connections := flag.Int("connections", 16, "kept open")
	length := flag.Duration("length", 10*time.Second, "of each of the two parts")
	flag.Parse()
	target, err := url.Parse(*address)
	if err != nil {
		fail(err)
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		fail(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), NextProtos: []string{"http/1.1"}}
	config.RootCAs.AppendCertsFromPEM(pem)
	clients := make([]*client, *connections)
	for i := range clients {
		if clients[i], err = dial(target, config, i); err != nil {
			fail(err)
		}
	}
	each(clients, flood(*length/5)) // warm
	before, began := cpu(*pid), time.Now()
	count := len(each(clients, flood(*length)))
	elapsed, spent := time.Since(began), cpu(*pid)-before
	rate := float64(count) / elapsed.Seconds()
	half := each(clients, pace(*length, rate/2, *connections))
	at := func(p float64) float64 {
		return float64(half[int(p*float64(len(half)-1))].Microseconds()) / 1000
	}
	fmt.Printf("%s rate %.0f cpu_us %.1f per_cpu_s %.0f p50_ms %.2f p99_ms %.2f\n", *label, rate,
		float64(spent.Microseconds())/float64(count), float64(count)/spent.Seconds(), at(0.5), at(0.99))
}
