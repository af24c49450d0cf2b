--- Reads the fields of one definition: checked, as the declaration has them. Faults name file:line, the
--- definition, the field, and what to write instead.
local check = require "moonlet.check"
local core = require "moonlet.core"
local resource = require "moonlet.resource"
local schema = lazy "moonlet.schema"
local urls = require "moonlet.core.urls"

---@class moonlet.Reader
---@field type string "controller"
---@field name string
---@field at string "file:line"
---@field what string 'controller "app"', in front of messages
---@field functions table<string, function|table> path -> function, kept for the host's calls; .config
---@field crds moonlet.Resource[] met so far, in the whole file
---@field seen table<moonlet.Resource, true>
local Reader = {}
Reader.__index = Reader

local FOREVER = 1e9 -- seconds
local VERBS = { get = true, list = true, create = true, update = true, patch = true, delete = true,
  scale = true, evict = true, bind = true, token = true }

function Reader.new(fields)
  return setmetatable(fields, Reader)
end

function Reader:fault(field, message)
  check.fault(self.at, ("%s.%s: %s"):format(self.what, field, message))
end

function Reader:seconds(value, field)
  if value == nil then return nil end
  local seconds = core.duration(value)
  if not seconds then
    self:fault(field, ('a duration is "30s", "1h30m" or a number of seconds, not %s')
      :format(check.describe(value)))
  end
  if seconds > FOREVER then self:fault(field, ("a duration of at most %d seconds"):format(FOREVER)) end
  return seconds
end

--- The same, where no time at all makes no sense.
function Reader:some_seconds(value, field, instead)
  local seconds = self:seconds(value, field)
  if seconds == 0 then self:fault(field, "a duration above 0" .. (instead or "")) end
  return seconds
end

--- "apps/v1/Deployment" of a string or a moonlet.resource.
function Reader:kind(value, field)
  if resource.is(value) then
    local root = resource.root(value)
    if not self.seen[root] then
      self.seen[root] = true
      self.crds[#self.crds + 1] = root
    end
    return tostring(value)
  end
  if type(value) == "table" and type(value[1]) == "string" then
    self:fault(field, ('what belongs to a kind stands beside it: { "%s", … }, without braces of its own')
      :format(value[1]))
  end
  if type(value) ~= "string" then
    self:fault(field, ('a kind is written "apps/v1/Deployment", not %s'):format(check.describe(value)))
  end
  local version, kind = value:match "^([%w./-]+)/([A-Z]%w*)$"
  if not kind or not version:match "v%d%w*$" or select(2, version:gsub("/", "")) > 1 then
    local near = value:match "^[A-Z]%w*$" and ('; is it "v1/%s" or "apps/v1/%s"?'):format(value, value) or ""
    self:fault(field, ('"%s" is not a kind, written apiVersion/Kind as in "v1/Pod"%s'):format(value, near))
  end
  return value
end

--- A list of kinds, of one written without its braces.
function Reader:kinds(list, field)
  if resource.is(list) or type(list) == "table" and list[1] == nil and next(list) ~= nil then list = { list } end
  if check.is_list(list) then return list end
  for key in pairs(list) do
    if type(key) == "string" then
      self:fault(field, ('options stand in the table of one kind: { { "v1/Node", %s = … } }'):format(key))
    end
  end
  self:fault(field, "a list without gaps expected")
end

function Reader:unseen(seen, value, place)
  if seen[value] then
    self:fault(place, (type(value) == "string" and value:find "/%u" and "%s stands there twice"
      or '"%s" stands there twice'):format(value))
  end
  seen[value] = true
end

function Reader:verbs(list, place)
  if list == nil then return nil end
  check.type(list, "list", self.at, self.what .. "." .. place)
  if #list == 0 then self:fault(place, "an empty list permits nothing; leave it out for the usual verbs") end
  for _, verb in ipairs(list) do
    if not VERBS[verb] then
      local near = type(verb) == "string" and check.nearest(verb, VERBS)
      self:fault(place, ("unknown verb %s%s"):format(check.describe(verb),
        near and (', did you mean "%s"?'):format(near) or ""))
    end
  end
  return core.array(core.copy(list))
end

function Reader:writes(list)
  if list == nil then return nil end
  local out, seen = core.array {}, {}
  for i, written in ipairs(self:kinds(list, "writes")) do
    local place = ("writes[%d]"):format(i)
    local options = type(written) == "table" and not resource.is(written) and written or { written }
    check.keys(options, { [1] = true, verbs = true }, self.at, self.what .. "." .. place)
    out[i] = { kind = self:kind(options[1], place), verbs = self:verbs(options.verbs, place .. ".verbs") }
    self:unseen(seen, out[i].kind, place)
  end
  return out
end

function Reader:texts(list, field, fits, example)
  if list == nil then return nil end
  local seen = {}
  for i, text in ipairs(list) do
    local place = ("%s[%d]"):format(field, i)
    if type(text) ~= "string" or not fits(text) then
      self:fault(place, ("%s is not such as %s"):format(check.describe(text), example))
    end
    self:unseen(seen, text, place)
  end
  return core.array(core.copy(list))
end

local function is_secret(text)
  local ns, name = text:match "^([^/]+)/([^/]+)$"
  name = name or text
  return (ns == nil or check.is_label(ns)) and check.is_subdomain(name)
end

function Reader:config(declared, values)
  local result, schemas = {}, {}
  for name, one in pairs(declared or {}) do
    if type(name) ~= "string" then self:fault("config", "a parameter has a name: { threshold = s.integer() }") end
    if not schema.is(one) then
      self:fault("config." .. name, "a schema such as s.integer { default = 80 } expected")
    end
    schemas[name] = schema.openapi(one)
    local value = schema.with_defaults(one, values[name])
    if value == nil and one.options.required then
      self:fault("config." .. name, ("a value is needed: --set %s.%s=…"):format(self.name, name))
    end
    if value ~= nil then
      local ok, why = schema.validate(one, value, name)
      if not ok then self:fault("config", ("%s (given: %s)"):format(why, check.describe(values[name]))) end
    end
    result[name] = value
  end
  for name in pairs(values) do
    if not (declared or {})[name] then
      local near = type(name) == "string" and check.nearest(name, declared or {})
      self:fault("config", ('a value is given for "%s", which is not declared%s'):format(tostring(name),
        near and ('; did you mean "%s"?'):format(near) or ""))
    end
  end
  self.functions.config = result
  return next(schemas) ~= nil and schemas or nil
end

--- The fields that every definition may have.
function Reader:common(fields, values)
  return {
    type = self.type, name = fields.name, source = self.at,
    reads = self:matches(fields.reads, "reads"), writes = self:writes(fields.writes),
    secrets = self:texts(fields.secrets, "secrets", is_secret, '"name" or "namespace/name"'),
    http = self:texts(fields.http, "http", urls.is, '"https://neutron.example.com"'),
    timeout = self:some_seconds(fields.timeout, "timeout"), config = self:config(fields.config, values),
    handlers = core.array {},
  }
end

--- Notes the function under that path, as a handler of the definition; nil is none.
function Reader:handler(out, path, f)
  if f == nil then return end
  out.handlers[#out.handlers + 1] = path
  self.functions[path] = f
end

require "moonlet.core.define.match"(Reader)

return Reader
