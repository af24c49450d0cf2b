-- `sim`, the cluster of one case: each method asks the host that runs the simulation, and waits.
local check = require "moonlet.check"
local core = require "moonlet.core"
local objects = require "moonlet.core.simulation_objects"
local waits = require "moonlet.core.waits"

local M = {}

local Sim = {}

local state = setmetatable({}, { __mode = "k" }) -- sim -> { handlers, kinds }

-- Raises { code, status, reason, message } that says where it was asked and prints as its message.
local function refuse(at, what, problem)
  local raised = { code = problem.code, status = problem.status, reason = problem.reason,
    message = ("%s%s: %s"):format(at ~= "" and at .. ": " or "", what, problem.message) }
  error(setmetatable(raised, core.error_metatable), 0)
end

--- Asks the host. Returns the answer's body, and its HTTP status; false and the error as a table when it
--- is refused.
local function try(key, request)
  request.key = key
  if not core.run() then check.misuse "sim: there is no simulation here; run `moonlet test`" end
  if not waits.allowed() then check.misuse "sim: cannot wait here: inside a sort comparator or gsub callback" end
  local ok, answer = waits.await(core.submit("test", request))
  if not ok then return false, answer end
  return answer.body, answer.status
end

local function ask(what, key, request)
  local answer, problem = try(key, request or {})
  if answer == false then refuse(core.caller(1), what, problem) end
  return answer
end

objects(Sim, { try = try, refuse = refuse, state = state })

local function duration(value, what)
  local seconds = core.duration(value)
  if not seconds then
    check.misuse(('%s: a duration is "30s", "1h30m" or a number of seconds, not %s'):format(what,
      check.describe(value)))
  end
  return seconds
end

--- Gives the host a controller, and runs until it is live: `sim:load "app.lua"`, from the test's folder; a
--- folder controller by its name; a text under a name; or "stand-ins", what runs in every real cluster.
---@param name string
---@param text? string
function Sim:load(name, text)
  check.argument(name, "string", "sim:load: name")
  check.argument(text, "string|nil", "sim:load: text")
  ask("sim:load " .. name, "load", { name = name, text = text })
end

--- The same as a new version, though the text may be the same.
function Sim:reload(name, text)
  check.argument(name, "string", "sim:reload: name")
  check.argument(text, "string|nil", "sim:reload: text")
  ask("sim:reload " .. name, "reload", { name = name, text = text })
end

--- Removes a controller's file, and runs until the host is through with it.
function Sim:unload(name)
  check.argument(name, "string", "sim:unload: name")
  ask("sim:unload " .. name, "unload", { name = name })
end

--- Runs until nothing is left to do. In t.chaos: a while with faults, then without, and faults go on
--- afterwards. Raises when a key runs over and over.
function Sim:settle()
  ask("sim:settle", "settle")
end

--- Lets so much time pass.
---@param time string|number
function Sim:advance(time)
  ask("sim:advance", "advance", { delay = duration(time, "sim:advance") })
end

--- Seconds since the case began.
function Sim:elapsed()
  return core.mono()
end

--- Seconds since 1970, of the cluster's clock.
function Sim:now()
  return core.now()
end

--- Kills the host in whatever it does and starts it anew with the same files.
function Sim:restart()
  ask("sim:restart", "restart")
end

--- No fault happens any more.
function Sim:calm()
  ask("sim:calm", "calm")
end

--- Calls `f` until it raises nothing, a second apart, as a person does who is refused: 200 times at the most,
--- and after 60 of them without faults (sim:calm). Gives what `f` gives, raises what the last call raised.
---@generic T
---@param f fun(): T
---@return T
function Sim:retry(f)
  check.argument(f, "function", "sim:retry: f")
  for count = 1, 200 do
    local ok, result = pcall(f)
    if ok then return result end
    if count == 60 then self:calm() end
    self:advance(1)
  end
  return f()
end

--- That fault happens at its next chances.
---@param name string
---@param times? integer
function Sim:fault(name, times)
  check.argument(name, "string", "sim:fault: name")
  check.argument(times, "number|nil", "sim:fault: times")
  ask("sim:fault", "fault", { name = name, replicas = times or 1 })
end

--- The lines of the trace so far.
---@return string[]
function Sim:trace()
  return ask("sim:trace", "trace")
end

--- The lines of the host's log so far: { level, message, … }.
---@return table[]
function Sim:log()
  local out = {}
  for i, line in ipairs(ask("sim:log", "log")) do out[i] = core.json_decode(line) end
  return out
end

--- What the last request was warned of, refused or not: by webhooks, or because its version is deprecated.
---@return string[]
function Sim:warnings()
  local out = {}
  for i, text in ipairs(ask("sim:warnings", "warnings")) do out[i] = text end
  return out
end

local FILTER = { controller = "string?", verb = "string?", kind = "string|table?" }

--- The writes of controllers that the server has taken: { { controller, verb, kind, count }, …, total = n }.
---@param filter? { controller?: string, verb?: string, kind?: string }
function Sim:requests(filter)
  filter = check.options(filter or {}, FILTER, core.caller(1), "sim:requests")
  local out = { total = 0 }
  for _, row in ipairs(ask("sim:requests", "requests")) do
    if (not filter.controller or row.controller == filter.controller) and (not filter.verb or row.verb == filter.verb)
      and (not filter.kind or row.kind == tostring(filter.kind)) then
      out[#out + 1] = row
      out.total = out.total + row.count
    end
  end
  return out
end

--- What scripts ask of URLs with that prefix, handler answers: it gets { method, url, headers, body, json() }
--- and returns { status, headers, body or json }.
---@param prefix string
---@param handler fun(request: table): table
function Sim:http(prefix, handler)
  check.argument(prefix, "string", "sim:http: prefix")
  check.argument(handler, "function", "sim:http: handler")
  local handlers = state[self].handlers
  handlers[#handlers + 1] = handler
  ask("sim:http", "http", { url = prefix, replicas = #handlers })
end

function Sim.handler_of(self, at)
  return state[self].handlers[at]
end

local OWN = { handler_of = true }

local function unknown(_, name)
  if Sim[name] then return Sim[name] end
  local known = {}
  for each in pairs(Sim) do known[each] = not OWN[each] or nil end
  local near = type(name) == "string" and check.nearest(name, known)
  check.misuse(("sim has no %s%s"):format(tostring(name), near and (", did you mean sim:%s?"):format(near) or ""))
end

--- The cluster of a case that begins; nothing is made until it is asked for.
function M.new()
  local sim = setmetatable({}, { __index = unknown, __metatable = false })
  state[sim] = { handlers = {}, kinds = {} }
  return sim
end

return M
