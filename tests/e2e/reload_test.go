package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"moonlet.dev/e2e/harness"
)

func TestEditGoesLiveWithoutOneList(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	for i := range 5 {
		env.Apply(source(fmt.Sprint("one", i), "a"))
	}
	env.EventuallyData("one4-copy", "version", "1")
	before := env.Requests()
	for _, version := range []string{"2", "3"} {
		m.Write("copier.lua", copier(version))
		for i := range 5 { // R15: each key runs again
			env.EventuallyData(fmt.Sprintf("one%d-copy", i), "version", version)
		}
	}
	after := env.Requests()
	for _, verb := range []string{"list", "watch"} {
		if a, b := before.Count(verb, "configmaps"), after.Count(verb, "configmaps"); a != b {
			t.Errorf("%d more %s of configmaps", b-a, verb)
		}
	}
}

func TestTruncatedAndRewrittenFileGoesLive(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "version", "1")
	m.Truncate("copier.lua", copier("2"))
	env.EventuallyData("one-copy", "version", "2")
}

func TestBrokenFileKeepsThePreviousVersion(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	for i, broken := range []string{"return {{{", "", "error 'no'", "return 1"} {
		m.Write("copier.lua", broken)
		m.EventuallyMetric(float64(i+1), "moonlet_controller_load_failures_total")
		name := fmt.Sprint("while-broken-", i)
		env.Apply(source(name, "a"))
		env.EventuallyData(name+"-copy", "version", "1")
	}
	m.Write("copier.lua", copier("2"))
	env.EventuallyData("while-broken-0-copy", "version", "2")
}

func TestRemovedFileStopsAndNewFileStarts(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	m.Remove("copier.lua")
	m.EventuallyLogs("removed")
	env.Apply(source("one", "b"))
	m.Write("again.lua", copier("2"))
	env.EventuallyData("one-copy", "version", "2")
	env.EventuallyData("one-copy", "value", "b")
}

func TestProjectedConfigMapSwapGoesLive(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{})
	harness.Project(t, m.Dir, harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "version", "1")
	harness.Project(t, m.Dir, harness.Files{"copier.lua": copier("2")})
	env.EventuallyData("one-copy", "version", "2")
}

func TestModuleOfAFolderGoesLive(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{
		"copier/init.lua":    `return require("copier.version")`,
		"copier/version.lua": copier("1"),
	})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "version", "1")
	m.Write("copier/version.lua", copier("2"))
	env.EventuallyData("one-copy", "version", "2")
	if _, err := os.Stat(filepath.Join(m.Dir, "copier", "init.lua")); err != nil {
		t.Fatal(err)
	}
}

func TestFloodOfEventsAcrossReloadsLosesNothing(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("0")})
	for i := range 40 {
		if i%4 == 0 {
			m.Write("copier.lua", copier(fmt.Sprint(i/4)))
		}
		env.Apply(source(fmt.Sprint("n", i), fmt.Sprint(i)))
	}
	for i := range 40 {
		env.EventuallyData(fmt.Sprintf("n%d-copy", i), "value", fmt.Sprint(i))
		env.EventuallyData(fmt.Sprintf("n%d-copy", i), "version", "9")
	}
}
