--- Structural OpenAPI v3 schemas, as CRDs want them.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@class moonlet.Schema
local Schema = {}

-- snake_case keyword -> OpenAPI's
local KEYWORDS = {
  default = "default", nullable = "nullable", description = "description", title = "title",
  format = "format", pattern = "pattern", enum = "enum", example = "example",
  minimum = "minimum", maximum = "maximum", exclusive_minimum = "exclusiveMinimum",
  exclusive_maximum = "exclusiveMaximum", multiple_of = "multipleOf",
  min_length = "minLength", max_length = "maxLength", min_items = "minItems",
  max_items = "maxItems", unique_items = "uniqueItems", min_properties = "minProperties",
  max_properties = "maxProperties", all_of = "allOf", any_of = "anyOf", one_of = "oneOf",
  not_ = "not", preserve_unknown = "x-kubernetes-preserve-unknown-fields",
  embedded_resource = "x-kubernetes-embedded-resource", list_type = "x-kubernetes-list-type",
  list_map_keys = "x-kubernetes-list-map-keys", map_type = "x-kubernetes-map-type",
  rules = "x-kubernetes-validations",
}
local LISTS = { enum = true, list_map_keys = true, all_of = true, any_of = true, one_of = true, rules = true }
local KNOWN = { required = true }
for name in pairs(KEYWORDS) do KNOWN[name] = true end

local function make(kind, base, options)
  local self = setmetatable({ kind = kind, base = base, options = {} }, Schema)
  return options and self(options) or self
end

local function rule(one, at)
  check.options(one, { rule = "string", message = "string?", message_expression = "string?",
    reason = "string?", field_path = "string?", optional_old_self = "boolean?" }, at, "rules")
  return { rule = one.rule, message = one.message, messageExpression = one.message_expression,
    reason = one.reason, fieldPath = one.field_path, optionalOldSelf = one.optional_old_self }
end

-- s.string { … } again with options: a copy with them added.
Schema.__call = function(self, options)
  local at = core.caller(1)
  local what = "s." .. self.kind
  check.type(options, "table", at, what)
  check.keys(options, KNOWN, at, what)
  local copy = setmetatable({ kind = self.kind, base = self.base, item = self.item,
    fields = self.fields, options = {} }, Schema)
  for name, value in pairs(self.options) do copy.options[name] = value end
  for name, value in pairs(options) do
    if LISTS[name] then check.type(value, "list", at, what .. "." .. name) end
    copy.options[name] = value
  end
  for i, one in ipairs(options.rules or {}) do
    if i == 1 then copy.options.rules = {} end
    copy.options.rules[i] = rule(one, at)
  end
  if options.default ~= nil then
    local ok, why = M.validate(copy, options.default)
    if not ok then check.fault(at, ("%s: its default %s"):format(what, why)) end
  end
  return copy
end
Schema.__tostring = function(self) return "s." .. self.kind end

function M.is(value)
  return type(value) == "table" and getmetatable(value) == Schema
end

local function scalar(kind, base)
  return function(options)
    if options ~= nil and type(options) ~= "table" then
      check.fault(core.caller(1), ("s.%s takes a table of keywords"):format(kind))
    end
    return make(kind, base, options)
  end
end

--- Each takes an optional table of keywords: required, default, minimum, pattern, description…
M.string = scalar("string", { type = "string" })
M.integer = scalar("integer", { type = "integer" })
M.number = scalar("number", { type = "number" })
M.boolean = scalar("boolean", { type = "boolean" })
M.any = scalar("any", { ["x-kubernetes-preserve-unknown-fields"] = true })
M.int_or_string = scalar("int_or_string", { ["x-kubernetes-int-or-string"] = true })
M.quantity = scalar("quantity", { ["x-kubernetes-int-or-string"] = true,
  pattern = "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))"
    .. "(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$" })
M.duration = scalar("duration", { type = "string", pattern = "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$" })
M.date_time = scalar("date_time", { type = "string", format = "date-time" })

--- An object with these fields; keywords may follow: s.object { … } { nullable = true }.
function M.object(fields)
  local at = core.caller(1)
  if type(fields) ~= "table" or M.is(fields) then
    check.fault(at, "s.object takes a table of fields: s.object { size = s.integer() }")
  end
  for name, field in pairs(fields) do
    if type(name) ~= "string" then check.fault(at, "s.object: fields are named") end
    if type(field) == "function" then
      check.fault(at, ("s.object: field %s is a constructor; call it: s.string()"):format(name))
    end
    if not M.is(field) then
      check.fault(at, ("s.object: field %s is %s, not a schema such as s.string()"):format(name,
        check.describe(field)))
    end
  end
  local self = make("object", { type = "object" })
  self.fields = fields
  return self
end

local function container(kind, base)
  return function(item)
    if not M.is(item) then
      check.fault(core.caller(1), ("s.%s takes the schema of its values: s.%s(s.string())"):format(kind, kind))
    end
    local self = make(kind, base)
    self.item = item
    return self
  end
end
--- s.array(s.string()) { min_items = 1 }, s.map(s.integer())
M.array = container("array", { type = "array" })
M.map = container("map", { type = "object" })

--- s.enum { "A", "B" } { default = "A" }
function M.enum(values)
  local at = core.caller(1)
  check.type(values, "list", at, "s.enum")
  if values == nil or #values == 0 then check.fault(at, "s.enum takes a list of values") end
  local kind = type(values[1])
  for _, value in ipairs(values) do
    if type(value) ~= kind then check.fault(at, "s.enum: values of different types") end
  end
  local self = make("enum", { type = kind == "number" and "integer" or kind })
  self.options.enum = core.copy(values)
  return self
end

local function nested(value)
  if M.is(value) then return M.openapi(value) end
  if type(value) ~= "table" then return value end
  local out = core.array {}
  for i, item in ipairs(value) do out[i] = nested(item) end
  return out
end

--- The schema as an OpenAPI v3 table, ready for a CRD.
function M.openapi(self)
  local out = {}
  for name, value in pairs(self.base) do out[name] = value end
  for name, value in pairs(self.options) do
    if name ~= "required" then
      local keyword = KEYWORDS[name]
      if LISTS[name] then
        value = core.array(name:find "_of$" and nested(value) or core.copy(value))
      elseif name == "not_" then
        value = nested(value)
      elseif type(value) == "table" then
        value = core.copy(value)
      end
      out[keyword] = value
    end
  end
  if self.fields then
    out.properties = {}
    local required = core.array {}
    for name, field in pairs(self.fields) do
      out.properties[name] = M.openapi(field)
      if field.options.required then required[#required + 1] = name end
    end
    table.sort(required)
    if #required > 0 then out.required = required end
  elseif self.kind == "array" then
    out.items = M.openapi(self.item)
  elseif self.kind == "map" then
    out.additionalProperties = M.openapi(self.item)
  end
  return out
end

--- Does the schema demand something, so that the field itself must be there?
function M.required_inside(self)
  if self.options.required then return true end
  for _, field in pairs(self.fields or {}) do
    if field.options.required and field.options.default == nil then return true end
  end
  return false
end

local function is_integer(value)
  return type(value) == "number" and value == math.floor(value)
end

local TYPES = {
  string = function(v) return type(v) == "string" end,
  duration = function(v) return type(v) == "string" and core.duration(v) ~= nil end,
  date_time = function(v) return type(v) == "string" and core.parse_time(v) ~= nil end,
  integer = is_integer,
  number = function(v) return type(v) == "number" end,
  boolean = function(v) return type(v) == "boolean" end,
  int_or_string = function(v) return is_integer(v) or type(v) == "string" end,
  quantity = function(v)
    return type(v) == "number" or (type(v) == "string" and v:find "^[+-]?%d*%.?%d+[numkMGTPEi]*[eE]?[+-]?%d*$" ~= nil)
  end,
  object = function(v) return type(v) == "table" and not core.is_array(v) end,
  map = function(v) return type(v) == "table" and not core.is_array(v) end,
  array = function(v) return type(v) == "table" and (core.is_array(v) or next(v) == nil or v[1] ~= nil) end,
  any = function() return true end,
}

local LIMITS = {
  minimum = function(v, n) return v >= n, "below its minimum" end,
  maximum = function(v, n) return v <= n, "above its maximum" end,
  min_length = function(v, n) return #v >= n, "shorter than its min_length" end,
  max_length = function(v, n) return #v <= n, "longer than its max_length" end,
  min_items = function(v, n) return #v >= n, "of fewer items than its min_items" end,
  max_items = function(v, n) return #v <= n, "of more items than its max_items" end,
}

--- Does `value` fit? true, or false and why ("spec.size is not an integer"). Patterns and rules are
--- the server's to judge.
---@return boolean ok, string? why
function M.validate(self, value, path)
  path = path or ""
  local name = path == "" and "" or path .. " "
  if value == core.null and self.options.nullable then return true end
  local test = TYPES[self.kind]
  if test and not test(value) then
    return false, ("%sis not %s %s"):format(name, self.kind:find "^[aio]" and "an" or "a", self.kind)
  end
  if self.options.enum then
    local found = false
    for _, allowed in ipairs(self.options.enum) do found = found or allowed == value end
    if not found then
      local all = {}
      for i, allowed in ipairs(self.options.enum) do all[i] = tostring(allowed) end
      return false, ("%sis none of %s"):format(name, table.concat(all, ", "))
    end
  end
  for keyword, limit in pairs(LIMITS) do
    if self.options[keyword] ~= nil then
      local ok, why = limit(value, self.options[keyword])
      if not ok then return false, ("%sis %s %s"):format(name, why, tostring(self.options[keyword])) end
    end
  end
  if self.fields then
    for key, field in pairs(self.fields) do
      local inner = path == "" and key or path .. "." .. key
      if value[key] ~= nil then
        local ok, why = M.validate(field, value[key], inner)
        if not ok then return false, why end
      elseif field.options.required then
        return false, inner .. " is missing"
      end
    end
  elseif self.item then
    for key, item in pairs(value) do
      local ok, why = M.validate(self.item, item, ("%s[%s]"):format(path, tostring(key)))
      if not ok then return false, why end
    end
  end
  return true
end

--- A copy of `value` with the defaults of missing fields filled in.
function M.with_defaults(self, value)
  if value == nil then value = core.copy(self.options.default) end
  if type(value) ~= "table" or not self.fields then return value end
  local out = core.copy(value)
  for key, field in pairs(self.fields) do out[key] = M.with_defaults(field, out[key]) end
  return out
end

return M
