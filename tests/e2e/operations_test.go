package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"moonlet.dev/e2e/harness"
)

// The lease outlives what a busy machine holds a process up for: who lets it lapse ends, and rightly so.
func elector(env *harness.Env, files harness.Files) *harness.Moonlet {
	m := env.Start(harness.Connection{}, files, "--leader-elect", "--lease-name", "e2e", "--lease-namespace", env.NS,
		"--lease-duration", "12s", "--renew-deadline", "10s", "--retry-period", "500ms")
	m.WaitReady() // R12: ready means synced, not leading
	return m
}

func leads(m *harness.Moonlet) bool { return m.Metric("leader_election_master_status") == 1 }

func TestOneReplicaLeadsAndAnotherTakesOver(t *testing.T) {
	env := harness.New(t)
	first := elector(env, harness.Files{"copier.lua": copier("1")})
	harness.Eventually(t, "the first leads", func() error {
		if !leads(first) {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	second := elector(env, harness.Files{"copier.lua": copier("1")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
	if leads(second) || second.Metric("controller_runtime_reconcile_total") != 0 {
		t.Error("the second reconciles beside the first")
	}
	first.Kill()
	harness.Eventually(t, "the second leads", func() error {
		if !leads(second) {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	env.Apply(source("one", "b"))
	env.EventuallyData("one-copy", "value", "b")
	// A clean exit gives the lease back: the third need not wait for it to run out.
	if code := second.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	third := elector(env, harness.Files{"copier.lua": copier("1")})
	since := time.Now()
	harness.Eventually(t, "the third leads", func() error {
		if !leads(third) {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	t.Logf("led after %v", time.Since(since))
}

// The body of a reconcile, and what the log says of it.
var hostile = map[string][2]string{
	"loop":      {`while true do end`, "without waiting"},
	"pcall":     {`while true do pcall(function() while true do end end) end`, "without waiting"},
	"xpcall":    {`while true do xpcall(function() while true do end end, function() while true do end end) end`, "without waiting"},
	"coroutine": {`coroutine.wrap(function() while true do end end)()`, "without waiting"},
	"rep":       {`local s = ("x"):rep(1e9)`, "rep"},
	"pattern":   {`local s = ("a"):rep(30); s:find(("a*"):rep(30) .. "b")`, "steps"},
	"flood":     {`local t = {}; for i = 1, 1e9 do t[i] = { i } end`, "memory"},
	"recursion": {`local function f() return 1 + f() end; f()`, "overflow"},
}

func TestHostileFilesAreStoppedWhileOthersGoOn(t *testing.T) {
	env := harness.New(t)
	files := harness.Files{"copier.lua": copier("1")}
	for name, body := range hostile {
		files["hostile-"+name+".lua"] = fmt.Sprintf(`
local moonlet = require "moonlet"
return moonlet.controller {
  name = "hostile-%s", resource = { "v1/ConfigMap", labels = "hostile=yes" },
  retry = { base = "10m" },
  reconcile = function() %s end,
}`, name, body[0])
	}
	m := env.Run(files, "--lua-memory", "16MB")
	env.Apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: bait, labels: {hostile: "yes"}}
`)
	for i := range 20 {
		env.Apply(source("one", fmt.Sprint(i)))
		env.EventuallyData("one-copy", "value", fmt.Sprint(i))
	}
	for name, body := range hostile {
		harness.Eventually(t, name+" is stopped", func() error {
			for _, line := range strings.Split(m.Log(), "\n") {
				if strings.Contains(line, `"hostile-`+name+`"`) && strings.Contains(line, "error") &&
					strings.Contains(line, "hostile-"+name+".lua:") && strings.Contains(line, body[1]) {
					return nil
				}
			}
			return fmt.Errorf("the log does not say %q", body[1])
		})
	}
	if m.RSS() > 300<<20 {
		t.Errorf("%d MiB resident", m.RSS()>>20)
	}
}

// Hostile controllers that are tried again at once keep the one thread busy; a neighbour on it still gets
// its turn after at most two of each of theirs. Both write into one log, so their order is what counts.
func TestNeighbourGetsItsTurnBetweenHostileCalls(t *testing.T) {
	const hostiles, ticks = 3, 10
	env := harness.New(t)
	files := harness.Files{"neighbour.lua": controller("neighbour", `
  resource = { "v1/ConfigMap", labels = "hostile=yes" },
  reconcile = function(_, ctx) ctx.log:info("TICK") ctx:requeue "1ms" end,`)}
	for i := range hostiles {
		name := fmt.Sprintf("hostile%d", i)
		files[name+".lua"] = fmt.Sprintf(`
local moonlet = require "moonlet"
return moonlet.controller {
  name = %q, resource = { "v1/ConfigMap", labels = "hostile=yes" }, retry = { base = "1ms", max = "1ms" },
  reconcile = function() while true do pcall(function() while true do end end) end end,
}`, name)
	}
	m := env.Run(files, "--workers", "1", "--lua-cpu", "50ms")
	env.Apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: bait, labels: {hostile: "yes"}}
`)
	// What is between the first stop of each hostile file and the last tick that is looked at.
	var order []string
	harness.Eventually(t, "enough ticks among the stops", func() error {
		order = order[:0]
		stopped, seen := map[string]bool{}, 0
		for _, line := range strings.Split(m.Log(), "\n") {
			var entry struct{ Msg, Controller string }
			if json.Unmarshal([]byte(line), &entry) != nil {
				continue
			}
			switch {
			case strings.Contains(line, "without waiting"):
				stopped[entry.Controller] = true
				order = append(order, "stop")
			case entry.Msg == "TICK" && len(stopped) == hostiles:
				seen++
				order = append(order, "tick")
			}
			if seen == ticks {
				return nil
			}
		}
		return fmt.Errorf("%d ticks, %d files stopped", seen, len(stopped))
	})
	stops, all, first := 0, 0, true
	for _, what := range order {
		if what == "stop" {
			stops, all = stops+1, all+1
			continue
		}
		if !first && stops > 2*hostiles {
			t.Errorf("%d hostile calls between two turns of the neighbour", stops)
		}
		stops, first = 0, false
	}
	if all < ticks {
		t.Errorf("the hostile files were called %d times, less often than their neighbour", all)
	}
}

func TestThousandReloadsLeakNothing(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("0")})
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "version", "0")
	reload := func(from, to int) {
		for i := from; i <= to; i++ {
			m.Write("copier.lua", copier(fmt.Sprint(i)))
			m.EventuallyMetric(float64(i+1), "moonlet_controller_loads_total")
		}
		env.EventuallyData("one-copy", "version", fmt.Sprint(to))
	}
	reload(1, 200)
	lists, before := m.Metric("moonlet_lists_total"), m.RSS()
	reload(201, 1000)
	if n := m.Metric("moonlet_lists_total"); n != lists {
		t.Errorf("%v lists, %v before", n, lists)
	}
	grown := m.RSS() - before
	t.Logf("RSS %d KiB after 200 reloads, %+d KiB after 1,000", before>>10, grown>>10)
	if grown > 2<<20 {
		t.Errorf("RSS has grown by %d KiB", grown>>10)
	}
}
