--- What a handler may return: nothing, or the duration after which it is called again.
local core = require "moonlet.core"

local M = {}

-- `return ctx:apply { … }` and `return ctx:delete(pod)` end a handler, and mean nothing by it.
local function is_answer(value)
  return type(value) == "boolean" or type(value) == "table" and value.kind ~= nil and value.apiVersion ~= nil
end

local function describe(value)
  if type(value) ~= "table" then return "a " .. type(value) end
  local names = {}
  for name in pairs(value) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return #names == 0 and "a table" or ("a table with %s"):format(table.concat(names, ", ", 1, math.min(#names, 5)))
end

--- The seconds after which to call `handler` again, or nil.
---@param value any
---@param handler string
---@return number?
function M.seconds(value, handler)
  if value == nil or is_answer(value) then return nil end
  if type(value) == "number" or type(value) == "string" then
    local seconds = core.duration(value)
    if seconds then return seconds end
    error(('what %s returned: a duration is "30s", "1h30m" or a number of seconds, not %s')
      :format(handler, tostring(value)), 0)
  end
  error(('%s returned %s: return nothing, or "30s" to be called again after that long; did you mean ctx:requeue "30s"?')
    :format(handler, describe(value)), 0)
end

return M
