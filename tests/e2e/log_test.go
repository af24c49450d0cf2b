package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"moonlet.dev/e2e/harness"
)

// Lines that cannot be written are lost; the work is not.
func TestLogOnAFullDiskStopsNothing(t *testing.T) {
	env := harness.New(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "copier.lua"), []byte(copier("1")), 0o644); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: " + err.Error())
	}
	defer full.Close()
	cmd := exec.Command(harness.Binary(), "run", dir, "--kubeconfig", env.Kubeconfig(harness.Connection{}),
		"--namespace", env.NS, "--metrics-bind-address", "0", "--health-probe-bind-address", "0", "--log-level", "debug")
	cmd.Stdout, cmd.Stderr = full, full
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	env.Apply(source("one", "b"))
	env.EventuallyData("one-copy", "value", "b")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(harness.Patience):
		t.Error("it does not end after SIGTERM")
	}
}
