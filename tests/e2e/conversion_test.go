package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"moonlet.dev/e2e/harness"
)

// routes is a resource of three versions in a chain, stored in one of them.
func routes(storage string) string { return fmt.Sprintf(routing, storage) + "return Route\n" }

// watchedRoutes has also a controller of the newest, which says in a ConfigMap what it has seen.
func watchedRoutes(storage string) string { return fmt.Sprintf(routing, storage) + seeing }

const routing = `
local moonlet = require "moonlet"
local s = require "moonlet.schema"
local strings = require "moonlet.strings"
local storage = %q
local function version(name, fields) return { storage = name == storage, spec = s.object(fields) } end
local Route = moonlet.resource {
  group = "conversion.e2e.moonlet.dev", kind = "Route",
  versions = {
    v1 = version("v1", { text = s.string() }),
    v2 = version("v2", { words = s.array(s.string()) }),
    v3 = version("v3", { words = s.array(s.string()), count = s.integer() }),
  },
  convert = {
    ["v1->v2"] = function(route)
      local text = route.spec.text
      route.spec = { words = text and strings.split(text, " ") or nil }
    end,
    ["v2->v1"] = function(route)
      route.spec = { text = route.spec.words and table.concat(route.spec.words, " ") or nil }
    end,
    ["v2->v3"] = function(route)
      local words = route.spec.words or {}
      if words[1] == "bad" then error("bad words", 0) end
      if words[1] == "rename" then route.metadata.name = "other" end
      if words[1] == "label" then
        route.metadata.labels = route.metadata.labels or {}
        route.metadata.labels.converted = "yes"
      end
      if words[1] == "loop" then while true do end end
      route.spec.count = #words
    end,
    ["v3->v2"] = function(route) route.spec.count = nil end,
  },
}
`

const seeing = `
return { Route, moonlet.controller {
  name = "routes", resource = "conversion.e2e.moonlet.dev/v3/Route", writes = { "v1/ConfigMap" },
  reconcile = function(route, ctx)
    ctx:apply({ apiVersion = "v1", kind = "ConfigMap", metadata = { name = "seen-" .. route.metadata.name },
      data = { count = tostring(route.spec.count) } }, { create = true })
  end,
} }
`

const routeGroup = "conversion.e2e.moonlet.dev/"

func route(name, text string) string {
	return fmt.Sprintf("apiVersion: %sv1\nkind: Route\nmetadata: {name: %s}\nspec: {text: %q}\n", routeGroup, name, text)
}

// converting runs the resource; the CRD goes while the host can still convert what is in it.
func converting(env *harness.Env, source string) *harness.Moonlet {
	m := serve(env, harness.Files{"routes.lua": source})
	env.T.Cleanup(func() { removeCRD(env, "routes.conversion.e2e.moonlet.dev") })
	return m
}

func removeCRD(env *harness.Env, name string) {
	crds := env.CRDs.ApiextensionsV1().CustomResourceDefinitions()
	_ = crds.Delete(harness.Background(), name, meta.DeleteOptions{})
	harness.Eventually(env.T, "the CRD is gone", func() error {
		if _, err := crds.Get(harness.Background(), name, meta.GetOptions{}); !errors.IsNotFound(err) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
}

func words(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	list, _, err := unstructured.NestedStringSlice(object.Object, "spec", "words")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestAConversionThatFailsNamesTheObject(t *testing.T) {
	env := harness.New(t)
	converting(env, routes("v1"))
	env.Apply(route("fine", "a b"))
	for _, one := range []struct{ text, why string }{
		{"bad", "Route $NS/faulty: convert v2->v3: bad words"},
		{"rename", "Route $NS/faulty: convert v2->v3: changed metadata; only labels and annotations may change"},
		{"loop", "Route $NS/faulty: routes.lua:30: ran for 1 s without waiting"},
	} {
		env.Apply(route("faulty", one.text))
		_, err := env.Object(routeGroup+"v3", "Route", "faulty")
		if err == nil || !strings.Contains(err.Error(), here(env, one.why)) {
			t.Errorf("%s: %v", one.text, err)
		} else if strings.Count(err.Error(), "faulty") > 1 {
			t.Errorf("%s: said twice: %v", one.text, err)
		}
		list, err := env.Dynamic.Resource(harness.Resource(routeGroup+"v3", "Route")).Namespace(env.NS).
			List(harness.Background(), meta.ListOptions{})
		if err == nil || !strings.Contains(err.Error(), "faulty") {
			t.Errorf("%s: listed %v, %v", one.text, list, err)
		}
		if fine := get(t, env, routeGroup+"v3", "Route", "fine"); words(t, fine) != "a b" {
			t.Errorf("%s: %v", one.text, fine.Object)
		}
	}
	env.Apply(route("faulty", "label me"))
	if one := get(t, env, routeGroup+"v3", "Route", "faulty"); one.GetLabels()["converted"] != "yes" {
		t.Errorf("a label is lost: %v", one.Object)
	}
}

func TestEachVersionIsReadWhateverIsStoredAndAcrossRestarts(t *testing.T) {
	env := harness.New(t)
	m := converting(env, watchedRoutes("v1"))
	for i := range 30 {
		env.Apply(route(fmt.Sprint("r", i), strings.TrimSpace(strings.Repeat("w ", i+1))))
	}
	check := func(when string) {
		t.Helper()
		for version, field := range map[string]string{"v1": "text", "v2": "words", "v3": "count"} {
			list, err := env.Dynamic.Resource(harness.Resource(routeGroup+version, "Route")).Namespace(env.NS).
				List(harness.Background(), meta.ListOptions{})
			if err != nil {
				t.Fatalf("%s: %s: %v", when, version, err)
			}
			if len(list.Items) != 30 {
				t.Fatalf("%s: %d in %s", when, len(list.Items), version)
			}
			for _, one := range list.Items {
				if _, there, _ := unstructured.NestedFieldNoCopy(one.Object, "spec", field); !there || one.GetAPIVersion() != routeGroup+version {
					t.Fatalf("%s: %v", when, one.Object)
				}
			}
		}
	}
	check("stored as v1")
	env.EventuallyData("seen-r29", "count", "30")
	m.Write("routes.lua", here(env, watchedRoutes("v2")))
	harness.Eventually(t, "v2 is stored", func() error {
		crd, err := env.CRDs.ApiextensionsV1().CustomResourceDefinitions().
			Get(harness.Background(), "routes.conversion.e2e.moonlet.dev", meta.GetOptions{})
		if err == nil && !slices.Equal(crd.Status.StoredVersions, []string{"v1", "v2"}) {
			err = fmt.Errorf("%v", crd.Status.StoredVersions)
		}
		return err
	})
	for i := range 15 { // half of them are stored anew
		env.Apply(route(fmt.Sprint("r", i), strings.TrimSpace(strings.Repeat("x ", i+2))))
	}
	check("half stored as v2")
	env.EventuallyData("seen-r14", "count", "16")
	m.Kill()
	if _, err := env.Object(routeGroup+"v3", "Route", "r0"); err == nil {
		t.Fatal("converted by nobody")
	}
	env.Delete("v1", "ConfigMap", "seen-r29")
	m.Launch()
	m.WaitReady() // its own informer needs the conversion before the file is live
	check("after kill -9")
	env.EventuallyData("seen-r29", "count", "30")
	if n := m.Metric("controller_runtime_webhook_requests_total", `code="503"`); n > 0 {
		t.Fatalf("%v requests found nobody", n)
	}
}

const gauges = `
local moonlet = require "moonlet"
local s = require "moonlet.schema"
local Gauge = moonlet.resource {
  group = "conversion.e2e.moonlet.dev", version = "v1", kind = "Gauge",
  spec = s.object {
    min = s.integer { default = 1 }, max = s.integer { default = 10 }, unit = s.string { max_length = 10 },
    fixed = s.string { rules = { { rule = "self == oldSelf", message = "fixed is fixed" } } },
  } { rules = { { rule = "self.min <= self.max", message = "min is above max" } } },
}
return { Gauge, moonlet.webhook {
  name = "gauges", resource = { Gauge, namespaces = { "$NS" } },
  mutate = function(gauge) gauge.spec.unit = gauge.spec.unit or "mm/" .. gauge.spec.max end,
  validate = function(gauge)
    if gauge.spec.unit == "furlong" then return moonlet.deny("no such unit", { code = 422 }) end
  end,
} }
`

func TestAResourceIsDefaultedAndJudgedBySchemaRulesAndScript(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"gauges.lua": gauges})
	t.Cleanup(func() { removeCRD(env, "gauges.conversion.e2e.moonlet.dev") })
	m.EventuallyLogs("mutating webhooks registered: moonlet-gauges")
	m.EventuallyLogs("validating webhooks registered: moonlet-gauges")
	gauge := func(name, spec string) error {
		return env.TryApply(fmt.Sprintf("apiVersion: %sv1\nkind: Gauge\nmetadata: {name: %s}\nspec: {%s}\n", routeGroup, name, spec))
	}
	refused := func(name, spec, why string) {
		t.Helper()
		harness.Eventually(t, spec+" is refused", func() error {
			if err := gauge(name, spec); err == nil || !strings.Contains(err.Error(), why) {
				return fmt.Errorf("%v", err)
			}
			return nil
		})
	}
	refused("bad", "unit: furlong", "no such unit")
	refused("bad", "min: 5, max: 4", "min is above max")
	refused("bad", "min: 20", "min is above max")
	refused("bad", "min: x", "expected numeric")
	refused("bad", "max: 1000000000", "Too long") // what the script made is judged by the schema
	if err := gauge("good", "min: 3, fixed: a"); err != nil {
		t.Fatal(err)
	}
	one := get(t, env, routeGroup+"v1", "Gauge", "good")
	if got := fmt.Sprint(one.Object["spec"]); got != "map[fixed:a max:10 min:3 unit:mm/10]" {
		t.Fatalf("stored: %s", got)
	}
	refused("good", "min: 3, fixed: b", "fixed is fixed")
}
