package e2e

import (
	"strings"
	"testing"

	"moonlet.dev/e2e/harness"
)

// A scheduler in Lua, with no more rights than `moonlet rbac` prints for it.
func TestSchedulerBindsWhatIsNotGated(t *testing.T) {
	env := harness.New(t)
	file := controller("binder", `
  resource = { "v1/Pod", labels = "bind=yes", namespaces = { "`+env.NS+`" } },
  writes = { { "v1/Pod", verbs = { "bind" } } },
  reconcile = function(pod, ctx)
    if pod.spec.nodeName then return end
    local other = { apiVersion = "v1", kind = "Pod", metadata = { name = pod.metadata.name, uid = "other" } }
    local ok, problem = pcall(ctx.bind, ctx, other, "node-a")
    ctx.log:info("OTHER " .. tostring(ok) .. " " .. problem.code)
    ctx:bind(pod, "node-a")
    ctx.log:info "BOUND"
  end,`)
	env.Restrict()
	env.Apply(strings.TrimPrefix(printed(t, "binder.lua", file, "--namespace", env.NS, "--host-namespace", env.NS), "---\n"))
	m := env.Run(harness.Files{"binder.lua": file})
	if _, err := pod(env, "held", `bind: "yes"`, "", plainSpec+", schedulingGates: [{name: example.com/gate}]"); err != nil {
		t.Fatal(err)
	}
	m.EventuallyLogs("OTHER false conflict")
	m.EventuallyLogs("non-empty .spec.schedulingGates")
	if _, err := pod(env, "free", `bind: "yes"`, "", plainSpec); err != nil {
		t.Fatal(err)
	}
	m.EventuallyLogs("BOUND")
	if _, one := gatesOf(env, "free"); one.Spec.NodeName != "node-a" {
		t.Fatalf("bound to %q", one.Spec.NodeName)
	}
	if _, one := gatesOf(env, "held"); one.Spec.NodeName != "" {
		t.Fatalf("bound to %q", one.Spec.NodeName)
	}
}
