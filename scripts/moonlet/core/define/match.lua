-- A kind with its match, the same wherever a kind stands.
local check = require "moonlet.check"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local labels = lazy "moonlet.labels"
local resource = require "moonlet.resource"
local selectors = require "moonlet.core.selectors"

local KIND_OPTIONS = {
  labels = "string|table?", annotations = "table?", namespaces = "table?", fields = "string|table?",
  when = "function|table?", metadata_only = "boolean?", managed_fields = "boolean?",
}

--- Adds match() and matches() to the class.
return function(Reader)

local function is_scalar(value)
  return type(value) == "string" or type(value) == "number" or type(value) == "boolean"
end

function Reader:labels(written, field)
  if written == nil then return nil end
  local parsed, message = labels.parse(written)
  if not parsed then self:fault(field, message) end
  return labels.format(parsed)
end

function Reader:fields(written, field)
  if written == nil then return nil end
  for path, want in pairs(type(written) == "table" and written or {}) do
    if type(path) ~= "string" then self:fault(field, 'a map of paths: { ["status.phase"] = "Running" }') end
    if not is_scalar(want) then
      self:fault(field, ("%s is %s, not a text, number or boolean"):format(path, check.describe(want)))
    end
  end
  local text = selectors.fields(written)
  local problem = selectors.fields_problem(text)
  if problem then self:fault(field, problem) end
  return text
end

local function is_annotation(name)
  local prefix, rest = name:match "^([^/]+)/(.+)$"
  rest = rest or name
  return (prefix == nil or check.is_subdomain(prefix)) and #rest <= 63 and rest:find "^%w[%w._-]*$" ~= nil
    and not rest:find "[._-]$"
end

function Reader:annotations(written, field)
  if written == nil then return nil end
  local out = {}
  for name, want in pairs(written) do
    if type(name) ~= "string" then self:fault(field, "annotations are a map: { [\"name\"] = true }") end
    if not is_annotation(name) then self:fault(field, ('"%s" is not an annotation\'s name'):format(name)) end
    if type(want) == "boolean" then
      out[name] = want
    elseif type(want) == "table" then
      out[name] = core.array {}
      for i, each in ipairs(want) do out[name][i] = tostring(each) end
      if #out[name] == 0 then self:fault(field, name .. " needs values") end
    elseif is_scalar(want) then
      out[name] = tostring(want)
    else
      self:fault(field, ("%s is %s, not a text, a list or a boolean"):format(name, check.describe(want)))
    end
  end
  return next(out) ~= nil and out or nil
end

function Reader:names(list, field)
  if list == nil then return nil end
  check.type(list, "list", self.at, self.what .. "." .. field)
  if #list == 0 then self:fault(field, "an empty list fits nothing; leave it out for all namespaces") end
  for i, name in ipairs(list) do
    if type(name) ~= "string" or not check.is_label(name) then
      self:fault(("%s[%d]"):format(field, i), check.describe(name) .. " is not a namespace's name")
    end
  end
  return core.array(core.copy(list))
end

function Reader:namespaces(written, field)
  if written == nil then return nil end
  if check.is_list(written) then return self:names(written, field) end
  if written[1] ~= nil then
    self:fault(field, "a list of names, { labels = … } or { except = { … } }; not two of them")
  end
  check.keys(written, { labels = true, except = true }, self.at, self.what .. "." .. field)
  check.type(written.labels, "string|table", self.at, ("%s.%s.labels"):format(self.what, field))
  return { labels = self:labels(written.labels, field .. ".labels"),
    except = self:names(written.except, field .. ".except") }
end

-- `when` and `map`: the declaration says that there is a function, the isolate keeps it.
function Reader:predicates(options, field, path, out)
  local ready = definition.predicate_name(options.when)
  if ready then
    out.when = ready
  elseif type(options.when) == "function" then
    out.when = true
    self.functions[path .. ".when"] = options.when
  elseif options.when ~= nil then
    self:fault(field .. ".when", "a function(new, old), or one of moonlet.when")
  end
  if options.map ~= nil then
    check.type(options.map, "function", self.at, self.what .. "." .. field .. ".map")
    out.map = true
    self.functions[path .. ".map"] = options.map
  end
  return out
end

--- A kind with its match, `written` as "v1/Pod", a resource, or { kind, option = … }.
function Reader:match(written, field, path, extra)
  local options = type(written) == "table" and not resource.is(written) and written or { written }
  if options[2] ~= nil then
    self:fault(field, "a kind with options is { kind, option = … }; one table holds one kind")
  end
  local known = { [1] = true }
  for name in pairs(KIND_OPTIONS) do known[name] = true end
  for name in pairs(extra or {}) do known[name] = true end
  if options.strategy ~= nil then self:fault(field, "`strategy` is not supported by this version") end
  check.keys(options, known, self.at, self.what .. "." .. field)
  for name, wanted in pairs(KIND_OPTIONS) do
    check.type(options[name], (wanted:gsub("%?$", "")), self.at, ("%s.%s.%s"):format(self.what, field, name))
  end
  return self:predicates(options, field, path, {
    kind = self:kind(options[1], field),
    labels = self:labels(options.labels, field .. ".labels"),
    fields = self:fields(options.fields, field .. ".fields"),
    annotations = self:annotations(options.annotations, field .. ".annotations"),
    namespaces = self:namespaces(options.namespaces, field .. ".namespaces"),
    metadata_only = options.metadata_only or nil, managed_fields = options.managed_fields or nil,
  })
end

--- A list of them. Kinds with `map` may stand there more than once.
function Reader:matches(list, field, extra)
  if list == nil then return nil end
  local out, seen = core.array {}, {}
  for i, written in ipairs(self:kinds(list, field)) do
    local place = ("%s[%d]"):format(field, i)
    out[i] = self:match(written, place, ("%s.%d"):format(field, i), extra)
    if not extra or not extra.map then self:unseen(seen, out[i].kind, place) end
  end
  return out
end

end
