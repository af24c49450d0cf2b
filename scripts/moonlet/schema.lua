--- Structural OpenAPI v3 schemas, as CRDs want them.
local check = require "moonlet.check"
local core = require "moonlet.core"
local keywords = require "moonlet.core.keywords"

local M = {}
local Schema = keywords.Schema

local function make(kind, base, options)
  local self = setmetatable({ kind = kind, base = base, options = {} }, Schema)
  return options and self(options) or self
end

-- A value with its empty tables marked as the arrays that they are meant to be.
local function as_meant(self, value)
  if type(value) ~= "table" or value == core.null then return value end
  local out = core.copy(value)
  if self.kind == "array" then out = core.array(out) end
  for key, inner in pairs(out) do
    local of = self.item or self.fields and self.fields[key]
    if of then out[key] = as_meant(of, inner) end
  end
  return out
end

-- s.string { … } again with options: a copy with them added.
Schema.__call = function(self, options)
  local at = core.caller(1)
  local what = "s." .. self.kind
  keywords.written(self, options, at, what)
  local copy = setmetatable({ kind = self.kind, base = self.base, item = self.item,
    fields = self.fields, options = {} }, Schema)
  for name, value in pairs(self.options) do copy.options[name] = value end
  for name, value in pairs(options) do copy.options[name] = value end
  if options.rules then
    copy.options.rules = {}
    for i, one in ipairs(options.rules) do
      copy.options.rules[i] = keywords.rule(one, at, ("%s: rules[%d]"):format(what, i))
    end
  end
  for i, value in ipairs(options.enum or {}) do
    local ok, why = M.fits_type(self, value)
    if not ok then check.fault(at, ("%s: enum[%d] %s"):format(what, i, why)) end
  end
  keywords.together(copy, at, what)
  if copy.options.default ~= nil then
    local ok, why = M.validate(copy, copy.options.default)
    if not ok then check.fault(at, ("%s: its default %s"):format(what, why)) end
    copy.options.default = as_meant(copy, copy.options.default)
  end
  return copy
end
Schema.__tostring = function(self) return "s." .. self.kind end

setmetatable(M, { __index = function(_, name)
  local near = check.nearest(tostring(name), M)
  check.fault(core.caller(1), ("moonlet.schema has no %s%s"):format(check.describe(name),
    near and (', did you mean "%s"?'):format(near) or ""))
end })

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
  local kind, whole = type(values[1]), true
  for _, value in ipairs(values) do
    if type(value) ~= kind then check.fault(at, "s.enum: values of different types") end
    whole = whole and keywords.is_whole(value)
  end
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    check.fault(at, "s.enum: its values are text, numbers or booleans")
  end
  local self = make("enum", { type = kind == "number" and whole and "integer" or kind })
  self.options.enum = core.copy(values)
  return self
end

local function many(list)
  local out = core.array {}
  for i, item in ipairs(list) do out[i] = M.openapi(item, true) end
  return out
end

local VALUE = {
  all_of = many, any_of = many, one_of = many,
  not_ = function(item) return M.openapi(item, true) end,
  enum = function(list) return core.array(core.copy(list)) end,
  list_map_keys = function(list) return core.array(core.copy(list)) end,
  rules = function(list) return core.array(core.copy(list)) end,
}

local function add_fields(self, out, inside)
  local required = core.array {}
  out.properties = {}
  for name, field in pairs(self.fields) do
    out.properties[name] = M.openapi(field, inside)
    if field.options.required then required[#required + 1] = name end
  end
  table.sort(required)
  if #required > 0 then out.required = required end
end

--- The schema as an OpenAPI v3 table, ready for a CRD; `inside` anyOf and its like without types.
---@param inside? boolean
function M.openapi(self, inside)
  local out = {}
  for name, value in pairs(self.base) do
    if not inside or name == "pattern" or name == "format" then out[name] = value end
  end
  for name, value in pairs(self.options) do
    local keyword = keywords.openapi(name)
    if keyword then out[keyword] = (VALUE[name] or core.copy)(value) end
  end
  if self.fields then
    add_fields(self, out, inside)
  elseif self.kind == "array" then
    out.items = M.openapi(self.item, inside)
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

local is_whole = keywords.is_whole

local TYPES = {
  string = function(v) return type(v) == "string" end,
  duration = function(v) return type(v) == "string" and core.duration(v) ~= nil end,
  date_time = function(v) return type(v) == "string" and core.parse_time(v) ~= nil end,
  integer = is_whole,
  number = function(v) return type(v) == "number" end,
  boolean = function(v) return type(v) == "boolean" end,
  int_or_string = function(v) return is_whole(v) or type(v) == "string" end,
  quantity = function(v)
    return type(v) == "number" or (type(v) == "string" and v:find "^[+-]?%d*%.?%d+[numkMGTPEi]*[eE]?[+-]?%d*$" ~= nil)
  end,
  object = function(v) return type(v) == "table" and not core.is_array(v) end,
  map = function(v) return type(v) == "table" and not core.is_array(v) end,
  array = function(v) return type(v) == "table" and (core.is_array(v) or next(v) == nil or v[1] ~= nil) end,
  any = function() return true end,
}

local function code_points(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local function count(value)
  local n = 0
  for _ in pairs(value) do n = n + 1 end
  return n
end

-- Reals may be a little off: 0.3 is a multiple of 0.1.
local function is_multiple(value, of)
  local times = value / of
  return math.abs(times - math.floor(times + 0.5)) < 1e-9 * math.max(1, math.abs(times))
end

-- keyword -> the type of value it judges, its test, and what it says.
local LIMITS = {
  minimum = { "number", function(v, n) return v >= n end, "below its minimum" },
  maximum = { "number", function(v, n) return v <= n end, "above its maximum" },
  multiple_of = { "number", is_multiple, "not a multiple of" },
  min_length = { "string", function(v, n) return code_points(v) >= n end, "shorter than its min_length" },
  max_length = { "string", function(v, n) return code_points(v) <= n end, "longer than its max_length" },
  min_items = { "table", function(v, n) return #v >= n end, "of fewer items than its min_items" },
  max_items = { "table", function(v, n) return #v <= n end, "of more items than its max_items" },
  min_properties = { "table", function(v, n) return count(v) >= n end, "of fewer fields than its min_properties" },
  max_properties = { "table", function(v, n) return count(v) <= n end, "of more fields than its max_properties" },
}

-- Each of these gives nil, or what is wrong with the value.
local function limited(options, value)
  for keyword, limit in pairs(LIMITS) do
    local bound = options[keyword]
    if bound ~= nil and type(value) == limit[1] and not limit[2](value, bound) then
      return ("is %s %s"):format(limit[3], tostring(bound))
    end
  end
  if options.exclusive_minimum and value == options.minimum then return "is not above its minimum " .. value end
  if options.exclusive_maximum and value == options.maximum then return "is not below its maximum " .. value end
end

local function listed(allowed, value)
  if not allowed then return nil end
  local all = {}
  for i, one in ipairs(allowed) do
    if core.equal(one, value) then return nil end
    all[i] = tostring(one)
  end
  return "is none of " .. table.concat(all, ", ")
end

local function fitting(list, value)
  local n = 0
  for _, item in ipairs(list) do n = n + (M.validate(item, value, "", true) and 1 or 0) end
  return n
end

local function joined(options, value)
  for _, item in ipairs(options.all_of or {}) do
    local ok, why = M.validate(item, value, "", true)
    if not ok then return why end
  end
  if options.any_of and fitting(options.any_of, value) == 0 then return "fits none of its any_of" end
  local ones = options.one_of and fitting(options.one_of, value)
  if ones and ones ~= 1 then return ("fits %d of its one_of, not one"):format(ones) end
  if options.not_ and M.validate(options.not_, value, "", true) then return "fits its not_" end
end

--- Is it of the schema's type? true, or false and why.
function M.fits_type(self, value)
  local test = TYPES[self.kind]
  if not test or test(value) then return true end
  return false, ("is not %s %s"):format(self.kind:find "^[aio]" and "an" or "a", self.kind)
end

local OF_RESOURCES = { apiVersion = true, kind = true, metadata = true }

local function validate_fields(self, value, path, inside)
  for key, field in pairs(self.fields) do
    local inner = path == "" and key or path .. "." .. key
    if value[key] ~= nil then
      local ok, why = M.validate(field, value[key], inner, inside)
      if not ok then return false, why end
    elseif field.options.required then
      return false, inner .. " is missing"
    end
  end
  if inside or self.options.preserve_unknown then return true end
  for key in pairs(value) do
    if not self.fields[key] and not (self.options.embedded_resource and OF_RESOURCES[key]) then
      local near = check.nearest(tostring(key), self.fields)
      return false, ("%shas no field %s%s"):format(path == "" and "" or path .. " ", tostring(key),
        near and (', did you mean "%s"?'):format(near) or "")
    end
  end
  return true
end

--- Does `value` fit? true, or false and why ("spec.size is not an integer"). Patterns and rules are
--- the server's to judge.
---@param inside? boolean in any_of and its like, which name only some fields
---@return boolean ok, string? why
function M.validate(self, value, path, inside)
  path = path or ""
  if value == core.null and self.options.nullable then return true end
  local options, _, why = self.options, M.fits_type(self, value)
  why = why or listed(options.enum, value) or limited(options, value) or joined(options, value)
  if why then return false, path == "" and why or path .. " " .. why end
  if self.fields then return validate_fields(self, value, path, inside) end
  for key, item in pairs(self.item and value or {}) do
    local ok, wrong = M.validate(self.item, item, ("%s[%s]"):format(path, tostring(key)), inside)
    if not ok then return false, wrong end
  end
  return true
end

--- A copy of `value` with the defaults of missing fields filled in.
function M.with_defaults(self, value)
  local default = self.options.default
  if value == nil or value == core.null and default ~= nil and not self.options.nullable then
    value = core.copy(default)
  end
  if type(value) ~= "table" or not (self.fields or self.item) then return value end
  local out = core.copy(value)
  for key, field in pairs(self.fields or {}) do out[key] = M.with_defaults(field, out[key]) end
  for key, item in pairs(self.item and value or {}) do out[key] = M.with_defaults(self.item, item) end
  return out
end

return M
