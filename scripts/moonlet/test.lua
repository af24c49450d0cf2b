--- Tests of controllers: cases in a simulated cluster, comparisons, and calls of one handler on tables.
--- `moonlet test` runs each `*_test.lua` beside a controller; `moonlet check` those cases that use no `sim`.
local cases = require "moonlet.core.cases"
local check = require "moonlet.check"
local conversion = require "moonlet.core.conversion"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local diff = require "moonlet.diff"
local rehearsal = require "moonlet.core.rehearsal"
local resource = require "moonlet.resource"
local review = require "moonlet.core.review"

local M = {}

local function text(value, depth)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  if depth > 4 then return "{…}" end
  if next(value) == nil then return core.is_array(value) and "moonlet.array {}" or "{}" end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  local is_list = #keys == #value
  table.sort(keys, not is_list and function(a, b) return tostring(a) < tostring(b) end or nil)
  for i, key in ipairs(keys) do
    parts[i] = (is_list and "" or tostring(key) .. " = ") .. text(value[key], depth + 1)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function show(value)
  return text(value, 0)
end

local CASE = { replicas = "number?", config = "table?" }
local CHAOS = { replicas = "number?", config = "table?", seeds = "number?", faults = "list?" }

local function declare(what, sentence, options, f, shape)
  local at = core.caller(1)
  check.argument(sentence, "string", what .. ": sentence")
  if type(options) == "function" and f == nil then options, f = {}, options end
  check.argument(f, "function", what .. ": f")
  check.options(options, shape, at, what)
  cases.add { sentence = sentence, f = f, at = at, chaos = shape == CHAOS or nil, seeds = options.seeds,
    faults = options.faults and core.array(core.copy(options.faults)), replicas = options.replicas,
    config = options.config }
end

---@class moonlet.CaseOptions
---@field replicas? integer of the host; with more than one they elect a leader (default 1)
---@field config? table<string, table> values for what the definitions declare in `config`, by definition

---@class moonlet.ChaosOptions: moonlet.CaseOptions
---@field seeds? integer how many runs (default 100)
---@field faults? string[] which faults may happen (default all)

--- One case; the sentence says what it shows. It gets a cluster of its own, in virtual time. An error in `f`
--- fails it; the next case runs.
---@param sentence string
---@param options? moonlet.CaseOptions may be left out
---@param f fun(sim: moonlet.Sim)
function M.case(sentence, options, f)
  declare("t.case", sentence, options, f, CASE)
end

--- The same many times, each with other faults and another order of things, drawn from the run's seed.
---@param sentence string
---@param options? moonlet.ChaosOptions may be left out
---@param f fun(sim: moonlet.Sim)
function M.chaos(sentence, options, f)
  declare("t.chaos", sentence, options, f, CHAOS)
end

--- What must hold after each step that changed what the server has: `f` raises when it does not. In a case
--- it counts for the rest of that case, else for all cases of the file. It may read, with sim:get and sim:list.
---@param f fun(sim: moonlet.Sim)
function M.always(f)
  check.argument(f, "function", "t.always: f")
  cases.always(f)
end

--- Deep equality; raises at the caller's line with both values.
---@param actual any
---@param expected any
---@param what? string said in front
function M.equal(actual, expected, what)
  if core.equal(actual, expected) then return end
  error((what and what .. ": " or "") .. "expected " .. show(expected) .. ", got " .. show(actual), 2)
end

--- Raises unless `value` is true, or anything but nil and false.
---@param value any
---@param what? string
function M.ok(value, what)
  if not value then error(what or "expected something true, got " .. tostring(value), 2) end
end

local function contains(message, pattern)
  if message:find(pattern, 1, true) then return true end
  local ok, at = pcall(string.find, message, pattern)
  return ok and at ~= nil
end

--- Raises unless the text contains the pattern, taken as plain text or as a Lua pattern.
---@param actual string
---@param pattern string
function M.match(actual, pattern)
  check.argument(pattern, "string", "t.match: pattern")
  if type(actual) == "string" and contains(actual, pattern) then return end
  error("expected " .. show(pattern) .. " in " .. show(actual), 2)
end

--- Calls f, which must raise, with the pattern in its error. Returns the error.
---@param f function
---@param pattern? string
---@return any error
function M.raises(f, pattern)
  check.argument(f, "function", "t.raises: f")
  local ok, problem = pcall(f)
  if ok then error("expected an error" .. (pattern and " with " .. show(pattern) or ""), 2) end
  local message = tostring(problem)
  if pattern and not contains(message, pattern) then
    error("expected an error with " .. show(pattern) .. ", got " .. show(message), 2)
  end
  return problem
end

--- An answer that refuses: t.refuse("conflict", "changed", { status = 409 }).
---@param code string one of the codes of docs/reference/lua/errors.md
---@param message? string
---@param extra? { status?: integer, reason?: string, retry_after?: number }
---@return moonlet.Error
function M.refuse(code, message, extra)
  check.argument(code, "string", "t.refuse: code")
  return rehearsal.failure(code, message or code, extra)
end

local function definitions_of(controller)
  local list, resources = controller, {}
  if definition.is(controller) then list = { controller } end
  if type(list) ~= "table" or resource.is(list) then return nil end
  local found = {}
  for _, one in ipairs(list) do
    if definition.is(one) then found[#found + 1] = one end
  end
  local function add(kind)
    if type(kind) == "table" and not resource.is(kind) then kind = kind[1] end
    if resource.is(kind) then resources[#resources + 1] = kind end
  end
  for _, one in ipairs(list) do
    if resource.is(one) then
      add(one)
    elseif definition.is(one) and type(one.fields) == "table" then
      add(one.fields.resource)
      for _, field in ipairs { "owns", "watches", "reads", "writes" } do
        if type(one.fields[field]) == "table" then
          for _, kind in ipairs(one.fields[field]) do add(kind) end
        end
      end
    end
  end
  return #found > 0 and found or nil, resources
end

-- The one definition with that handler, and its place.
local function finder(handler, name, at)
  return function(definitions)
    local place, names = nil, {}
    for i, one in ipairs(definitions) do
      local has = false
      for _, each in ipairs(one.handlers) do has = has or each == handler end
      if has and (name == nil or one.name == name) then
        place = place or i
        names[#names + 1] = one.name
      end
    end
    if not place then
      check.fault(at, ("t.call: there is no handler '%s'%s"):format(handler, name and " in '" .. name .. "'" or ""))
    end
    if #names > 1 then
      check.fault(at, ("t.call: %s have a %s; say which with { name = … }"):format(table.concat(names, " and "),
        handler))
    end
    return place, definitions[place]
  end
end

local OPTIONS = { cache = "table?", answers = "table?", config = "table?", name = "string?", now = "number?",
  attempt = "number?", reason = "string?" }
local ANSWERS = { apply = true, create = true, update = true, patch = true, delete = true, status = true, evict = true,
  bind = true, scale = true, token = true, live_get = true, live_list = true, secret = true, http = true }

local function check_object(object, at, what)
  if type(object) ~= "table" or type(object.apiVersion) ~= "string" or type(object.kind) ~= "string"
    or type(object.metadata) ~= "table" or type(object.metadata.name) ~= "string" then
    check.fault(at, ("%s: an object with apiVersion, kind and metadata.name expected, not %s"):format(what,
      check.describe(object)))
  end
  return object
end

-- handler -> the arguments before the options, as { object =, old =, event =, key = }.
local ARGUMENTS = {
  reconcile = function(at, object) return { object = check_object(object, at, "t.call: object") }, 1 end,
  initialize = function(at, object) return { object = check_object(object, at, "t.call: object") }, 1 end,
  finalize = function(at, object) return { object = check_object(object, at, "t.call: object") }, 1 end,
  gone = function(at, key)
    local from = type(key) == "table" and (key.metadata or key)
    if not from or type(from.name) ~= "string" then
      check.fault(at, "t.call: gone takes a key: { namespace =, name = }")
    end
    return { key = { namespace = from.namespace, name = from.name, uid = from.uid } }, 1
  end,
  run = function() return {}, 0 end,
  ["on.event"] = function(at, event, new, old)
    if event ~= "added" and event ~= "updated" and event ~= "deleted" then
      check.fault(at, 't.call: on.event takes "added", "updated" or "deleted", then new and old')
    end
    return { event = event, object = check_object(new or old, at, "t.call: new"), old = old }, 3
  end,
}

---@class moonlet.CallOptions
---@field cache? table[] objects the handler finds, beside the one in hand
---@field answers? table<string, any> instead of the usual answer: "http", "secret", "apply"… -> a value, a
--- function(request), or a list used up in order; t.refuse(…) raises
---@field config? table values for what the definition declares in `config`
---@field name? string which definition, when several have the handler
---@field now? number the clock, in seconds since 1970
---@field attempt? integer ctx.attempt (default 1)
---@field reason? string ctx.reason (default "event")

---@class moonlet.Run
---@field applied table[] what ctx:apply was given, in order
---@field created table[]
---@field updated table[]
---@field patched table[] { kind, namespace, name, patch, type, subresource }
---@field deleted table[] { kind, namespace, name, grace, propagation }
---@field status? table what ctx:set_status was given last
---@field events table[] { type, reason, message, about }
---@field metrics table[] { type, name, labels, value }
---@field requests table[] of moonlet.http: { method, url, headers, body }
---@field scaled table[] { kind, namespace, name, replicas }
---@field evicted table[] { kind, namespace, name }
---@field bound table[] { kind, namespace, name, node }
---@field tokens table[] { kind, namespace, name }
---@field slept number[] seconds
---@field log table[] { level, message, fields }
---@field requeue? number seconds
---@field error? any what the handler raised; prints well
---@field get fun(kind: string, name: string, namespace?: string): table? an object as it is afterwards

--- Calls one handler with the real ctx on the objects of the test, and returns what it did:
--- t.call(controller, "reconcile", object, options), likewise "finalize" and "initialize"; "gone", key; "run"
--- without an object; "on.event", event, new, old. An error of the handler is in `run.error`.
---@param controller any what the controller's file returns
---@param handler string
---@return moonlet.Run
function M.call(controller, handler, ...)
  local at = core.caller(1)
  local found, resources = definitions_of(controller)
  if not found then
    check.fault(at, "t.call: what a controller's file returns is expected, not " .. check.describe(controller))
  end
  local read = ARGUMENTS[handler]
  if not read then
    local near = type(handler) == "string" and check.nearest(handler, ARGUMENTS)
    check.fault(at, ("t.call: unknown handler %s%s"):format(check.describe(handler),
      near and (', did you mean "%s"?'):format(near) or ""))
  end
  local call, used = read(at, ...)
  local options = select(used + 1, ...) or {}
  check.options(options, OPTIONS, at, "t.call")
  check.keys(options.answers or {}, ANSWERS, at, "t.call.answers")
  for i, object in ipairs(options.cache or {}) do check_object(object, at, ("t.call.cache[%d]"):format(i)) end
  local find = finder(handler, options.name, at)
  local names = {}
  for _, one in ipairs(found) do names[#names + 1] = one.fields.name end
  local config = {}
  if options.config then config[options.name or names[1] or ""] = options.config end
  local run = rehearsal.run({ value = controller, file = at:match "^(.-):%d+$" or "", at = at, handler = handler,
    find = find, resources = resources }, call, {
    cache = options.cache, answers = options.answers, config = config, now = options.now,
    attempt = options.attempt, reason = options.reason,
  })
  cases.handler_raised(run.error and tostring(run.error) or nil)
  return run
end

local REVIEW = { object = "table?", old = "table?", operation = "string?", user = "table|string?",
  dry_run = "boolean?", subresource = "string?", options = "table?", cache = "table?", answers = "table?",
  config = "table?", name = "string?", now = "number?" }

---@class moonlet.ReviewOptions
---@field object? table as the client sends it; absent when it is deleted
---@field old? table as it is stored
---@field operation? "CREATE"|"UPDATE"|"DELETE"|"CONNECT" by what of the two is given, when left out
---@field user? string|table a name, or { username =, groups =, uid =, extra = }
---@field dry_run? boolean
---@field subresource? string
---@field options? table of the request: { kind = "CreateOptions", … }
---@field cache? table[] objects the handlers find
---@field answers? table<string, any> as in t.call
---@field config? table values for what the definition declares in `config`
---@field name? string ask only this definition
---@field now? number the clock

---@class moonlet.Review
---@field allowed boolean
---@field message? string why not
---@field code? integer
---@field reason? string
---@field warnings string[]
---@field audit table<string, string>
---@field object? table as it is after the mutating webhooks
---@field called string[] "mutate", "validate": those that the match let through, in order
---@field error? any what a handler raised; its failure policy has decided
---@field requests table[] of moonlet.http
---@field log table[]

--- What the webhooks, injectors and initializers of a file say to one request: the mutating ones in order, then
--- the validating ones. `match_conditions` in CEL are the server's to judge and count as true.
---@param file any what the file returns
---@param options moonlet.ReviewOptions
---@return moonlet.Review
function M.review(file, options)
  local at = core.caller(1)
  local found, resources = definitions_of(file)
  if not found then
    check.fault(at, "t.review: what a file returns is expected, not " .. check.describe(file))
  end
  check.options(options, REVIEW, at, "t.review")
  if not options.object and not options.old then check.fault(at, "t.review: an object or old is needed") end
  for _, name in ipairs { "object", "old" } do
    local object = options[name]
    if object ~= nil and (type(object.apiVersion) ~= "string" or type(object.kind) ~= "string"
      or type(object.metadata) ~= "table") then
      check.fault(at, ("t.review: %s: an object with apiVersion, kind and metadata expected"):format(name))
    end
  end
  local values = options.config and { [options.name or found[1].fields.name or ""] = options.config }
  local outcome = review.run({ value = file, file = at:match "^(.-):%d+$" or "", at = at, resources = resources,
    config = values }, options, at)
  cases.handler_raised(outcome.error and tostring(outcome.error) or nil)
  return outcome
end

local function check_converts(of, object, at, what)
  if not resource.is(of) then check.fault(at, what .. ": a moonlet.resource expected, not " .. check.describe(of)) end
  if not of.conversion then check.fault(at, ("%s: %s has no convert"):format(what, of.kind)) end
  check_object(object, at, what .. ": object")
end

--- The object in another version of its resource, by the convert functions; what they do wrong is raised.
---@nodiscard
---@param of moonlet.Resource
---@param object table
---@param version string "v1"
---@return table
function M.convert(of, object, version)
  check_converts(of, object, core.caller(1), "t.convert")
  return conversion.convert(of.conversion, core.json_decode(core.json_encode(object)), of.group .. "/" .. version)
end

--- Converts the object to every other version and back; raises at the caller's line with what was lost or
--- changed on the way.
---@param of moonlet.Resource
---@param object table
function M.round_trip(of, object)
  check_converts(of, object, core.caller(1), "t.round_trip")
  for _, version in ipairs(conversion.versions(of.conversion)) do
    local there = M.convert(of, object, version)
    local back = M.convert(of, there, object.apiVersion:match "[^/]*$")
    local changed = diff.compare(object, back)[1]
    if changed then
      error(("%s to %s and back: %s was %s, is %s"):format(object.apiVersion, version, changed.path,
        show(changed.old), show(changed.new)), 2)
    end
  end
end

return M
