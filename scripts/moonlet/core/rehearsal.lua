-- One call of one handler on a table of objects instead of a cluster, for moonlet.test. The real ctx
-- runs, with a core that answers at once and writes down what it was asked.
local check = require "moonlet.check"
local clusters = require "moonlet.core.rehearsal_cluster"
local core = require "moonlet.core"
local Rehearsal = require "moonlet.core.rehearsal_answers"

local M = { failure = clusters.failure, is_refusal = Rehearsal.is_refusal }

local plain, note, failure = clusters.plain, Rehearsal.note, clusters.failure

local FRESH = { ["moonlet.ctx"] = true, ["moonlet.core.program"] = true, ["moonlet.core.observe"] = true,
  ["moonlet.core.writes"] = true, ["moonlet.core.refs"] = true, ["moonlet.core.urls"] = true }

local function make_core(self)
  local cluster, run = self.cluster, self.run
  local fake = setmetatable({}, { __index = core })
  function fake.run() return 1 end
  function fake.check() end
  function fake.handler() end
  function fake.now() return self.clock end
  function fake.known(kind) return cluster:namespaced(kind), false end
  function fake.from_cache(value) return cluster.lent[value] == true end
  function fake.get(kind, ns, name)
    local object = cluster:at(kind, ns, name)
    return object and cluster:lend(object)
  end
  function fake.list(kind, ns, selector, fields, keys)
    local out = {}
    for i, object in ipairs(cluster:list(kind, ns, selector, fields)) do
      local metadata = object.metadata
      out[i] = keys and { namespace = metadata.namespace, name = metadata.name, uid = metadata.uid }
        or cluster:lend(object)
    end
    return out
  end
  function fake.owned(kind, uid)
    local out = {}
    for _, object in ipairs(cluster:list(kind)) do
      local owner = clusters.controller_owner(object)
      if owner and owner.uid == uid then out[#out + 1] = cluster:lend(object) end
    end
    return out
  end
  function fake.note(kind, a, b, c, about, value)
    if kind == "event" then
      note(run.events, { type = a, reason = b, message = c, about = about and core.json_decode(about) })
    else
      note(run.metrics, { type = a, name = b, labels = core.json_decode(c), value = value })
    end
  end
  function fake.log(level, message, fields)
    note(run.log, { level = level, message = message, fields = fields })
  end
  function fake.submit(op, request)
    return { op = op, request = request }
  end
  return fake
end

local function make_waits(self)
  local waits = {}
  function waits.allowed() return true end
  function waits.await(id)
    local ok, value = pcall(self.answer, self, id.op, id.request)
    if not ok and type(value) ~= "table" then value = failure("invalid", tostring(value)) end
    return ok, value
  end
  function waits.parallel(functions)
    local results, failed = {}, nil
    for i, f in ipairs(functions) do
      local ok, value = pcall(f)
      if ok then results[i] = value else failed = failed or { value } end
    end
    return results, failed
  end
  return waits
end

-- The library's modules again, over the core of this rehearsal.
local function make_require(self)
  local loaded = { ["moonlet.core"] = self.core, ["moonlet.core.waits"] = make_waits(self) }
  local env = setmetatable({}, { __index = _G })
  function env.require(name)
    if loaded[name] then return loaded[name] end
    if not FRESH[name] then return require(name) end
    loaded[name] = core.library_chunk(name, env)(name)
    return loaded[name]
  end
  return env.require
end

-- Runs f with the clock, the log and the transport of the rehearsal, for the modules that stand above
-- the real core.
local function swapped(self, f, ...)
  local now, log, http = core.now, core.log, core.http
  core.now, core.log, core.http = self.core.now, self.core.log, self.core.http
  local ok, value = pcall(f, ...)
  core.now, core.log, core.http = now, log, http
  return ok, value
end

---@param program { value: any, file: string, at: string, handler: string, find: function, resources: table[] }
---@param call table object, old, event, key; request, when an admission handler is called
---@param options table cache, answers, config, now, attempt, reason
function M.run(program, call, options)
  local run = { applied = {}, created = {}, updated = {}, patched = {}, deleted = {}, events = {}, metrics = {},
    evicted = {}, bound = {}, scaled = {}, tokens = {}, slept = {}, requests = {}, log = {} }
  local at, definition, ctx
  local cluster = clusters.new(program.resources or {}, function(kind, old, new)
    if definition.indexes and definition.indexes[kind] then
      ctx.observe(at, "", kind, old and plain(old), new and plain(new), false, false)
    end
  end)
  local answers = options.answers or {}
  local self = setmetatable({ run = run, cluster = cluster, answers = answers, used = {}, call = {}, owned = {},
    secrets = type(answers.secret) == "table" and answers.secret or {},
    clock = options.now or core.now() }, Rehearsal)
  self.core = make_core(self)
  local fresh = make_require(self)
  local held = fresh "moonlet.core.program"
  ctx = fresh "moonlet.ctx"

  held.load(function() return program.value end, program.file, options.config)
  at, definition = program.find(held.definitions)
  for _, owned in ipairs(definition.owns or {}) do self.owned[owned.kind] = true end

  local function stored(object, what)
    local admitted, why = cluster:admitted(plain(object))
    if not admitted then check.fault(program.at, ("%s: %s"):format(what, why)) end
    return admitted
  end
  for i, object in ipairs(options.cache or {}) do cluster:put(stored(object, ("cache[%d]"):format(i))) end
  local object = call.object
  if object and call.request then -- not stored yet
    object = plain(object)
  elseif object then
    object = cluster:put(stored(object, "object"))
    self.primary = object
  end
  if call.old and not call.request then call.old = stored(call.old, "old") end
  local key = object and object.metadata or call.key or {}
  self.call.namespace, self.call.name, self.call.uid = key.namespace, key.name, key.uid
  local ok, value = swapped(self, ctx.start, {
    definition = at, handler = program.handler, run = 1, event = call.event, request = call.request,
    object = object and cluster:lend(object), old = call.old and cluster:lend(call.old),
    namespace = key.namespace, name = key.name, uid = key.uid,
    attempt = options.attempt or 1, reason = options.reason or "event",
  })
  if not ok and M.is_refusal(value) and getmetatable(value) == nil then -- prints as the host prints it
    setmetatable(value, core.error_metatable)
  end
  if not ok then run.error = value elseif call.request then run.answer = value else run.requeue = value end
  function run.get(kind, name, ns)
    local found = cluster:at(tostring(kind), ns or key.namespace, name)
    return found and plain(found)
  end
  return run
end

return M
