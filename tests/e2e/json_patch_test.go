package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"moonlet.dev/e2e/harness"
)

// The annotation says what spec shall be: in place, key by key, or as another object.
const wishing = `
local json = require "moonlet.json"
local moonlet = require "moonlet"

-- Makes ` + "`have`" + ` equal to ` + "`want`" + ` as a handler would: by editing what is there.
local function edit(have, want)
  for key in pairs(moonlet.copy(have)) do
    if want[key] == nil then have[key] = nil end
  end
  for key, value in pairs(want) do
    local both = type(value) == "table" and type(have[key]) == "table" and value ~= moonlet.null
      and have[key] ~= moonlet.null and #value == 0 and #have[key] == 0 and next(value) and next(have[key])
    if both then edit(have[key], value) else have[key] = value end
  end
end

return moonlet.webhook {
  name = "wishing", resource = { "e2e.moonlet.dev/v1/Widget", labels = "wish", namespaces = { "$NS" } },
  mutate = function(widget)
    local want = json.decode(widget.metadata.annotations.want)
    if widget.metadata.labels.wish == "edit" then return edit(widget.spec, want) end
    widget.spec = want
    return moonlet.copy(widget)
  end,
}
`

var keys = []string{"a", "b", "c", "a/b", "a~b", "~1", "~0", "", "ü", "\"", "\\", "0", "-", " ", "日本", "\u2028", "\n"}

func anything(r *rand.Rand, depth int) any {
	switch n := r.Intn(12); {
	case n < 4 && depth > 0:
		return someMap(r, depth-1)
	case n < 8 && depth > 0:
		list := []any{}
		for range r.Intn(6) {
			list = append(list, anything(r, depth-1))
		}
		return list
	case n == 8:
		return nil
	case n == 9:
		return r.Intn(2) == 0
	case n == 10:
		return []any{int64(0), int64(-1), int64(1) << 53, int64(9223372036854775807), 0.5, 1e-7, 1e300}[r.Intn(7)]
	default:
		return keys[r.Intn(len(keys))]
	}
}

func someMap(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range r.Intn(5) {
		out[keys[r.Intn(len(keys))]] = anything(r, depth)
	}
	return out
}

// edited is a copy with some things changed, so that patches have to be fine.
func edited(r *rand.Rand, value any, depth int) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, one := range v {
			if r.Intn(5) > 0 {
				out[key] = edited(r, one, depth-1)
			}
		}
		if r.Intn(2) == 0 {
			out[keys[r.Intn(len(keys))]] = anything(r, depth-1)
		}
		return out
	case []any:
		out := []any{}
		for _, one := range v {
			if r.Intn(4) == 0 {
				out = append(out, anything(r, depth-1))
			}
			if r.Intn(5) > 0 {
				out = append(out, edited(r, one, depth-1))
			}
		}
		r.Shuffle(r.Intn(2)*len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	if r.Intn(3) == 0 {
		return anything(r, depth)
	}
	return value
}

func normal(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, text)
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAThousandEditsAreStoredAsMeant(t *testing.T) {
	env := harness.New(t)
	env.Apply(widgetCRD)
	m := serve(env, harness.Files{"wishing.lua": wishing})
	m.EventuallyLogs("webhooks registered: moonlet-wishing")
	seed := int64(20261121)
	r := rand.New(rand.NewSource(seed))
	widgets := env.Dynamic.Resource(harness.Resource("e2e.moonlet.dev/v1", "Widget")).Namespace(env.NS)
	send := func(how string, from, to any) (any, error) {
		want, _ := json.Marshal(to)
		one := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "e2e.moonlet.dev/v1", "kind": "Widget",
			"metadata": map[string]any{"name": "one", "labels": map[string]any{"wish": how},
				"annotations": map[string]any{"want": string(want)}}, "spec": from}}
		got, err := widgets.Create(harness.Background(), one, dryRun)
		if err != nil {
			return nil, err
		}
		return got.Object["spec"], nil
	}
	harness.Eventually(t, "the webhook is called", func() error {
		got, err := send("edit", map[string]any{"a": int64(1)}, map[string]any{"b": int64(2)})
		if err == nil && !reflect.DeepEqual(got, map[string]any{"b": int64(2)}) {
			err = fmt.Errorf("%v", got)
		}
		return err
	})
	for i := range 1000 {
		from := someMap(r, 4)
		to, how := edited(r, from, 4), []string{"edit", "replace"}[i%2]
		got, err := send(how, from, to)
		if err != nil || !reflect.DeepEqual(normal(t, got), normal(t, to)) {
			before, _ := json.Marshal(from)
			wanted, _ := json.Marshal(to)
			have, _ := json.Marshal(got)
			t.Fatalf("seed %d, %s %d: %v\nfrom   %s\nwanted %s\ngot    %s", seed, how, i, err, before, wanted, have)
		}
	}
	if n := m.Metric("controller_runtime_webhook_requests_total", `code="500"`); n > 0 {
		t.Fatalf("%v failed", n)
	}
}
