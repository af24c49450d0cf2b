package e2e

import (
	"strings"
	"testing"

	"moonlet.dev/e2e/harness"
)

// Every keyword of moonlet.schema, in a CRD that the API server takes and enforces.
func TestSchemaOfEveryKeywordIsTakenByTheServer(t *testing.T) {
	env := harness.New(t)
	env.Run(harness.Files{"keywords.lua": `
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local named = s.object { name = s.string { required = true }, port = s.integer { default = 1 } }
local Keyword = moonlet.resource {
  group = "e2e.moonlet.dev", version = "v1", kind = "Keyword",
  spec = s.object {
    text = s.string { default = "äöü", nullable = true, description = "d", title = "t", example = "e",
      pattern = "^.*$", min_length = 1, max_length = 3 },
    mode = s.enum { "A", "B" } { default = "A" },
    share = s.enum { 1, 2.5 },
    size = s.integer { minimum = 1, maximum = 9, exclusive_minimum = true, exclusive_maximum = true, multiple_of = 2,
      all_of = { s.integer { maximum = 6 } }, not_ = s.integer { enum = { 4 } } },
    list = s.array(s.string()) { min_items = 0, max_items = 5, list_type = "set" },
    ports = s.array(named) { list_type = "map", list_map_keys = { "name", "port" } },
    pair = s.array(named { map_type = "atomic" }) { list_type = "atomic" },
    map = s.map(s.quantity { default = "1Gi" }) { min_properties = 0, max_properties = 3 },
    inner = s.object {} { embedded_resource = true, preserve_unknown = true },
    any = s.any { any_of = { s.any { min_properties = 1 }, s.any { min_items = 1 } } },
    port = s.int_or_string { default = "http" }, wait = s.duration { default = "1m" }, at = s.date_time(),
    file = s.string(), url = s.string { format = "uri" }, items = s.array(named),
  } {
    one_of = {
      s.object { file = s.string { required = true } },
      s.object { url = s.any { required = true }, items = s.array(s.object { name = s.string { min_length = 2 } }) },
    },
    rules = { { rule = "!has(self.size) || self.size < 9", message = "too large", reason = "FieldValueForbidden",
      field_path = ".size" } },
  },
  status = s.any(),
}

return moonlet.controller { name = "keywords", resource = Keyword, reconcile = function() end }
`})
	keyword := "apiVersion: e2e.moonlet.dev/v1\nkind: Keyword\nmetadata: {name: one}\nspec: "
	env.Apply(keyword + "{file: x, size: 6, ports: [{name: a}]}\n")
	object, err := env.Object("e2e.moonlet.dev/v1", "Keyword", "one")
	if err != nil {
		t.Fatal(err)
	}
	spec := object.Object["spec"].(map[string]any)
	if spec["text"] != "äöü" || spec["port"] != "http" || spec["mode"] != "A" {
		t.Errorf("defaults: %v", spec)
	}
	for refused, why := range map[string]string{
		"{file: x, size: 4}": "not", "{file: x, size: 8}": "size", "{file: x, url: \"http://y\"}": "one", "{file: x, text: abcd}": "long",
	} {
		if err := env.TryApply(keyword + refused + "\n"); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", refused, err)
		}
	}
}
