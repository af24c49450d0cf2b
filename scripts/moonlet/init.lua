--- What a controller file starts from: constructors, values, predicates, ways to fail.
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

for _, name in ipairs { "webhook", "injector", "initializer" } do
  M[name] = function()
    definition.fault(core.caller(1), ("moonlet.%s is not supported by this version"):format(name))
  end
end

--- Refusing an admission request; only webhooks can.
function M.deny()
  definition.fault(core.caller(1), "moonlet.deny is not supported by this version")
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
