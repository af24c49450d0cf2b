-- The keywords of moonlet.schema: how each is written, for which values, and what makes it fit the
-- structural schemas of apiextensions.k8s.io/v1.
local check = require "moonlet.check"

---@class moonlet.Schema
local Schema = {}
local M = { Schema = Schema }

local function is_whole(value)
  return type(value) == "number" and value == math.floor(value) and math.abs(value) < math.huge
end

local function one_of(...)
  local known, words = {}, {}
  for i, word in ipairs { ... } do
    known[word], words[i] = true, ('"%s"'):format(word)
  end
  local last = table.remove(words)
  return { function(value) return known[value] == true end, table.concat(words, ", ") .. " or " .. last }
end

local ANY = { function() return true end, "a value" }
local FLAG = { function(value) return type(value) == "boolean" end, "true or false", "true" }
local ONLY_TRUE = { function(value) return value == true end, "true or left out" }
local TEXT = { function(value) return type(value) == "string" end, "a text", '"…"' }
local NUMBER = { function(value) return type(value) == "number" end, "a number", "3" }
local POSITIVE = { function(value) return type(value) == "number" and value > 0 end, "a number above 0", "3" }
local COUNT = { function(value) return is_whole(value) and value >= 0 end, "a whole number from 0", "3" }
local LIST = { function(value) return check.is_list(value) and value[1] ~= nil end, "a list of values", '{ "…" }' }
local SCHEMA = { function(value) return getmetatable(value) == Schema end, "a schema", "s.string { … }" }

-- keyword -> its name in OpenAPI, how it is written, the values it is for, and whether it may stand in
-- any_of, one_of, all_of and not_.
local KEYWORDS = {
  default = { "default", ANY },
  nullable = { "nullable", FLAG },
  description = { "description", TEXT },
  title = { "title", TEXT },
  example = { "example", ANY },
  enum = { "enum", LIST, inside = true },
  format = { "format", TEXT, inside = true },
  pattern = { "pattern", TEXT, of = "text", inside = true },
  min_length = { "minLength", COUNT, of = "text", inside = true },
  max_length = { "maxLength", COUNT, of = "text", inside = true },
  minimum = { "minimum", NUMBER, of = "numbers", inside = true },
  maximum = { "maximum", NUMBER, of = "numbers", inside = true },
  exclusive_minimum = { "exclusiveMinimum", FLAG, of = "numbers", inside = true },
  exclusive_maximum = { "exclusiveMaximum", FLAG, of = "numbers", inside = true },
  multiple_of = { "multipleOf", POSITIVE, of = "numbers", inside = true },
  min_items = { "minItems", COUNT, of = "arrays", inside = true },
  max_items = { "maxItems", COUNT, of = "arrays", inside = true },
  min_properties = { "minProperties", COUNT, of = "objects", inside = true },
  max_properties = { "maxProperties", COUNT, of = "objects", inside = true },
  all_of = { "allOf", LIST, inside = true },
  any_of = { "anyOf", LIST, inside = true },
  one_of = { "oneOf", LIST, inside = true },
  not_ = { "not", SCHEMA, inside = true },
  preserve_unknown = { "x-kubernetes-preserve-unknown-fields", ONLY_TRUE, of = "objects" },
  embedded_resource = { "x-kubernetes-embedded-resource", FLAG, of = "objects", typed = true },
  list_type = { "x-kubernetes-list-type", one_of("atomic", "set", "map"), of = "arrays", typed = true },
  list_map_keys = { "x-kubernetes-list-map-keys", LIST, of = "arrays", typed = true },
  map_type = { "x-kubernetes-map-type", one_of("granular", "atomic"), of = "objects", typed = true },
  rules = { "x-kubernetes-validations", LIST },
}
M.JUNCTORS = { "all_of", "any_of", "one_of" }

local KNOWN = { required = true, unique_items = true }
for name in pairs(KEYWORDS) do KNOWN[name] = true end

--- The keyword's name in OpenAPI; nil of `required`, which belongs to the object around it.
function M.openapi(name)
  return KEYWORDS[name] and KEYWORDS[name][1]
end

-- Type of OpenAPI -> the values a keyword is for.
local FAMILY = { string = "text", integer = "numbers", number = "numbers", array = "arrays", object = "objects" }

local function is_for(schema, keyword)
  if not keyword.of then return true end
  local family = FAMILY[schema.base.type]
  if family or schema.base.type then return family == keyword.of end
  if keyword.typed then return false end
  return schema.kind == "any" or keyword.of == "text" or keyword.of == "numbers"
end

local REASONS = { FieldValueInvalid = true, FieldValueForbidden = true, FieldValueRequired = true,
  FieldValueDuplicate = true }

--- A rule as OpenAPI has it.
function M.rule(one, at, what)
  check.options(one, { rule = "string", message = "string?", message_expression = "string?",
    reason = "string?", field_path = "string?", optional_old_self = "boolean?" }, at, what)
  if not one.rule:find "%S" then check.fault(at, what .. '.rule is an expression, as in rule = "self.size > 0"') end
  if one.reason and not REASONS[one.reason] then
    check.fault(at, what .. ".reason is one of FieldValueInvalid, FieldValueForbidden, FieldValueRequired, "
      .. "FieldValueDuplicate")
  end
  return { rule = one.rule, message = one.message, messageExpression = one.message_expression,
    reason = one.reason, fieldPath = one.field_path, optionalOldSelf = one.optional_old_self }
end

local function article(schema)
  return "an s." .. schema.kind
end

-- Within a junctor an item only narrows what stands outside: no types, defaults or words of its own.
local function check_inside(outer, item, at, what, path)
  if getmetatable(item) ~= Schema then
    check.fault(at, ("%s: %s is %s, not a schema such as s.string { … }"):format(what, path, check.describe(item)))
  end
  if item.kind == "map" or item.kind ~= "any" and item.base.type ~= outer.base.type then
    check.fault(at, ("%s: %s is %s; outside it is %s, so write %s or s.any"):format(what, path, article(item),
      article(outer), outer.kind == "map" and "s.any" or "s." .. outer.kind))
  end
  for name in pairs(item.options) do
    if name ~= "required" and not KEYWORDS[name].inside then
      check.fault(at, ("%s: %s may not have %s; write it outside, on %s itself"):format(what, path, name, what))
    end
  end
  for name, field in pairs(item.fields or {}) do
    local beside = outer.fields and outer.fields[name]
    local inner = path .. "." .. name
    if not beside then check.fault(at, ("%s: %s is not declared outside"):format(what, inner)) end
    check_inside(beside, field, at, what, inner)
  end
  if item.item then check_inside(outer.item, item.item, at, what, path .. "[]") end
end

local SCALARS = { string = true, integer = true, number = true, boolean = true }

local function check_map_keys(schema, fault)
  local keys, seen = schema.options.list_map_keys, {}
  if not keys then fault 'list_type = "map" needs list_map_keys = { "name" }' end
  if not schema.item.fields then fault 'list_type = "map": its items are s.object { … }' end
  for _, key in ipairs(keys) do
    local field, said = schema.item.fields[key], check.describe(key)
    if not field then fault(("list_map_keys: %s is no field of the items"):format(said)) end
    if seen[key] then fault(("list_map_keys: %s stands there twice"):format(said)) end
    if not SCALARS[field.base.type] then
      fault(("list_map_keys: %s is not a text, a number or a boolean"):format(said))
    end
    if not field.options.required and field.options.default == nil then
      fault(("list_map_keys: %s must be required or have a default"):format(said))
    end
    seen[key] = true
  end
end

local function check_list(schema, fault)
  local options = schema.options
  local list_type = options.list_type
  if options.list_map_keys and list_type ~= "map" then fault 'list_map_keys needs list_type = "map"' end
  if list_type ~= "set" and list_type ~= "map" then return end
  local item = schema.item
  if item.options.nullable then fault "the items of a set or map may not be nullable" end
  if list_type == "map" then return check_map_keys(schema, fault) end
  local atomic = item.options.map_type == "atomic" or item.kind == "array" and item.options.list_type == "atomic"
  if not SCALARS[item.base.type] and not item.base["x-kubernetes-int-or-string"] and not atomic then
    fault 'list_type = "set": the items of a set are scalar or atomic (map_type = "atomic")'
  end
end

--- Checks the keywords that are written.
function M.written(schema, options, at, what)
  check.type(options, "table", at, what)
  if options.unique_items ~= nil then
    check.fault(at, what .. ': unique_items is refused by the API server; write list_type = "set"')
  end
  check.keys(options, KNOWN, at, what)
  for name, value in pairs(options) do
    local keyword = KEYWORDS[name] or { nil, FLAG }
    local fits, words, example = keyword[2][1], keyword[2][2], keyword[2][3]
    if not is_for(schema, keyword) then check.fault(at, ("%s: %s is for %s"):format(what, name, keyword.of)) end
    if not fits(value) then
      check.fault(at, ("%s: %s is %s%s, not %s"):format(what, name, words,
        example and (", as in %s = %s"):format(name, example) or "", check.describe(value)))
    end
  end
end

--- Checks the keywords of a whole schema against each other.
function M.together(schema, at, what)
  for _, name in ipairs(M.JUNCTORS) do
    for i, item in ipairs(schema.options[name] or {}) do
      check_inside(schema, item, at, what, ("%s[%d]"):format(name, i))
    end
  end
  if schema.options.not_ then check_inside(schema, schema.options.not_, at, what, "not_") end
  if schema.kind == "array" then
    check_list(schema, function(message) check.fault(at, what .. ": " .. message) end)
  end
end

M.is_whole = is_whole
return M
