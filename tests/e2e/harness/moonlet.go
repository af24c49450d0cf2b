package harness

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Moonlet is one `moonlet run` on a folder of controllers.
type Moonlet struct {
	T       testing.TB
	Dir     string // the controllers
	flags   []string
	metrics string
	probes  string
	log     logBuffer
	cmd     *exec.Cmd
	exited  chan struct{}
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Connection is how moonlet reaches the API server; zero values mean the plane itself.
type Connection struct {
	Server    string
	CA        []byte
	TokenFile string
}

// Kubeconfig writes a kubeconfig for moonlet's user and returns its path.
func (e *Env) Kubeconfig(c Connection) string {
	e.T.Helper()
	if c.Server == "" {
		c.Server, c.CA = e.Server, e.CA
	}
	user := "token: " + strconv.Quote("")
	if c.TokenFile != "" {
		user = "tokenFile: " + strconv.Quote(c.TokenFile)
	} else {
		user = "token: " + e.Token("")
	}
	path := filepath.Join(e.T.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {%s}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: %s}}]
current-context: x
`, c.Server, base64.StdEncoding.EncodeToString(c.CA), user, e.NS)
	write(e.T, path, text)
	return path
}

// Files is the content of a folder of controllers by name.
type Files map[string]string

// Run starts moonlet on files and waits until it is ready.
func (e *Env) Run(files Files, flags ...string) *Moonlet {
	e.T.Helper()
	m := e.Start(Connection{}, files, flags...)
	m.WaitReady()
	return m
}

// Start starts moonlet without waiting.
func (e *Env) Start(c Connection, files Files, flags ...string) *Moonlet {
	e.T.Helper()
	m := &Moonlet{T: e.T, Dir: e.T.TempDir()}
	m.metrics, m.probes = FreeAddress(e.T), FreeAddress(e.T)
	for name, text := range files {
		m.Write(name, text)
	}
	m.flags = append([]string{"run", m.Dir, "--kubeconfig", e.Kubeconfig(c), "--namespace", e.NS,
		"--metrics-bind-address", m.metrics, "--health-probe-bind-address", m.probes,
		"--log-format", "json"}, flags...)
	m.Launch()
	e.T.Cleanup(func() {
		m.Kill()
		if e.T.Failed() {
			e.T.Logf("moonlet said:\n%s", tail(m.Log(), 80))
		}
	})
	return m
}

// Launch starts the process, again after Kill or Stop.
func (m *Moonlet) Launch() {
	m.T.Helper()
	m.cmd = exec.Command(Binary(), m.flags...)
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	m.cmd.Dir = filepath.Dir(m.Dir)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		m.T.Fatal(err)
	}
	m.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(m.cmd, m.exited)
}

// Kill is kill -9.
func (m *Moonlet) Kill() {
	_ = m.cmd.Process.Kill()
	<-m.exited
}

// Stop is SIGTERM; it answers the exit code.
func (m *Moonlet) Stop() int {
	m.T.Helper()
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.exited:
	case <-time.After(Patience):
		m.T.Fatal("moonlet does not end after SIGTERM")
	}
	return m.cmd.ProcessState.ExitCode()
}

// Exited says whether the process has ended by itself, and how.
func (m *Moonlet) Exited() (int, bool) {
	select {
	case <-m.exited:
		return m.cmd.ProcessState.ExitCode(), true
	default:
		return 0, false
	}
}

// Pid of the process.
func (m *Moonlet) Pid() int { return m.cmd.Process.Pid }

// RSS of the process in bytes.
func (m *Moonlet) RSS() int64 {
	m.T.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Pid()))
	if err != nil {
		m.T.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb * 1024
		}
	}
	return 0
}

// Log is everything it has said.
func (m *Moonlet) Log() string { return m.log.String() }

// EventuallyLogs waits for a piece of text in the log.
func (m *Moonlet) EventuallyLogs(text string) {
	m.T.Helper()
	Eventually(m.T, "moonlet logs "+text, func() error {
		if !strings.Contains(m.Log(), text) {
			return fmt.Errorf("it has not")
		}
		return nil
	})
}

// Ready is what /readyz answers.
func (m *Moonlet) Ready() (int, string, error) {
	return get("http://" + m.probes + "/readyz")
}

// WaitReady waits for /readyz.
func (m *Moonlet) WaitReady() {
	m.T.Helper()
	Eventually(m.T, "moonlet is ready", func() error {
		if code, ended := m.Exited(); ended {
			m.T.Fatalf("moonlet ended with %d", code)
		}
		status, body, err := m.Ready()
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// Metric sums the samples of a metric whose labels contain each of the given `name="value"`.
func (m *Moonlet) Metric(name string, labels ...string) float64 {
	m.T.Helper()
	_, body, err := get("http://" + m.metrics + "/metrics")
	if err != nil {
		m.T.Fatal(err)
	}
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(body))
	lines.Buffer(nil, 1<<24)
samples:
	for lines.Scan() {
		line := lines.Text()
		end := strings.LastIndexByte(line, ' ')
		if end < 0 || (!strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ")) {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue samples
			}
		}
		value, _ := strconv.ParseFloat(line[end+1:], 64)
		sum += value
	}
	return sum
}

// EventuallyMetric waits until the metric is at least want.
func (m *Moonlet) EventuallyMetric(want float64, name string, labels ...string) {
	m.T.Helper()
	Eventually(m.T, fmt.Sprintf("%s%v >= %v", name, labels, want), func() error {
		if have := m.Metric(name, labels...); have < want {
			return fmt.Errorf("%v", have)
		}
		return nil
	})
}

// Write replaces a file as editors do: a new one is renamed over the old.
func (m *Moonlet) Write(name, text string) {
	m.T.Helper()
	path := filepath.Join(m.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.T.Fatal(err)
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".swp")
	write(m.T, temp, text)
	if err := os.Rename(temp, path); err != nil {
		m.T.Fatal(err)
	}
}

// Truncate writes into the file that is there, as shells do.
func (m *Moonlet) Truncate(name, text string) {
	m.T.Helper()
	write(m.T, filepath.Join(m.Dir, name), text)
}

// Remove removes a file.
func (m *Moonlet) Remove(name string) {
	m.T.Helper()
	if err := os.RemoveAll(filepath.Join(m.Dir, name)); err != nil {
		m.T.Fatal(err)
	}
}

// Project writes files as the kubelet projects a ConfigMap: a dated folder, `..data` pointing to it,
// and names pointing through `..data`; the second time only `..data` is swapped.
func Project(t testing.TB, dir string, files Files) {
	t.Helper()
	dated, err := os.MkdirTemp(dir, "..2026_")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dated, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(dated, name), text)
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(dated), next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		_ = os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))
	}
	if old != "" {
		_ = os.RemoveAll(filepath.Join(dir, old))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(url string) (int, string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

var lastPort atomic.Int32

// FreeAddress is an address that nobody listens on. It is below the kernel's ephemeral ports and those of
// tests/plane, and is given once: nothing else can take it before its listener does.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 10000 {
		port := 10000 + (os.Getpid()*16+int(lastPort.Add(1)))%10000
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
