package e2e

import (
	"fmt"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
)

// Each of these adds a key to the object: what has been called can be read from it.
const matching = `
local moonlet = require "moonlet"
local function called(name, match, fields)
  match[1], match.labels, match.namespaces = "v1/ConfigMap", match.labels or "match", match.namespaces or { "$NS" }
  fields = fields or {}
  fields.name, fields.resource = "match-" .. name, match
  fields.mutate = function(map)
    map.data = map.data or {}
    map.data["by-" .. name] = "yes"
  end
  return moonlet.webhook(fields)
end
return {
  called("labels", { labels = { match = { "a", "b" }, not_here = false } }),
  called("annotations", { annotations = { ["example.com/x"] = "1\"\\", ["example.com/no"] = false } }),
  called("others", { namespaces = { except = { "$NS" } } }),
  called("team", { namespaces = { labels = "team=red" } }),
  called("fields", { fields = "metadata.name=chosen,immutable!=true" }),
  called("when", { when = function(new, old) return (old == nil) == (new.data ~= nil) end }),
  called("conditions", {}, { match_conditions = {
    { name = "by-admin", expression = "request.userInfo.username == 'admin'" },
    { name = "has-data", expression = "has(object.data) && object.data.exists(k, k == 'cel')" },
  } }),
}
`

func TestAWebhookIsCalledForWhatItMatchesOnly(t *testing.T) {
	env := harness.New(t)
	serve(env, harness.Files{"matching.lua": matching})
	env.Plane.Kubectl(t, "label", "namespace", env.NS, "team=red")
	called := func(cm *core.ConfigMap, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, name := range []string{"labels", "annotations", "others", "team", "fields", "when", "conditions"} {
			if cm.Data["by-"+name] != "" {
				names = append(names, name)
			}
		}
		return strings.Join(names, " ")
	}
	everything := func() *core.ConfigMap {
		cm := labelled("chosen", "match", "a")
		cm.Annotations = map[string]string{"example.com/x": `1"\`}
		cm.Data = map[string]string{"cel": "x"}
		return cm
	}
	all := "labels annotations team fields when conditions"
	harness.Eventually(t, "all that match are called", func() error {
		if got := called(try(env, everything())); got != all {
			return fmt.Errorf("called: %s", got)
		}
		return nil
	})
	immutable := true
	for _, one := range []struct {
		what string
		edit func(cm *core.ConfigMap)
		want string
	}{
		{"another label", func(cm *core.ConfigMap) { cm.Labels["match"] = "c" }, "annotations team fields when conditions"},
		{"no label", func(cm *core.ConfigMap) { cm.Labels = nil }, ""},
		{"a forbidden label", func(cm *core.ConfigMap) { cm.Labels["not_here"] = "" }, "annotations team fields when conditions"},
		{"no annotation", func(cm *core.ConfigMap) { cm.Annotations = nil }, "labels team fields when conditions"},
		{"a forbidden annotation", func(cm *core.ConfigMap) { cm.Annotations["example.com/no"] = "" }, "labels team fields when conditions"},
		{"another name", func(cm *core.ConfigMap) { cm.Name = "other" }, "labels annotations team when conditions"},
		{"another field", func(cm *core.ConfigMap) { cm.Immutable = &immutable }, "labels annotations team when conditions"},
		{"no data", func(cm *core.ConfigMap) { cm.Data = nil }, "labels annotations team fields"},
	} {
		cm := everything()
		one.edit(cm)
		if one.what == "no data" { // the first to be called adds some, and then `when` holds
			one.want = "labels annotations team fields when"
		}
		if got := called(try(env, cm)); got != one.want {
			t.Errorf("%s: called %q, not %q", one.what, got, one.want)
		}
	}
	cm, err := create(env, everything())
	if got := called(cm, err); got != all {
		t.Fatalf("at CREATE: %s", got)
	}
	cm.Data = map[string]string{"cel": "x"}
	cm, err = env.Kube.CoreV1().ConfigMaps(env.NS).Update(harness.Background(), cm, meta.UpdateOptions{})
	if got := called(cm, err); got != "labels annotations team fields conditions" {
		t.Fatalf("at UPDATE: %s", got)
	}
}

const looking = `
local moonlet = require "moonlet"
return moonlet.webhook {
  name = "looking", resource = { "v1/ConfigMap", labels = "look", namespaces = { "$NS" } },
  reads = { { "v1/ConfigMap", namespaces = { "$NS" } } },
  validate = function(map, _, ctx)
    local policy = ctx:get("v1/ConfigMap", "policy", map.metadata.namespace)
    if not policy then error "there is no policy" end
    if policy.data.allowed ~= map.data.value then
      return moonlet.deny("only " .. policy.data.allowed)
    end
    local same = ctx:list("v1/ConfigMap", { labels = "look", when = function(one)
      return one.data.value == map.data.value and one.metadata.name ~= map.metadata.name
    end })
    if #same > 0 then return moonlet.deny("taken by " .. same[1].metadata.name) end
  end,
}
`

func TestAWebhookReadsWhatChanges(t *testing.T) {
	env := harness.New(t)
	env.ConfigMap("policy", map[string]string{"allowed": "a"})
	serve(env, harness.Files{"looking.lua": looking})
	with := func(name, value string) *core.ConfigMap {
		cm := labelled(name, "look", "yes")
		cm.Data = map[string]string{"value": value}
		return cm
	}
	for _, allowed := range []string{"a", "b", "c"} {
		env.ConfigMap("policy", map[string]string{"allowed": allowed})
		eventuallyRefused(env, with("one", "other"), "only "+allowed)
		if _, err := create(env, with("one-"+allowed, allowed)); err != nil {
			t.Fatal(err)
		}
		eventuallyRefused(env, with("two-"+allowed, allowed), "taken by one-"+allowed)
	}
	env.Delete("v1", "ConfigMap", "policy")
	eventuallyRefused(env, with("one", "c"), "looking.lua:8: there is no policy")
}
