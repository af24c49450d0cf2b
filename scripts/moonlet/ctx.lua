-- ctx: what a handler gets. Rules and defaults are here; the host does what is asked.
local core = require "moonlet.core"
local admission = lazy "moonlet.core.admission"
local check_globals = require "moonlet.core.globals"
local waits = require "moonlet.core.waits"
local program = require "moonlet.core.program"
local observe = require "moonlet.core.observe"
local selectors = require "moonlet.core.selectors"
local refs = require "moonlet.core.refs"
local returned = require "moonlet.core.returned"
local urls = require "moonlet.core.urls"

local M = { observe = observe.observe }

--- Loads the isolate's file; see program.load.
function M.load(chunk, file, config)
  check_globals(chunk, _G)
  return program.load(chunk, file, config)
end

local Ctx = {}
local state = setmetatable({}, { __mode = "k" }) -- ctx -> { run, place, definition, object, ... }
local calls = setmetatable({}, { __mode = "v" }) -- run -> state, which its coroutine keeps alive
local raise = program.raise

local Key = {}
Key.__index = Key
function Key.__tostring(key)
  return key.namespace and key.namespace ~= "" and key.namespace .. "/" .. key.name or key.name or ""
end

-- Every call of ctx starts here: right object, right call, not told to stop (R14).
local function enter(self)
  local s = state[self]
  if not s then raise("call it with a colon, as in ctx:get(…)") end
  if core.run() ~= s.run then raise("this ctx belongs to a call that has ended") end
  core.check()
  return s
end

local function wait(s, op, request)
  if not waits.allowed() then raise("cannot wait here: inside a sort comparator or gsub callback") end
  local ok, value = waits.await(core.submit(op, request))
  if ok then return value end
  error(value, 0)
end

local function check_options(options, known, what)
  if options == nil then return {} end
  if type(options) ~= "table" then raise(what .. ": options are a table") end
  for name in pairs(options) do
    if not known[name] then
      local names = {}
      for each in pairs(known) do names[#names + 1] = each end
      table.sort(names)
      raise(("%s: unknown option '%s' (known: %s)"):format(what, tostring(name),
        table.concat(names, ", ")))
    end
  end
  return options
end

local function seconds(value, what)
  local result = core.duration(value)
  if not result then
    raise(what .. ': a duration is "30s", "1h30m" or a number of seconds, not ' .. tostring(value))
  end
  return result
end

-- Reads ------------------------------------------------------------------------------------------

local function readable(self, kind)
  local s = enter(self)
  kind = program.check_kind(kind)
  program.check_read(s.place, kind)
  return s, kind
end

function Ctx:get(kind, name, namespace)
  local s
  s, kind = readable(self, kind)
  if type(name) ~= "string" then raise("ctx:get: a name is text, not " .. type(name)) end
  local namespaced = core.known(kind)
  local ns = namespaced and (namespace or s.key.namespace or "") or ""
  local object = core.get(kind, ns, name)
  if object and not selectors.fits(program.match_of(s.place, kind), object) then return nil end
  return object and core.get(kind, ns, name)
end

local LIST = { namespace = true, labels = true, fields = true, when = true }

function Ctx:list(kind, options)
  local s
  s, kind = readable(self, kind)
  options = check_options(options, LIST, "ctx:list")
  local match = program.match_of(s.place, kind)
  local found = core.list(kind, options.namespace,
    selectors.both(match.labels, selectors.labels(options.labels)),
    selectors.both(match.fields, selectors.fields(options.fields)))
  if not (match.namespaces or match.annotations or options.when) then return found end
  local kept = {}
  for _, object in ipairs(found) do
    if selectors.fits(match, object) and (not options.when or options.when(object)) then
      kept[#kept + 1] = object
    end
  end
  return kept
end

function Ctx:keys(kind)
  local s
  s, kind = readable(self, kind)
  local match = program.match_of(s.place, kind)
  local keys
  if match.namespaces or match.annotations then
    keys = {}
    for i, object in ipairs(self:list(kind)) do
      local metadata = object.metadata
      keys[i] = { namespace = metadata.namespace, name = metadata.name, uid = metadata.uid }
    end
  else
    keys = core.list(kind, nil, match.labels, match.fields, true)
  end
  for _, key in ipairs(keys) do setmetatable(key, Key) end
  return keys
end

function Ctx:by(kind, index, value)
  local s
  s, kind = readable(self, kind)
  return observe.by(s.place, kind, index, value)
end

function Ctx:owned(kind)
  local s
  s, kind = readable(self, kind)
  if not s.uid then raise("ctx:owned: there is no object in hand") end
  return core.owned(kind, s.uid)
end

require("moonlet.core.writes")(Ctx, {
  enter = enter, wait = wait, check_options = check_options, seconds = seconds,
})

-- Straight from the server -----------------------------------------------------------------------

local Live = {}
Live.__index = Live

function Live:get(kind, name, namespace)
  local s = enter(self.ctx)
  kind = program.check_kind(kind)
  program.check_write(s.place, kind, "get")
  return wait(s, "live_get", { kind = kind, name = name, ns = namespace or s.key.namespace })
end

function Live:list(kind, options)
  local s = enter(self.ctx)
  kind = program.check_kind(kind)
  options = check_options(options, { namespace = true, labels = true, fields = true }, "ctx.live:list")
  program.check_write(s.place, kind, "list")
  return wait(s, "live_list", {
    kind = kind, ns = options.namespace, labels = selectors.labels(options.labels),
    fields = selectors.fields(options.fields),
  })
end

-- Others -----------------------------------------------------------------------------------------

function Ctx:secret(name, key, namespace)
  local s = enter(self)
  if type(name) ~= "string" or type(key) ~= "string" then
    raise("ctx:secret(name, key, namespace?): name and key are text")
  end
  local allowed = false
  for _, declared in ipairs(s.definition.secrets or {}) do
    allowed = allowed or declared == name and (namespace == nil or namespace == s.key.namespace)
      or declared == (namespace or s.key.namespace or "") .. "/" .. name
  end
  if not allowed then
    raise(('secret \'%s\' is not declared: add secrets = { "%s" } to \'%s\''):format(name,
      namespace and namespace .. "/" .. name or name, s.definition.name), "forbidden")
  end
  return wait(s, "secret", { name = name, key = key, ns = namespace })
end

function Ctx:event(event_type, reason, message, ref)
  enter(self)
  if event_type ~= "Normal" and event_type ~= "Warning" then
    raise('ctx:event(type, reason, message, ref?): the type is "Normal" or "Warning"')
  end
  if type(reason) ~= "string" or type(message) ~= "string" then
    raise("ctx:event(type, reason, message, ref?): reason and message are text")
  end
  local about = ref and core.json_encode(refs.full(ref, "ctx:event"))
  core.note("event", event_type, reason, message, about)
end

for _, name in ipairs { "counter", "gauge", "histogram" } do
  Ctx[name] = function(self, metric, value, labels)
    enter(self)
    if type(metric) ~= "string" or not metric:find "^[%a_:][%w_:]*$" then
      raise("ctx:" .. name .. ": a metric's name has letters, digits and _")
    end
    if type(value or 1) ~= "number" then raise("ctx:" .. name .. ": the value is a number") end
    core.note("metric", name, metric, labels and core.json_encode(labels) or "{}", nil, value or 1)
  end
end

function Ctx:requeue(after)
  enter(self).requeue = seconds(after == nil and 0 or after, "ctx:requeue")
end

function Ctx:sleep(duration)
  local s = enter(self)
  wait(s, "sleep", { delay = seconds(duration, "ctx:sleep") })
end

function Ctx:now()
  return core.now()
end

function Ctx:parallel(functions)
  enter(self)
  if not waits.allowed() then raise("cannot wait here: inside a sort comparator or gsub callback") end
  if type(functions) ~= "table" or #functions > 1000 then
    raise("ctx:parallel: a list of up to 1000 functions")
  end
  for _, f in ipairs(functions) do
    if type(f) ~= "function" then raise("ctx:parallel: a list of functions") end
  end
  local results, failed = waits.parallel(functions)
  if failed then error(failed[1], 0) end
  return results
end

local Log = {}
Log.__index = Log
for _, level in ipairs { "debug", "info", "warn", "error" } do
  Log[level] = function(self, message, fields)
    if self == nil or type(self) ~= "table" then raise("call it with a colon, as in ctx.log:info(…)") end
    core.log(level, tostring(message), fields)
  end
end
local log = setmetatable({}, Log)

--- For moonlet.http: the request as a wait. { url, method, headers, body, timeout, retries } in;
--- { status, headers, body } or nil, message, info out.
function core.http(request)
  local s = calls[core.run() or 0]
  if not s then raise("moonlet.http works in handlers alone") end
  core.check()
  urls.check(s.definition, request.url)
  if not waits.allowed() then raise("cannot wait here: inside a sort comparator or gsub callback") end
  local ok, value = waits.await(core.submit("http", {
    url = request.url, method = request.method or "GET", headers = request.headers,
    text = request.body, retries = request.retries,
    delay = seconds(request.timeout == nil and 30 or request.timeout, "timeout"),
  }))
  if ok then return value end
  if value.code == "invalid" or value.code == "cancelled" then error(value, 0) end
  return nil, value.message, value
end

-- What few handlers ask for is made when it is first asked for.
local parts = {
  config = function(s) return core.copy(s.functions.config or {}) end,
  host = function() return core.copy(core.host) end,
  live = function(_, ctx) return setmetatable({ ctx = ctx }, Live) end,
}

local function class(methods)
  return { __index = function(ctx, name)
    local method, part = methods[name], parts[name]
    if method ~= nil or not part then return method end
    local value = part(state[ctx], ctx)
    rawset(ctx, name, value)
    return value
  end }
end

local Whole, Reading = class(Ctx), nil

local function class_of(call)
  if not call.request then return Whole end
  Reading = Reading or class(admission.reading(Ctx, raise))
  return Reading
end

local function make(call)
  local definition, functions = program.definitions[call.definition], program.functions[call.definition]
  local key = setmetatable({ namespace = call.namespace, name = call.name, uid = call.uid }, Key)
  local ctx = setmetatable({
    name = definition.name, key = key, attempt = call.attempt, reason = call.reason, log = log,
  }, class_of(call))
  local s = {
    run = call.run, place = call.definition, definition = definition, functions = functions,
    uid = call.uid, applied = {},
    key = { namespace = key.namespace, name = key.name, uid = call.uid },
  }
  state[ctx] = s
  return ctx, s
end

-- A map reads the cache; it cannot wait, so it cannot write.
function observe.context(place)
  local ctx = make { definition = place, run = core.run() }
  return ctx
end

local function invoke(f, call, ctx)
  if call.handler == "gone" then return f(ctx.key, ctx) end
  if call.handler == "on.event" then return f(call.event, call.object, call.old, ctx) end
  if call.handler == "run" then return f(ctx) end
  return f(call.object, ctx)
end

--- Runs a handler. Returns the seconds after which to call again, or nil; of a webhook or conversion the
--- table that the host answers with.
function M.start(call)
  if call.handler:find "^test%." then return require("moonlet.core.cases").start(call) end
  local ctx, s = make(call)
  local f = s.functions[call.handler]
  if not f then error("there is no handler '" .. call.handler .. "'", 0) end
  calls[call.run] = s
  core.handler(f)
  if call.request then
    local answer = call.handler == "convert" and { object = f(call.object, call.request) }
      or admission.review(call, s.definition, s.functions, ctx)
    calls[call.run] = nil
    return answer
  end
  local result = invoke(f, call, ctx)
  calls[call.run] = nil
  local after = returned.seconds(result, call.handler)
  return s.requeue or after
end

return M
