--- What a controller file starts from: constructors, values, predicates, ways to fail.
local admission = lazy "moonlet.core.admission"
local check = require "moonlet.check"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local resource = require "moonlet.resource"

local M = { null = core.null, array = core.array, copy = core.copy, equal = core.equal }

--- A custom resource: becomes a CRD, and stands for its kind wherever one is named.
--- Raises at the caller's line when a field is unknown or wrong.
---@param fields moonlet.ResourceOptions
---@return moonlet.Resource
function M.resource(fields)
  return resource.new(fields, core.caller(1))
end

local function constructor(kind)
  return function(fields)
    return definition.new(kind, fields, core.caller(1))
  end
end

--- Reconciling objects of one kind. See docs/reference/lua/definitions.md.
---@type fun(fields: moonlet.ControllerOptions): moonlet.Definition
M.controller = constructor "controller"
--- A function that runs by the clock.
---@type fun(fields: moonlet.ScheduleOptions): moonlet.Definition
M.schedule = constructor "schedule"
--- A function that runs once after the caches have synced.
---@type fun(fields: moonlet.StartupOptions): moonlet.Definition
M.startup = constructor "startup"

--- Judging or changing requests to the API server. See docs/reference/lua/admission.md.
---@type fun(fields: table): moonlet.Definition
M.webhook = constructor "webhook"
--- Putting containers, volumes and the like into Pods and workloads.
---@type fun(fields: table): moonlet.Definition
M.injector = constructor "injector"
--- Completing Pods before they are scheduled.
---@type fun(fields: table): moonlet.Definition
M.initializer = constructor "initializer"

--- What a webhook's handler returns to refuse: `return moonlet.deny("no", { code = 422 })`.
---@param message string
---@param options? { code?: integer, reason?: string }
function M.deny(message, options)
  local at = core.caller(1)
  if type(message) ~= "string" then
    definition.fault(at, "moonlet.deny(message, { code =, reason = }): the message is text")
  end
  options = check.options(options or {}, { code = "number?", reason = "string?" }, at, "moonlet.deny")
  if options.code and (options.code < 400 or options.code > 599 or options.code % 1 ~= 0) then
    definition.fault(at, "moonlet.deny: the code is an HTTP status from 400 to 599")
  end
  return admission.deny(message, options)
end

--- Ready-made predicates for `when`, evaluated without Lua.
---@enum moonlet.When
M.when = {
  generation_changed = definition.predicate "generation_changed",
  spec_changed = definition.predicate "spec_changed",
  labels_changed = definition.predicate "labels_changed",
  annotations_changed = definition.predicate "annotations_changed",
}

--- An error that is not retried: `error(moonlet.permanent "no such image")`.
---@param message string
---@return moonlet.Error
function M.permanent(message)
  return setmetatable({ code = "error", message = tostring(message), permanent = true },
    core.error_metatable)
end

--- An error that is retried after that long: `error(moonlet.retry_after("30s", "not yet"))`.
---@param duration string|number
---@param message? string
---@return moonlet.Error
function M.retry_after(duration, message)
  local seconds = core.duration(duration)
  if not seconds then
    definition.fault(core.caller(1), 'retry_after: a duration is "30s", "1h30m" or a number of seconds')
  end
  return setmetatable({
    code = "unavailable", message = tostring(message or "not yet"), retry_after = seconds,
  }, core.error_metatable)
end

return M
