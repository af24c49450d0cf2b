-- moonlet.controller: its fields, as the declaration has them.
local check = require "moonlet.check"
local core = require "moonlet.core"

local SHAPE = {
  resource = "string|table", reconcile = "function?", finalize = "function?", gone = "function?",
  on = "table?", owns = "table?", watches = "table?", concurrency = "number?",
  resync = "string|number?", retry = "table?", rate = "table?", debounce = "string|number?",
  index = "table?",
}
local LATER = { "children", "timers", "daemon", "optional_delete", "remember", "selector" }
local LATER_ON = { "create", "update", "delete", "resume", "field" }

local function is_count(value, most)
  return value >= 1 and value % 1 == 0 and value <= most
end

local function watches(reader, fields)
  local out = reader:matches(fields.watches, "watches", { map = true })
  for i, match in ipairs(out or {}) do
    if not match.map then
      reader:fault(("watches[%d]"):format(i),
        'map is missing: { "' .. match.kind .. '", map = function(obj, ctx) return { keys } end }')
    end
  end
  return out
end

local function index(reader, map)
  if map == nil then return nil end
  local out = {}
  for written, functions in pairs(map) do
    local kind = reader:kind(written, "index")
    local place = ('index["%s"]'):format(kind)
    check.type(functions, "table", reader.at, reader.what .. "." .. place)
    local names = core.array {}
    for name, f in pairs(functions) do
      if type(name) ~= "string" then
        reader:fault(place, "an index has a name: { by_ip = function(obj) return value end }")
      end
      check.type(f, "function", reader.at, ("%s.%s.%s"):format(reader.what, place, name))
      names[#names + 1] = name
      reader.functions[("index.%s.%s"):format(kind, name)] = f
    end
    table.sort(names)
    out[kind] = names
  end
  return out
end

-- Every indexed kind must be watched.
local function check_index(reader, out)
  local watched = { [out.resource.kind] = true }
  for _, field in ipairs { "owns", "watches", "reads" } do
    for _, match in ipairs(out[field] or {}) do watched[match.kind] = true end
  end
  for kind in pairs(out.indexes or {}) do
    if not watched[kind] then
      reader:fault("index", ('%s is not declared; add reads = { "%s" }'):format(kind, kind))
    end
  end
end

local function retry(reader, value)
  if value == nil then return nil end
  check.options(value, { base = "string|number?", max = "string|number?", attempts = "number?" }, reader.at,
    reader.what .. ".retry")
  if value.attempts and not is_count(value.attempts, 2 ^ 31) then
    reader:fault("retry.attempts", "a whole number of 1 or more, or nil for no end")
  end
  local out = { base = reader:some_seconds(value.base, "retry.base"),
    max = reader:some_seconds(value.max, "retry.max"), attempts = value.attempts }
  if out.base and out.max and out.max < out.base then reader:fault("retry.max", "below retry.base") end
  return out
end

local function rate(reader, value)
  if value == nil then return nil end
  check.options(value, { per_second = "number", burst = "number?" }, reader.at, reader.what .. ".rate")
  if not (value.per_second > 0) then reader:fault("rate.per_second", "a number above 0") end
  if value.burst and not (value.burst >= 1) then reader:fault("rate.burst", "a number of 1 or more") end
  return { per_second = value.per_second, burst = value.burst }
end

local function on(reader, fields, out)
  if fields.on == nil then return end
  for _, later in ipairs(LATER_ON) do
    if fields.on[later] ~= nil then reader:fault("on", ("`%s` is not supported by this version"):format(later)) end
  end
  check.keys(fields.on, { event = true }, reader.at, reader.what .. ".on")
  check.type(fields.on.event, "function", reader.at, reader.what .. ".on.event")
  reader:handler(out, "on.event", fields.on.event)
end

local function read(reader, fields, out)
  out.resource = reader:match(fields.resource, "resource", "resource")
  out.owns = reader:matches(fields.owns, "owns")
  out.watches = watches(reader, fields)
  out.indexes = index(reader, fields.index)
  out.resync = reader:some_seconds(fields.resync, "resync", "; leave it out for never")
  out.debounce = reader:seconds(fields.debounce, "debounce")
  out.retry, out.rate = retry(reader, fields.retry), rate(reader, fields.rate)
  out.concurrency = fields.concurrency
  if fields.concurrency and not is_count(fields.concurrency, 1000) then
    reader:fault("concurrency", "a whole number from 1 to 1000")
  end
  for _, name in ipairs { "reconcile", "initialize", "finalize", "gone" } do reader:handler(out, name, fields[name]) end
  on(reader, fields, out)
  if #out.handlers == 0 then
    check.fault(reader.at, ("%s: does nothing; give it a reconcile, finalize, gone or on.event"):format(reader.what))
  end
  check_index(reader, out)
end

return { shape = SHAPE, later = LATER, read = read }
