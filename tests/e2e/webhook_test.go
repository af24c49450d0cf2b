package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
)

const failing = `
local moonlet = require "moonlet"
local function failing(name, policy, validate)
  return moonlet.webhook {
    name = name, failure_policy = policy, timeout = "1s", validate = validate,
    resource = { "v1/ConfigMap", labels = "try=" .. name, namespaces = { "$NS" } },
  }
end
local function boom() error "boom" end
local function sleep(_, _, ctx) ctx:sleep "20s" end
local function write(map, _, ctx) ctx:create(map) end
return { failing("boom", "Fail", boom), failing("boom-anyway", "Ignore", boom),
  failing("sleep", "Fail", sleep), failing("sleep-anyway", "Ignore", sleep),
  failing("write", "Fail", write), failing("odd", "Fail", function() return true end) }
`

func TestAFailureIsJudgedByThePolicyAndNamesItsLine(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"failing.lua": failing})
	for name, why := range map[string]string{
		"boom":  "failing.lua:9: boom",
		"sleep": "sleep did not answer in 0.9 s",
		"write": "failing.lua:11: ctx:create: a webhook does not write",
		"odd":   "validate returned true",
	} {
		eventuallyRefused(env, labelled("one", "try", name), why)
		_, err := try(env, labelled("one", "try", name))
		if said := status(t, err); said.Code != 500 {
			t.Errorf("%s: %+v", name, said)
		}
	}
	for _, name := range []string{"boom-anyway", "sleep-anyway"} {
		if _, err := create(env, labelled(name, "try", name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m.EventuallyMetric(1, "controller_runtime_webhook_requests_total", `webhook="`+name+`"`, `code="500"`)
	}
	harness.Eventually(t, "nothing is in work", func() error {
		if n := m.Metric("moonlet_webhook_requests_in_flight"); n != 0 {
			return fmt.Errorf("%v are", n)
		}
		return nil
	})
	if code := m.Stop(); code != 0 || strings.Contains(m.Log(), "still in work") {
		t.Fatalf("it ended with %d", code)
	}
}

const denying = `
local moonlet = require "moonlet"
return moonlet.webhook {
  name = "denying", resource = { "v1/ConfigMap", labels = "deny", namespaces = { "$NS" } },
  validate = function(map, req)
    req:warn "this is\nwatched"
    req:warn "this is\nwatched"
    req:audit("seen", map.metadata.name)
    local how = map.data or {}
    if how.message then
      return moonlet.deny(how.message, { code = tonumber(how.code), reason = how.reason })
    end
  end,
}
`

func TestADenialArrivesAsItIsMeant(t *testing.T) {
	env := harness.New(t)
	serve(env, harness.Files{"denying.lua": denying})
	deny := func(data map[string]string) *core.ConfigMap {
		cm := labelled("one", "deny", "yes")
		cm.Data = data
		return cm
	}
	eventuallyRefused(env, deny(map[string]string{"message": "no"}), "denied the request: no")
	for _, one := range []struct {
		data   map[string]string
		code   int32
		reason meta.StatusReason
	}{
		{map[string]string{"message": "not \"you\" \\ 日本"}, 403, meta.StatusReasonForbidden},
		{map[string]string{"message": "bad", "code": "422"}, 422, meta.StatusReasonInvalid},
		{map[string]string{"message": "slow", "code": "429"}, 429, meta.StatusReasonTooManyRequests},
		{map[string]string{"message": "odd", "code": "418", "reason": "Teapot"}, 418, "Teapot"},
	} {
		_, err := try(env, deny(one.data))
		said := status(t, err)
		if said.Code != one.code || said.Reason != one.reason || !strings.HasSuffix(said.Message, "denied the request: "+one.data["message"]) {
			t.Errorf("%v: %+v", one.data, said)
		}
	}
	file := filepath.Join(t.TempDir(), "one.yaml")
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {deny: \"yes\"}}\ndata: {message: not today}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := env.TryKubectl("-n", env.NS, "create", "-f", file)
	if err == nil || !strings.Contains(out, "Error from server (Forbidden)") || !strings.Contains(out, "denied the request: not today") {
		t.Fatalf("kubectl says: %s", out)
	}
	if !strings.Contains(out, "Warning: this is watched") {
		t.Fatalf("kubectl does not warn: %s", out)
	}
}

func TestWarningsReachTheClientAndNotesTheAuditLog(t *testing.T) {
	env := harness.New(t)
	serve(env, harness.Files{"denying.lua": denying})
	denied := labelled("no", "deny", "yes")
	denied.Data = map[string]string{"message": "no"}
	eventuallyRefused(env, denied, "denied")
	kube, w := warned(env)
	if _, err := kube.CoreV1().ConfigMaps(env.NS).Create(harness.Background(), labelled("noted", "deny", "yes"), meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.text, "|"); got != "this is watched" {
		t.Fatalf("warned of %q", got)
	}
	harness.Eventually(t, "the note is in the audit log", func() error {
		log, err := os.ReadFile(filepath.Join(env.Dir, "audit.log"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(log)) {
			var entry struct {
				ObjectRef   struct{ Namespace, Name string }
				Annotations map[string]string
			}
			if !strings.Contains(line, "noted") || json.Unmarshal([]byte(line), &entry) != nil || entry.ObjectRef.Namespace != env.NS {
				continue
			}
			for key, value := range entry.Annotations {
				if strings.HasSuffix(key, "/seen") && value == "noted" {
					return nil
				}
			}
		}
		return fmt.Errorf("it is not")
	})
}

const shaping = `
local moonlet = require "moonlet"
return moonlet.webhook {
  name = "shaping", resource = { "e2e.moonlet.dev/v1/Widget", namespaces = { "$NS" } },
  mutate = function(widget)
    local spec = widget.spec
    spec["a/b~c"] = { ["~1"] = "ü\n\"\\\226\128\168", [""] = "empty key" }
    spec.null, spec.none, spec.empty = moonlet.null, moonlet.array {}, {}
    table.insert(spec.list, 1, { first = true })
    table.remove(spec.list)
    spec.list[#spec.list + 1] = { moonlet.array {}, moonlet.null, {}, -1, 1.5, 9007199254740992, false }
    spec.gone = nil
    spec.kept[1].x = nil
    widget.metadata.labels = { ["example.com/a"] = "b" }
  end,
}
`

func TestTheStoredObjectIsAsTheHandlerLeftIt(t *testing.T) {
	env := harness.New(t)
	env.Apply(widgetCRD)
	m := serve(env, harness.Files{"shaping.lua": shaping})
	m.EventuallyLogs("webhooks registered: moonlet-shaping")
	text := `{"apiVersion":"e2e.moonlet.dev/v1","kind":"Widget","metadata":{"name":"%s"},"spec":{"gone":{"a":1},
		"kept":[{"x":1},{"big":12345678901234567890,"float":1e300}],"list":[1,"two",[],{}],"other":[[],{},null]}}`
	want := `{"a/b~c":{"":"empty key","~1":"ü\n\"\\\u2028"},"empty":{},"null":null,"none":[],
		"kept":[{},{"big":12345678901234567890,"float":1e300}],
		"list":[{"first":true},1,"two",[],[[],null,{},-1,1.5,9007199254740992,false]],"other":[[],{},null]}`
	harness.Eventually(t, "the webhook is called", func() error {
		err := env.TryApply(fmt.Sprintf(text, "probe"))
		if err != nil {
			return err
		}
		if get(t, env, "e2e.moonlet.dev/v1", "Widget", "probe").GetLabels()["example.com/a"] != "b" {
			env.Delete("e2e.moonlet.dev/v1", "Widget", "probe")
			return fmt.Errorf("it is not")
		}
		return nil
	})
	one := get(t, env, "e2e.moonlet.dev/v1", "Widget", "probe")
	got, _ := json.Marshal(one.Object["spec"])
	if !sameJSON(t, got, []byte(want)) {
		t.Fatalf("stored:\n%s\nwanted:\n%s", got, want)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var left, right any
	if err := json.Unmarshal(a, &left); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &right); err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(left)
	y, _ := json.Marshal(right)
	return string(x) == string(y)
}

const operating = `
local moonlet = require "moonlet"
local function at(name, kind, fields)
  fields.name, fields.resource = name, { kind, namespaces = { "$NS" } }
  return moonlet.webhook(fields)
end
return {
  at("last", "v1/ConfigMap", { operations = { "DELETE" }, validate = function(map, req)
    if map.metadata.name ~= req.old.metadata.name then return moonlet.deny "not the old one" end
    if map.data and map.data.keep then return moonlet.deny("kept for " .. req.old.data.keep) end
  end }),
  at("scale", "apps/v1/Deployment", { operations = { "UPDATE" }, subresources = { "scale" }, validate = function(scale, req)
    if scale.spec.replicas > 3 then return moonlet.deny(req.kind .. ": too many") end
  end }),
  at("status", "v1/Pod", { operations = { "UPDATE" }, subresources = { "status" }, mutate = function(pod, req)
    pod.status.message = ("%s by %s was %s"):format(req.subresource, req.user.username, req.old.status.message or "-")
  end }),
}
`

func TestDeletionAndSubresourcesAreJudged(t *testing.T) {
	env := harness.New(t)
	serve(env, harness.Files{"operating.lua": operating})
	env.ConfigMap("kept", map[string]string{"keep": "later"})
	env.ConfigMap("free", nil)
	maps := env.Kube.CoreV1().ConfigMaps(env.NS)
	dry := meta.DeleteOptions{DryRun: []string{meta.DryRunAll}}
	harness.Eventually(t, "the deletion is refused", func() error {
		err := maps.Delete(harness.Background(), "kept", dry)
		if err == nil || !strings.Contains(err.Error(), "denied the request: kept for later") {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	if err := maps.Delete(harness.Background(), "free", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	env.ConfigMap("kept", map[string]string{"other": "x"}) // the judge owned what it leaves out
	if err := maps.Delete(harness.Background(), "kept", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	env.Apply(loggedDeployment)
	harness.Eventually(t, "too large a scale is refused", func() error {
		out, err := env.TryKubectl("-n", env.NS, "scale", "deployment", "web", "--replicas=4")
		if err == nil || !strings.Contains(out, "autoscaling/v1/Scale: too many") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	env.Plane.Kubectl(t, "-n", env.NS, "scale", "deployment", "web", "--replicas=2")
	env.Apply("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: nginx}]}\n")
	pods := env.Kube.CoreV1().Pods(env.NS)
	harness.Eventually(t, "the status is changed", func() error {
		pod, err := pods.Get(harness.Background(), "web", meta.GetOptions{})
		if err != nil {
			return err
		}
		before := pod.Status.Message
		if before == "" {
			before = "-"
		}
		pod.Status.Message = "x"
		pod, err = pods.UpdateStatus(harness.Background(), pod, meta.UpdateOptions{})
		if err == nil && pod.Status.Message != "status by admin was "+before {
			err = fmt.Errorf("%q", pod.Status.Message)
		}
		return err
	})
}

const stamping = `
local moonlet = require "moonlet"
local resource = { "v1/ConfigMap", labels = "stamp", namespaces = { "$NS" } }
local function stamp(map, key, value)
  map.metadata.annotations = map.metadata.annotations or {}
  map.metadata.annotations[key] = value
end
return {
  moonlet.webhook { name = "a-stamp", resource = resource, reinvocation = "IfNeeded", mutate = function(map, req)
    stamp(map, "dry", tostring(req.dry_run))
    map.data = map.data or {}
    map.data.list = map.data.list or "a"
  end },
  moonlet.webhook { name = "b-stamp", resource = resource, mutate = function(map)
    map.data.list = map.data.list:find "b" and map.data.list or map.data.list .. "b"
  end },
}
`

func TestADryRunLeavesNothingAndASecondInvocationChangesNothing(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"stamping.lua": stamping})
	eventuallyMarked(env, labelled("one", "stamp", "yes"), "dry", "true")
	harness.Eventually(t, "the second is called too", func() error {
		if got, err := try(env, labelled("one", "stamp", "yes")); err != nil || got.Data["list"] != "ab" {
			return fmt.Errorf("%v %v", got, err)
		}
		return nil
	})
	if _, err := env.Object("v1", "ConfigMap", "one"); err == nil {
		t.Fatal("the dry run has stored it")
	}
	calls := func(name string) float64 {
		return m.Metric("controller_runtime_webhook_requests_total", `webhook="`+name+`"`, `code="200"`)
	}
	a, b := calls("a-stamp"), calls("b-stamp")
	cm, err := create(env, labelled("one", "stamp", "yes"))
	if err != nil {
		t.Fatal(err)
	}
	if cm.Annotations["dry"] != "false" || cm.Data["list"] != "ab" {
		t.Fatalf("stored: %v %v", cm.Annotations, cm.Data)
	}
	if a, b = calls("a-stamp")-a, calls("b-stamp")-b; a != 2 || b != 1 {
		t.Fatalf("called %v and %v times", a, b)
	}
}
