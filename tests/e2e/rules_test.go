package e2e

import (
	"fmt"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"moonlet.dev/e2e/harness"
)

func controller(name, fields string) string {
	return fmt.Sprintf(`
local moonlet = require "moonlet"
return moonlet.controller {
  name = %q, retry = { base = "100ms", max = "200ms" },
  %s
}`, name, fields)
}

func patch(t *testing.T, env *harness.Env, name, text string) {
	t.Helper()
	_, err := env.Kube.CoreV1().ConfigMaps(env.NS).Patch(harness.Background(), name, types.MergePatchType, []byte(text),
		meta.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func finalizers(env *harness.Env, name string, want int) func() error {
	return func() error {
		object, err := env.Kube.CoreV1().ConfigMaps(env.NS).Get(harness.Background(), name, meta.GetOptions{})
		if err != nil || len(object.Finalizers) != want {
			return fmt.Errorf("finalizers %v, %v", object.Finalizers, err)
		}
		return nil
	}
}

// R7
func TestObjectThatLeavesTheMatchIsLetGo(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"keeper.lua": controller("keeper", `
  resource = { "v1/ConfigMap", labels = "copy=yes" },
  reconcile = function() end,
  finalize = function(_, ctx) ctx.log:info("FINALIZED") end,
  gone = function(key, ctx) ctx.log:info("GONE " .. tostring(key) .. " " .. ctx.reason) end,`)})
	env.Apply(source("one", "a"))
	harness.Eventually(t, "the finalizer is on", finalizers(env, "one", 1))
	patch(t, env, "one", `{"metadata":{"labels":{"copy":"no"}}}`)
	m.EventuallyLogs("GONE " + env.NS + "/one unmatched")
	harness.Eventually(t, "the finalizer is off", finalizers(env, "one", 0))
	patch(t, env, "one", `{"metadata":{"labels":{"copy":"yes"}}}`)
	harness.Eventually(t, "the finalizer is on again", finalizers(env, "one", 1))
	env.Delete("v1", "ConfigMap", "one")
	m.EventuallyLogs("FINALIZED")
	env.EventuallyGone("v1", "ConfigMap", "one")
}

// R14, R15
func TestOldCallIsCancelledAfterTheGraceAndItsKeyRunsAgain(t *testing.T) {
	env := harness.New(t)
	slow := func(body string) string {
		return controller("slow", `
  resource = { "v1/ConfigMap", labels = "copy=yes" }, timeout = "10m",
  reconcile = function(_, ctx) `+body+` end,`)
	}
	m := env.Run(harness.Files{"slow.lua": slow(`
    ctx.log:info("SLEEPS")
    local ok, why = pcall(ctx.sleep, ctx, "5m")
    ctx.log:info("WOKEN " .. tostring(ok) .. " " .. why.code)
    ctx:sleep("5m")
    ctx.log:info("NEVER")`)}, "--reload-grace", "500ms")
	env.Apply(source("one", "a"))
	m.EventuallyLogs("SLEEPS")
	m.Write("slow.lua", slow(`ctx.log:info("SECOND attempt " .. ctx.attempt)`))
	m.EventuallyLogs("WOKEN false cancelled")
	m.EventuallyLogs("SECOND attempt 1") // without a counted try
	if code := m.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// R1: a field that is left out of the intent is removed. R2, R3: what an apply may not do is told.
func TestAppliesKeepTheirRules(t *testing.T) {
	env := harness.New(t)
	apply := func(data, more string) string {
		return controller("applier", `
  resource = { "v1/ConfigMap", labels = "copy=yes" }, owns = { "v1/Secret" },
  reconcile = function(map, ctx)
    ctx:apply { apiVersion = "v1", kind = "Secret", metadata = { name = map.metadata.name }, stringData = { `+data+` } }
    `+more+`
  end,`)
	}
	m := env.Run(harness.Files{"applier.lua": apply(`a = "1", b = "2"`, "")})
	env.Apply(source("one", "a"))
	keys := func(want int) func() error {
		return func() error {
			secret, err := env.Kube.CoreV1().Secrets(env.NS).Get(harness.Background(), "one", meta.GetOptions{})
			if err != nil || len(secret.Data) != want {
				return fmt.Errorf("data %v, %v", secret.Data, err)
			}
			return nil
		}
	}
	harness.Eventually(t, "the Secret has two keys", keys(2))
	m.Write("applier.lua", apply(`a = "1", b = "2"`, `
    ctx:apply { apiVersion = "v1", kind = "Secret", metadata = { name = map.metadata.name }, stringData = { c = "3" } }`))
	m.EventuallyLogs("a second, different intent")
	m.Write("applier.lua", apply(`a = "1"`, `ctx:apply({ apiVersion = "v1", kind = "Secret",
      metadata = { name = "other", namespace = "default" } })`))
	m.EventuallyLogs("cannot be owned from namespace")
	m.Write("applier.lua", apply(`a = "1"`, `ctx:apply { apiVersion = "v1", kind = "Pod", metadata = { name = "x" } }`))
	m.EventuallyLogs("writes = { \\\"v1/Pod\\\" }")
	m.Write("applier.lua", apply(`a = "1"`, `ctx:apply(map)`))
	m.EventuallyLogs("apply what you own, or use ctx:update")
	m.Write("applier.lua", apply(`a = "1"`, ""))
	harness.Eventually(t, "the field left out is gone from what we say", func() error {
		secret, err := env.Kube.CoreV1().Secrets(env.NS).Get(harness.Background(), "one", meta.GetOptions{})
		if err != nil {
			return err
		}
		for _, entry := range secret.ManagedFields {
			if entry.Manager == "moonlet/applier" && entry.FieldsV1 != nil {
				if text := string(entry.FieldsV1.Raw); strings.Contains(text, "f:b\"") {
					return fmt.Errorf("%s", text)
				}
			}
		}
		return nil
	})
}

// R26, R10: what is not allowed is printed as the rule to add, and the others run.
func TestMissingPermissionsArePrintedAndTheOthersRun(t *testing.T) {
	env := harness.New(t)
	env.Restrict(
		rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}},
		rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"*"}},
	)
	m := env.Start(harness.Connection{}, harness.Files{"copier.lua": copier("1"), "nosy.lua": controller("nosy", `
  resource = { "v1/Secret" }, reconcile = function() end,`)})
	m.EventuallyLogs(`resources: [\"secrets\"]`)
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "value", "a")
}

// R16
func TestNameTakenByAnotherFileFailsTheLaterOne(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"copier.lua": copier("1")})
	m.Write("twin.lua", copier("2"))
	m.EventuallyLogs(`the name \"copier\" is taken by copier.lua`)
	env.Apply(source("one", "a"))
	env.EventuallyData("one-copy", "version", "1")
}
