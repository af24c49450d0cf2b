-- moonlet.resource and moonlet.schema: what is refused, and the CRD that comes out.
local t = require "moonlet.test"
local check = require "moonlet.check"
local moonlet = require "moonlet"
local resource = require "moonlet.resource"
local s = require "moonlet.schema"

local function make(fields)
  fields.group, fields.version = fields.group or "app.example.com", fields.version or "v1"
  fields.kind = fields.kind or "App"
  return moonlet.resource(fields)
end

t.case("a resource that cannot be is refused with what to write", function()
  for _, try in ipairs {
    { { specs = s.any() }, 'unknown field "specs", did you mean "spec"?' },
    { { group = "example" }, 'group "example" is not a domain' },
    { { version = "1" }, 'version "1" is not one such as "v1"' },
    { { kind = "app" }, "a kind is written in CapWords" },
    { { scope = "Global" }, 'scope is "Namespaced" or "Cluster"' },
    { { spec = {} }, "spec is made with moonlet.schema: spec = s.object { … }" },
    { { columns = { Size = "spec.size" } }, 'column Size: written Name = ".spec.field"' },
    { { columns = { Size = { path = ".spec.size", kind = "x" } } }, 'unknown field "kind"' },
    { { scale = { spec = ".spec.size" } }, "scale: status is missing" },
    { { scale = { spec = "size", status = ".status.size" } }, 'scale.spec: a path such as ".spec.size"' },
    { { scale = { spec = ".spec.size", status = ".spec.size" } }, 'scale.status: a path such as ".status.size"' },
    { { columns = { Size = { path = ".spec.size", type = "int" } } }, "column Size: type is one of" },
    { { columns = { Size = { path = ".spec.size", priority = 0.5 } } }, "column Size: priority is a whole number" },
    { { short_names = { "A b" } }, 'short_names[1]: "A b" is not a name in lower case' },
    { { categories = { 5 } }, "categories[1]: 5 is not a name in lower case" },
    { { plural = "Apps" }, 'plural: "Apps" is not a name in lower case' },
    { { selectable_fields = { "spec.size" } },
      'selectable_fields[1]: "spec.size" is not a path such as ".spec.color"' },
    { { selectable_fields = { ".spec.size" } }, "selectable_fields[1]: .spec.size is not in the schema" },
    { { selectable_fields = { ".spec.list" }, spec = s.object { list = s.array(s.any()) } },
      "selectable_fields[1]: .spec.list is not a text, a whole number or a boolean" },
    { { group = "a..b" }, 'group "a..b" is not a domain' },
  } do
    local problem = t.raises(function() make(try[1]) end, try[2])
    t.match(tostring(problem), "^resource_test.lua:%d+: moonlet.resource")
  end
  t.raises(function() moonlet.resource { group = "a.b", version = "v1" } end, "kind is missing")
  t.raises(function() moonlet.resource "App" end, "moonlet.resource takes a table of fields")
end)

t.case("a schema that cannot be is refused at its line", function()
  for _, try in ipairs {
    { function() return s.integer { minimun = 1 } end, 'unknown field "minimun", did you mean "minimum"?' },
    { function() return s.integer { default = "x" } end, "s.integer: its default is not an integer" },
    { function() return s.string { max_length = 2, default = "abc" } end, "longer than its max_length 2" },
    { function() return s.string "x" end, "s.string takes a table of keywords" },
    { function() return s.object { a = s.string } end, "field a is a constructor; call it: s.string()" },
    { function() return s.object { a = 5 } end, "field a is 5, not a schema" },
    { function() return s.object(5) end, "s.object takes a table of fields" },
    { function() return s.array "x" end, "s.array takes the schema of its values" },
    { function() return s.map() end, "s.map takes the schema of its values" },
    { function() return s.enum {} end, "s.enum takes a list of values" },
    { function() return s.enum { "A", 1 } end, "values of different types" },
    { function() return s.enum { "A" } { default = "B" } end, "its default is none of A" },
    { function() return s.any { rules = { { rul = "x" } } } end, 'did you mean "rule"?' },
  } do
    local problem = t.raises(try[1], try[2])
    t.match(tostring(problem), "^resource_test.lua:%d+: ")
  end
end)

t.case("the CRD is the one expected", function()
  local App = make {
    kind = "AppService", short_names = { "as" }, categories = { "all" },
    spec = s.object {
      size = s.integer { minimum = 0, default = 1, description = "Pods to run" },
      image = s.string { required = true, pattern = "^.+$" },
      ports = s.array(s.any()) { min_items = 1, required = true },
      mode = s.enum { "A", "B" } { default = "A", nullable = true },
      env = s.map(s.string()), at = s.date_time(), cpu = s.int_or_string(),
    } { rules = { { rule = "self.size > 0", message = "no pods" } } },
    status = s.any(),
    columns = { Size = ".spec.size", Since = { path = ".spec.at", priority = 1 } },
    scale = { spec = ".spec.size", status = ".status.replicas" },
    selectable_fields = { ".spec.image" },
  }
  t.equal(tostring(App), "app.example.com/v1/AppService")
  t.equal(App.crd, {
    apiVersion = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition",
    metadata = { name = "appservices.app.example.com" },
    spec = {
      group = "app.example.com", scope = "Namespaced",
      names = { kind = "AppService", plural = "appservices", singular = "appservice", listKind = "AppServiceList",
        shortNames = { "as" }, categories = { "all" } },
      versions = { {
        name = "v1", served = true, storage = true,
        schema = { openAPIV3Schema = { type = "object", required = { "spec" }, properties = {
          apiVersion = { type = "string" }, kind = { type = "string" }, metadata = { type = "object" },
          status = { ["x-kubernetes-preserve-unknown-fields"] = true },
          spec = {
            type = "object", required = { "image", "ports" },
            ["x-kubernetes-validations"] = { { rule = "self.size > 0", message = "no pods" } },
            properties = {
              size = { type = "integer", minimum = 0, default = 1, description = "Pods to run" },
              image = { type = "string", pattern = "^.+$" },
              ports = { type = "array", minItems = 1, items = { ["x-kubernetes-preserve-unknown-fields"] = true } },
              mode = { type = "string", enum = { "A", "B" }, default = "A", nullable = true },
              env = { type = "object", additionalProperties = { type = "string" } },
              at = { type = "string", format = "date-time" },
              cpu = { ["x-kubernetes-int-or-string"] = true },
            },
          },
        } } },
        subresources = { status = {},
          scale = { specReplicasPath = ".spec.size", statusReplicasPath = ".status.replicas" } },
        additionalPrinterColumns = {
          { name = "Since", jsonPath = ".spec.at", type = "date", priority = 1 },
          { name = "Size", jsonPath = ".spec.size", type = "integer" },
          { name = "Age", jsonPath = ".metadata.creationTimestamp", type = "date" },
        },
        selectableFields = { { jsonPath = ".spec.image" } },
      } },
    },
  })
end)

t.case("plurals follow English as Kubebuilder's do", function()
  for kind, plural in pairs { Pod = "pods", Policy = "policies", Box = "boxes", Day = "days", Class = "classes",
    Branch = "branches", Bush = "bushes" } do
    t.equal(resource.plural(kind), plural)
  end
  t.equal(make { kind = "AstaXie", plural = "astaxies" }.crd.metadata.name, "astaxies.app.example.com")
end)

t.case("values are validated and given defaults", function()
  local schema = s.object { n = s.integer { minimum = 1, default = 2 }, q = s.quantity(), d = s.duration(),
    l = s.array(s.string()), m = s.map(s.boolean()), o = s.object { x = s.number { default = 1 } } }
  for _, try in ipairs {
    { { n = 0 }, "n is below its minimum 1" }, { { n = 1.5 }, "n is not an integer" },
    { { q = "x" }, "q is not a quantity" }, { { d = "soon" }, "d is not a duration" },
    { { l = { "a", 1 } }, "l[2] is not a string" }, { { m = { a = 1 } }, "m[a] is not a boolean" },
    { 5, "is not an object" },
  } do
    local ok, why = s.validate(schema, try[1])
    t.equal(ok, false)
    t.equal(why, try[2])
  end
  t.equal((s.validate(schema, { n = 1, q = "1Gi", d = "1h", l = { "a" }, m = { a = true } })), true)
  t.equal(s.with_defaults(schema, { o = {} }), { n = 2, o = { x = 1 } })
end)

t.case("the nearest name is near", function()
  t.equal(check.nearest("reconcil", { reconcile = 1, resource = 1 }), "reconcile")
  t.equal(check.nearest("xyz", { reconcile = 1 }), nil)
end)
