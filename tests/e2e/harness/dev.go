package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Dev is a `moonlet dev`: the embedded API server, and nothing but it unless there are files.
type Dev struct {
	T          testing.TB
	Kubeconfig string
	Config     *rest.Config // JSON alone
	log        logBuffer
}

// NewDev starts one and waits until its kubeconfig is there; it needs no plane.
func NewDev(t testing.TB) *Dev {
	t.Helper()
	if _, err := os.Stat(Binary()); err != nil {
		t.Skip("SKIPPED: no moonlet to test: " + Binary())
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "controllers"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := &Dev{T: t, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	cmd := exec.Command(Binary(), "dev", filepath.Join(dir, "controllers"), "--bind-address", "127.0.0.1:0",
		"--metrics-bind-address", "0", "--health-probe-bind-address", "0", "--webhook-bind-address", "127.0.0.1:0",
		"--kubeconfig-out", d.Kubeconfig)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &d.log, &d.log, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("moonlet dev: %v", err)
		}
		if t.Failed() {
			t.Logf("moonlet dev said:\n%s", tail(d.log.String(), 40))
		}
	})
	Eventually(t, "moonlet dev has a kubeconfig", func() (err error) {
		d.Config, err = clientcmd.BuildConfigFromFlags("", d.Kubeconfig)
		return err
	})
	d.Config.ContentType = "application/json"
	d.Config.QPS, d.Config.Burst = 500, 1000
	return d
}
