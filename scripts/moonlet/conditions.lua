--- The conditions of a status: a list of { type, status, reason, message, lastTransitionTime }.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@class moonlet.Condition
---@field type string "Ready", "Progressing"…
---@field status "True"|"False"|"Unknown"|boolean
---@field reason? string CamelCase, for programs
---@field message? string for people
---@field observedGeneration? integer
---@field lastTransitionTime? string when `status` last changed; now when left out

local FIELDS = { type = "string", status = "string|boolean", reason = "string?", message = "string?",
  observedGeneration = "number?", lastTransitionTime = "string?" }
local STATUS = { True = true, False = true, Unknown = true }

local function position(list, kind)
  for i, one in ipairs(list) do
    if one.type == kind then return i end
  end
end

local function list_of(list, what)
  check.argument(list, "table|nil", what .. ": conditions")
  if list ~= nil and list[1] == nil and next(list) ~= nil then
    check.misuse(what .. ": the list of conditions expected, as in obj.status.conditions")
  end
  return list or {}
end

--- The condition of that type, or nil. `list` may be nil.
---@nodiscard
---@param list? moonlet.Condition[]
---@param kind string
---@return moonlet.Condition?
function M.get(list, kind)
  list = list_of(list, "conditions.get")
  local at = position(list, check.argument(kind, "string", "conditions.get: type"))
  return at and list[at]
end

--- Is the condition of that type there with that status (default "True")?
---@nodiscard
---@param list? moonlet.Condition[]
---@param kind string
---@param status? string|boolean
---@return boolean
function M.is(list, kind, status)
  if status == nil then status = "True" end
  if type(status) == "boolean" then status = status and "True" or "False" end
  local found = M.get(list, kind)
  return found ~= nil and found.status == status
end

--- A new list with the condition put in. Its lastTransitionTime is kept while the status stays the
--- same, so setting a condition twice changes nothing. `list` may be nil and is not changed.
---@nodiscard
---@param list? moonlet.Condition[]
---@param condition moonlet.Condition
---@return moonlet.Condition[] list, boolean changed
function M.set(list, condition)
  list = list_of(list, "conditions.set")
  local at = core.caller(1)
  check.options(condition, FIELDS, at, "conditions.set")
  local status = condition.status
  if type(status) == "boolean" then status = status and "True" or "False" end
  if not STATUS[status] then
    check.fault(at, ('conditions.set: status is "True", "False" or "Unknown", not %s')
      :format(check.describe(condition.status)))
  end
  local out = core.array(core.copy(list))
  local place = position(out, condition.type) or #out + 1
  local old = out[place]
  local since = condition.lastTransitionTime
  if old and old.status == status then since = old.lastTransitionTime or since end
  local new = {
    type = condition.type, status = status, reason = condition.reason,
    message = condition.message, observedGeneration = condition.observedGeneration,
    lastTransitionTime = since or core.format_time(core.now()),
  }
  out[place] = new
  return out, old == nil or not core.equal(old, new)
end

--- A new list without the condition of that type.
---@nodiscard
---@param list? moonlet.Condition[]
---@param kind string
---@return moonlet.Condition[] list, boolean changed
function M.remove(list, kind)
  local out = core.array(core.copy(list_of(list, "conditions.remove")))
  local at = position(out, check.argument(kind, "string", "conditions.remove: type"))
  if at then table.remove(out, at) end
  return out, at ~= nil
end

return M
