--- What a file returns, checked, as the declaration the host reads (host/addon/declaration.h) and the
--- functions it calls by path.
local check = require "moonlet.check"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local resource = require "moonlet.resource"
local schema = require "moonlet.schema"
local selectors = require "moonlet.core.selectors"

local M = {}

local COMMON = {
  name = "string", reads = "table?", writes = "table?", secrets = "list?", http = "list?",
  config = "table?", timeout = "string|number?",
}
local SHAPES = {
  controller = {
    resource = "string|table", reconcile = "function?", finalize = "function?", gone = "function?",
    on = "table?", owns = "list?", watches = "list?", concurrency = "number?",
    resync = "string|number?", retry = "table?", rate = "table?", debounce = "string|number?",
    index = "table?",
  },
  schedule = { cron = "string", zone = "string?", deadline = "string|number?", run = "function" },
  startup = { order = "number?", run = "function" },
}
for _, shape in pairs(SHAPES) do
  for field, wanted in pairs(COMMON) do shape[field] = wanted end
end
-- Part of the language, but of a later version: refused by name, never ignored.
local LATER = {
  controller = { "children", "timers", "daemon", "optional_delete", "remember", "selector" },
  schedule = {}, startup = {},
}
local LATER_ON = { "create", "update", "delete", "resume", "field" }
local KIND_OPTIONS = {
  labels = "string|table?", annotations = "table?", namespaces = "table?", fields = "string|table?",
  when = "function|table?", metadata_only = "boolean?", managed_fields = "boolean?",
}
local VERBS = { get = true, list = true, create = true, update = true, patch = true, delete = true,
  scale = true, evict = true, token = true }

-- One definition being read.
local Reader = {}
Reader.__index = Reader

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
  return seconds
end

--- "apps/v1/Deployment" of a string or a moonlet.resource.
function Reader:kind(value, field)
  if resource.is(value) then
    if not self.seen[value] then
      self.seen[value] = true
      self.crds[#self.crds + 1] = value
    end
    return tostring(value)
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

local function is_list(value)
  return type(value) == "table" and not resource.is(value) and (value[1] ~= nil or next(value) == nil)
end

function Reader:annotations(value, field)
  if value == nil then return nil end
  local out = {}
  for name, wanted in pairs(value) do
    if type(name) ~= "string" then self:fault(field, "annotations are a map: { [\"name\"] = true }") end
    if type(wanted) == "table" then
      wanted = core.array(core.copy(wanted))
    elseif type(wanted) ~= "boolean" then
      wanted = tostring(wanted)
    end
    out[name] = wanted
  end
  return next(out) ~= nil and out or nil
end

function Reader:namespaces(value, field)
  if value == nil then return nil end
  if value[1] ~= nil then return core.array(core.copy(value)) end
  check.keys(value, { labels = true, except = true }, self.at, self.what .. "." .. field)
  return { labels = selectors.labels(value.labels), except = value.except and core.array(core.copy(value.except)) }
end

--- A kind with its match, `written` as "v1/Pod", a resource, or { kind, option = … }.
function Reader:match(written, field, path, extra)
  local options = written
  if not is_list(written) then options = { written } end
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
  local out = {
    kind = self:kind(options[1], field),
    labels = selectors.labels(options.labels), fields = selectors.fields(options.fields),
    annotations = self:annotations(options.annotations, field .. ".annotations"),
    namespaces = self:namespaces(options.namespaces, field .. ".namespaces"),
    metadata_only = options.metadata_only or nil, managed_fields = options.managed_fields or nil,
  }
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

function Reader:matches(list, field, extra)
  if list == nil then return nil end
  if not is_list(list) then list = { list } end
  local out, seen = core.array {}, {}
  for i, written in ipairs(list) do
    local place = ("%s[%d]"):format(field, i)
    local match = self:match(written, place, ("%s.%d"):format(field, i), extra)
    if seen[match.kind] and field ~= "watches" then
      self:fault(place, match.kind .. " stands there twice")
    end
    if field == "watches" and not match.map then
      self:fault(place, 'map is missing: { "' .. match.kind .. '", map = function(obj, ctx) return { keys } end }')
    end
    seen[match.kind] = true
    out[i] = match
  end
  return out
end

function Reader:writes(list)
  if list == nil then return nil end
  if not is_list(list) then list = { list } end
  local out = core.array {}
  for i, written in ipairs(list) do
    local place = ("writes[%d]"):format(i)
    local options = is_list(written) and written or { written }
    check.keys(options, { [1] = true, verbs = true }, self.at, self.what .. "." .. place)
    for _, verb in ipairs(options.verbs or {}) do
      if not VERBS[verb] then
        local near = type(verb) == "string" and check.nearest(verb, VERBS)
        self:fault(place .. ".verbs", ("unknown verb %s%s"):format(check.describe(verb),
          near and (', did you mean "%s"?'):format(near) or ""))
      end
    end
    out[i] = { kind = self:kind(options[1], place),
      verbs = options.verbs and core.array(core.copy(options.verbs)) }
  end
  return out
end

function Reader:texts(list, field, pattern, example)
  if list == nil then return nil end
  for i, text in ipairs(list) do
    if type(text) ~= "string" or not text:find(pattern) then
      self:fault(("%s[%d]"):format(field, i), ("%s is not such as %s"):format(check.describe(text), example))
    end
  end
  return core.array(core.copy(list))
end

function Reader:index(map)
  if map == nil then return nil end
  local out = {}
  for kind, functions in pairs(map) do
    kind = self:kind(kind, "index")
    check.type(functions, "table", self.at, ('%s.index["%s"]'):format(self.what, kind))
    local names = core.array {}
    for name, f in pairs(functions) do
      check.type(f, "function", self.at, ('%s.index["%s"].%s'):format(self.what, kind, tostring(name)))
      names[#names + 1] = name
      self.functions[("index.%s.%s"):format(kind, name)] = f
    end
    table.sort(names)
    out[kind] = names
  end
  return out
end

--- Every indexed kind must be watched.
function Reader:check_index(out)
  local watched = {}
  for _, field in ipairs { "owns", "watches", "reads" } do
    for _, match in ipairs(out[field] or {}) do watched[match.kind] = true end
  end
  if out.resource then watched[out.resource.kind] = true end
  for kind in pairs(out.indexes or {}) do
    if not watched[kind] then
      self:fault("index", ('%s is not declared; add reads = { "%s" }'):format(kind, kind))
    end
  end
end

function Reader:config(declared, values)
  local result, schemas = {}, {}
  for name, one in pairs(declared or {}) do
    if not schema.is(one) then
      self:fault("config." .. tostring(name), "a schema such as s.integer { default = 80 } expected")
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

function Reader:retry(value)
  if value == nil then return nil end
  local at, what = self.at, self.what .. ".retry"
  check.options(value, { base = "string|number?", max = "string|number?", attempts = "number?" }, at, what)
  if value.attempts and (value.attempts < 1 or value.attempts % 1 ~= 0) then
    self:fault("retry.attempts", "a whole number of 1 or more, or nil for no end")
  end
  return { base = self:seconds(value.base, "retry.base"), max = self:seconds(value.max, "retry.max"),
    attempts = value.attempts }
end

function Reader:rate(value)
  if value == nil then return nil end
  check.options(value, { per_second = "number", burst = "number?" }, self.at, self.what .. ".rate")
  if not (value.per_second > 0) then self:fault("rate.per_second", "a number above 0") end
  if value.burst and value.burst < 1 then self:fault("rate.burst", "a number of 1 or more") end
  return { per_second = value.per_second, burst = value.burst }
end

function Reader:handlers(fields)
  local names = core.array {}
  for _, name in ipairs { "reconcile", "finalize", "gone", "run" } do
    if fields[name] then
      names[#names + 1] = name
      self.functions[name] = fields[name]
    end
  end
  if fields.on then
    for _, later in ipairs(LATER_ON) do
      if fields.on[later] ~= nil then self:fault("on", ("`%s` is not supported by this version"):format(later)) end
    end
    check.keys(fields.on, { event = true }, self.at, self.what .. ".on")
    check.type(fields.on.event, "function", self.at, self.what .. ".on.event")
    if fields.on.event then
      names[#names + 1] = "on.event"
      self.functions["on.event"] = fields.on.event
    end
  end
  return names
end

function Reader:cron(text)
  local count = select(2, text:gsub("%S+", ""))
  if not text:find "^@%l+$" and count ~= 5 and count ~= 6 then
    self:fault("cron", ('"%s" has %d fields, not 5 (minute hour day month weekday) or 6 (second first)')
      :format(text, count))
  end
  return text
end

function Reader:read(fields, values)
  local out = {
    type = self.type, name = fields.name, source = self.at,
    reads = self:matches(fields.reads, "reads"), writes = self:writes(fields.writes),
    secrets = self:texts(fields.secrets, "secrets", "^[%l%d][%l%d./-]*$", '"name" or "namespace/name"'),
    http = self:texts(fields.http, "http", "^https?://.+", '"https://neutron.example.com"'),
    timeout = self:seconds(fields.timeout, "timeout"), config = self:config(fields.config, values),
  }
  if self.type == "controller" then
    out.resource = self:match(fields.resource, "resource", "resource")
    out.owns = self:matches(fields.owns, "owns")
    out.watches = self:matches(fields.watches, "watches", { map = true })
    out.indexes = self:index(fields.index)
    out.concurrency = fields.concurrency
    out.resync = self:seconds(fields.resync, "resync")
    out.debounce = self:seconds(fields.debounce, "debounce")
    out.retry, out.rate = self:retry(fields.retry), self:rate(fields.rate)
    if fields.concurrency and (fields.concurrency < 1 or fields.concurrency % 1 ~= 0 or fields.concurrency > 1000) then
      self:fault("concurrency", "a whole number from 1 to 1000")
    end
  elseif self.type == "schedule" then
    out.cron, out.zone = self:cron(fields.cron), fields.zone
    out.deadline = self:seconds(fields.deadline, "deadline")
  else
    out.order = fields.order
  end
  out.handlers = self:handlers(fields)
  if #out.handlers == 0 then
    check.fault(self.at, ("%s: does nothing; give it a reconcile, finalize, gone or on.event"):format(self.what))
  end
  self:check_index(out)
  return out
end

local function check_name(name, at, what)
  if not name:find "^[a-z0-9][a-z0-9-]*$" or name:find "%-$" or #name > 40 then
    check.fault(at, ('%s: name "%s" is not a DNS label of at most 40 characters (a-z, 0-9, -)'):format(what, name))
  end
end

local function read(one, context)
  local fields, what = one.fields, "moonlet." .. one.type
  if type(fields.name) == "string" then what = ("%s \"%s\""):format(one.type, fields.name) end
  for _, later in ipairs(LATER[one.type]) do
    if fields[later] ~= nil then
      check.fault(one.at, ("%s: `%s` is not supported by this version"):format(what, later))
    end
  end
  check.options(fields, SHAPES[one.type], one.at, what)
  check_name(fields.name, one.at, what)
  local reader = setmetatable({
    type = one.type, name = fields.name, at = one.at, what = what, functions = {},
    crds = context.crds, seen = context.seen,
  }, Reader)
  local values = (context.config or {})[fields.name]
  return reader:read(fields, type(values) == "table" and values or {}), reader.functions
end

local function as_list(value, file)
  if value == nil or value == true then
    check.fault(file, "the file returns nothing; it must return what it declares: return moonlet.controller { … }")
  end
  if definition.is(value) or resource.is(value) then return { value } end
  if type(value) ~= "table" then
    check.fault(file, ("the file returns %s, not a definition such as moonlet.controller { … }")
      :format(check.describe(value)))
  end
  return value
end

--- Returns the declaration and, per definition, its functions by path. Raises "file:line: …".
function M.declare(value, options)
  local context = { crds = {}, seen = {}, config = options.config }
  local definitions, functions, names = core.array {}, {}, {}
  local list = as_list(value, options.file)
  for i, one in ipairs(list) do
    if resource.is(one) then
      if not context.seen[one] then
        context.seen[one] = true
        context.crds[#context.crds + 1] = one
      end
    elseif definition.is(one) then
      local at = #definitions + 1
      definitions[at], functions[at] = read(one, context)
      local name = definitions[at].name
      if names[name] then
        check.fault(one.at, ('the name "%s" is taken by the definition at %s'):format(name, names[name]))
      end
      names[name] = one.at
    else
      check.fault(options.file, ("item %d of the returned list is %s, not a definition"):format(i, check.describe(one)))
    end
  end
  if #definitions == 0 and #context.crds == 0 then
    check.fault(options.file, "the file declares nothing: the returned table is empty or not a list of definitions")
  end
  local crds = core.array {}
  for i, one in ipairs(context.crds) do crds[i] = one.crd end
  return { definitions = definitions, crds = crds }, functions
end

return M
