-- moonlet.schema: each keyword is checked where it is written, and values as the API server would.
local t = require "moonlet.test"
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local function refused(f, pattern)
  local problem = tostring(t.raises(f, pattern))
  t.match(problem, "^schema_test.lua:%d+: s%.")
end

t.case("a keyword of the wrong type is refused with what to write", function()
  for _, try in ipairs {
    { function() return s.integer { minimum = "3" } end,
      's.integer: minimum is a number, as in minimum = 3, not "3"' },
    { function() return s.integer { default = 5, maximum = true } end, "maximum is a number" },
    { function() return s.integer { exclusive_minimum = 3 } end,
      "exclusive_minimum is true or false, as in exclusive_minimum = true, not 3" },
    { function() return s.number { multiple_of = 0 } end, "multiple_of is a number above 0" },
    { function() return s.string { max_length = 1.5 } end, "max_length is a whole number from 0" },
    { function() return s.string { min_length = -1 } end, "min_length is a whole number from 0" },
    { function() return s.string { pattern = 5 } end, "pattern is a text" },
    { function() return s.string { required = "yes" } end, 'required is true or false' },
    { function() return s.string { description = {} } end, "description is a text" },
    { function() return s.string { enum = {} } end, "enum is a list of values" },
    { function() return s.string { enum = { 1 } } end, "enum[1] is not a string" },
    { function() return s.object {} { preserve_unknown = false } end, "preserve_unknown is true or left out" },
    { function() return s.object {} { map_type = "list" } end, 'map_type is "granular" or "atomic"' },
    { function() return s.array(s.any()) { min_items = "1" } end, "s.array: min_items is a whole number from 0" },
    { function() return s.any { rules = { { rule = "" } } } end, "rules[1].rule is an expression" },
    { function() return s.any { rules = { { rule = "true", reason = "Bad" } } } end, "rules[1].reason is one of" },
    { function() return s.any { rules = { "true" } } end, "rules[1]" },
    { function() return s.any { not_ = { s.any() } } end, "not_ is a schema" },
    { function() return s.any { any_of = { 5 } } end, "any_of[1] is 5, not a schema" },
    { function() return s.enum { {} } end, "text, numbers or booleans" },
  } do
    refused(try[1], try[2])
  end
end)

t.case("a keyword of another type of value is refused", function()
  refused(function() return s.string { minimum = 1 } end, "s.string: minimum is for numbers")
  refused(function() return s.integer { max_length = 1 } end, "s.integer: max_length is for text")
  refused(function() return s.object {} { min_items = 1 } end, "s.object: min_items is for arrays")
  refused(function() return s.map(s.any()) { list_type = "set" } end, "s.map: list_type is for arrays")
  refused(function() return s.any { embedded_resource = true } end, "s.any: embedded_resource is for objects")
  t.ok(s.int_or_string { minimum = 1, max_length = 5 })
  t.ok(s.any { min_items = 1 })
end)

t.case("what stands in any_of, one_of, all_of and not_ may only narrow what is said outside", function()
  local two = { a = s.string(), b = s.integer() }
  for _, try in ipairs {
    { function() return s.string { any_of = { s.string { default = "x" } } } end,
      "s.string: any_of[1] may not have default; write it outside" },
    { function() return s.string { one_of = { s.string { nullable = true } } } end, "one_of[1] may not have nullable" },
    { function() return s.string { all_of = { s.string { description = "x" } } } end, "may not have description" },
    { function() return s.string { not_ = s.string { title = "x" } } end, "not_ may not have title" },
    { function() return s.any { any_of = { s.any { preserve_unknown = true } } } end, "may not have preserve_unknown" },
    { function() return s.any { any_of = { s.any { rules = { { rule = "true" } } } } } end, "may not have rules" },
    { function() return s.string { any_of = { s.integer() } } end,
      "any_of[1] is an s.integer; outside it is an s.string" },
    { function() return s.object(two) { one_of = { s.object { c = s.any() } } } end,
      "one_of[1].c is not declared outside" },
    { function() return s.object(two) { one_of = { s.object { a = s.string { default = "x" } } } } end,
      "one_of[1].a may not have default" },
    { function() return s.map(s.string()) { any_of = { s.map(s.string()) } } end, "any_of[1] is an s.map" },
  } do
    refused(try[1], try[2])
  end
  local either = s.object(two) { one_of = {
    s.object { a = s.string { required = true, min_length = 1 } }, s.object { b = s.any { required = true } },
  } }
  t.equal(s.openapi(either).oneOf, {
    { properties = { a = { minLength = 1 } }, required = { "a" } },
    { properties = { b = {} }, required = { "b" } },
  })
  t.equal(s.validate(either, { a = "x" }), true)
  t.equal({ s.validate(either, { a = "x", b = 1 }) }, { false, "fits 2 of its one_of, not one" })
  t.equal({ s.validate(s.string { any_of = { s.string { enum = { "a" } } } }, "b") },
    { false, "fits none of its any_of" })
  t.equal({ s.validate(s.string { not_ = s.string { enum = { "a" } } }, "a") }, { false, "fits its not_" })
  t.equal({ s.validate(s.integer { all_of = { s.integer { minimum = 3 } } }, 2) }, { false, "is below its minimum 3" })
end)

t.case("list types are atomic, set or map, and a map's keys are required scalars of its items", function()
  local function list(item, keywords)
    return function() return s.array(item)(keywords) end
  end
  local named = s.object { name = s.string { required = true }, port = s.integer { default = 1 }, x = s.any() }
  for _, try in ipairs {
    { list(s.string(), { unique_items = true }), 'unique_items is refused by the API server; write list_type = "set"' },
    { list(s.string(), { list_type = "bag" }), 'list_type is "atomic", "set" or "map", not "bag"' },
    { list(named, { list_type = "map" }), 'list_type = "map" needs list_map_keys = { "name" }' },
    { list(named, { list_map_keys = { "name" } }), 'list_map_keys needs list_type = "map"' },
    { list(s.string(), { list_type = "map", list_map_keys = { "name" } }), "items are s.object" },
    { list(named, { list_type = "map", list_map_keys = { "nam" } }), 'list_map_keys: "nam" is no field of the items' },
    { list(named, { list_type = "map", list_map_keys = { "x" } }), '"x" is not a text, a number or a boolean' },
    { list(s.object { k = s.string() }, { list_type = "map", list_map_keys = { "k" } }),
      '"k" must be required or have a default' },
    { list(named, { list_type = "map", list_map_keys = { "name", "name" } }), '"name" stands there twice' },
    { list(named, { list_type = "set" }), "items of a set are scalar or atomic" },
    { list(s.string { nullable = true }, { list_type = "set" }), "items of a set or map may not be nullable" },
  } do
    refused(try[1], try[2])
  end
  local schema = s.openapi(s.array(named) { list_type = "map", list_map_keys = { "name", "port" } })
  t.equal(schema["x-kubernetes-list-map-keys"], { "name", "port" })
  t.ok(s.array(s.string()) { list_type = "set" })
  t.ok(s.array(named { map_type = "atomic" }) { list_type = "set" })
end)

t.case("a default is held to every keyword", function()
  local function default(make, value, keywords, pattern)
    keywords.default = value
    refused(function() return make(keywords) end, "its default " .. pattern)
  end
  default(s.integer, 3, { minimum = 3, exclusive_minimum = true }, "is not above its minimum 3")
  default(s.integer, 3, { maximum = 3, exclusive_maximum = true }, "is not below its maximum 3")
  default(s.integer, 7, { multiple_of = 5 }, "is not a multiple of 5")
  default(s.integer, 1 / 0, {}, "is not an integer")
  default(s.string, "äöü", { max_length = 2 }, "is longer than its max_length 2")
  default(s.map(s.any()), { a = 1 }, { min_properties = 2 }, "is of fewer fields than its min_properties 2")
  default(s.map(s.any()), { a = 1 }, { max_properties = 0 }, "is of more fields than its max_properties 0")
  default(s.object { size = s.integer() }, { siz = 1 }, {}, 'has no field siz, did you mean "size"?')
  t.ok(s.string { max_length = 3, default = "äöü" }) -- code points, not bytes
  t.ok(s.number { multiple_of = 0.1, default = 0.3 })
  t.ok(s.object {} { preserve_unknown = true, default = { a = 1 } })
  t.ok(s.integer { nullable = true, default = moonlet.null, minimum = 1 })
end)

t.case("an empty default of an array is an empty array", function()
  local json = require "moonlet.json"
  local names = s.array(s.string()) { default = {} }
  t.equal(json.encode(s.openapi(names).default), "[]")
  t.equal(json.encode(s.openapi(s.map(s.any()) { default = {} }).default), "{}")
  local deep = s.object { names = s.array(s.string()), more = s.map(s.array(s.any())) }
  t.equal(json.encode(s.openapi(deep { default = { names = {}, more = { a = {}, b = { 1 } } } }).default),
    '{"more":{"a":[],"b":[1]},"names":[]}')
  t.equal(json.encode(s.openapi(s.any { default = {} }).default), "{}")
end)

t.case("a keyword judges only values of its type", function()
  local port = s.int_or_string { minimum = 10, max_length = 2 }
  t.equal(s.validate(port, "ab"), true)
  t.equal(s.validate(port, 200), true)
  t.equal(s.validate(port, 2), false)
  t.equal(s.validate(port, "abc"), false)
end)

t.case("an enum of numbers is of integers only when all are whole", function()
  t.equal(s.openapi(s.enum { 1, 2 }).type, "integer")
  t.equal(s.openapi(s.enum { 1, 2.5 }).type, "number")
end)

t.case("defaults reach into lists and maps, and replace a null that is not allowed", function()
  local item = s.object { size = s.integer { default = 1 } }
  t.equal(s.with_defaults(s.array(item), { {}, { size = 2 } }), { { size = 1 }, { size = 2 } })
  t.equal(s.with_defaults(s.map(item), { a = {} }), { a = { size = 1 } })
  t.equal(s.with_defaults(item, { size = moonlet.null }), { size = 1 })
end)

t.case("a name that the module does not have is refused with the nearest", function()
  local problem = tostring(t.raises(function() return s.int() end,
    'moonlet.schema has no "int", did you mean "integer"?'))
  t.match(problem, "^schema_test.lua:%d+: ")
  t.raises(function() return s.interger() end, 'has no "interger", did you mean "integer"?')
end)
