--- Points in time (RFC 3339) and durations. The clock is the host's.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

local function rejected(message)
  return nil, message, { code = "rejected" }
end

--- Seconds since 1970.
---@nodiscard
---@return number seconds
function M.now()
  return core.now()
end

---@class moonlet.TimeOptions
---@field micros? boolean with six digits of a second, as in a Lease (default false)

--- "2026-01-31T12:00:00Z"; without an argument, of now.
---@nodiscard
---@param seconds? number since 1970
---@param options? moonlet.TimeOptions
---@return string text
function M.format(seconds, options)
  check.argument(seconds, "number|nil", "time.format: seconds")
  if options ~= nil then check.options(options, { micros = "boolean?" }, core.caller(1), "time.format") end
  seconds = seconds or core.now()
  if not (seconds > -9e9 and seconds < 9e9) then
    check.misuse("time.format: seconds since 1970 expected, not " .. tostring(seconds))
  end
  return core.format_time(seconds, options and options.micros)
end

--- Seconds since 1970 of an RFC 3339 text. Fails with "rejected".
---@nodiscard
---@param text string
---@return number? seconds, string? message, moonlet.ErrorInfo? info
function M.parse(text)
  local seconds = core.parse_time(check.argument(text, "string", "time.parse: text"))
  if seconds then return seconds end
  return rejected(('"%s" is not a time such as "2026-01-31T12:00:00Z"'):format(text))
end

--- Seconds from an RFC 3339 text to now; negative when it lies ahead. Fails with "rejected".
---@nodiscard
---@param text string
---@return number? seconds, string? message, moonlet.ErrorInfo? info
function M.since(text)
  local seconds, message, info = M.parse(text)
  if not seconds then return nil, message, info end
  return core.now() - seconds
end

--- Seconds of "30s", "1h30m", "250ms" or a number. Fails with "rejected".
---@nodiscard
---@param duration string|number
---@return number? seconds, string? message, moonlet.ErrorInfo? info
function M.duration(duration)
  local seconds = core.duration(check.argument(duration, "string|number", "time.duration: duration"))
  if seconds then return seconds end
  return rejected(('"%s" is not a duration such as "30s" or "1h30m"'):format(tostring(duration)))
end

--- The first time after `after`, or after now, that a cron expression means: as in moonlet.schedule. Fails with
--- "rejected".
---@nodiscard
---@param cron string "*/5 * * * *"
---@param after? number seconds since 1970
---@param zone? string "Europe/Berlin" (default "UTC")
---@return number? seconds, string? message, moonlet.ErrorInfo? info
function M.next(cron, after, zone)
  check.argument(cron, "string", "time.next: cron")
  check.argument(after, "number|nil", "time.next: after")
  check.argument(zone, "string|nil", "time.next: zone")
  after = after or core.now()
  if not (after > -9e9 and after < 9e9) then
    check.misuse("time.next: seconds since 1970 expected, not " .. tostring(after))
  end
  local seconds, message = core.next_time(cron, after, zone)
  if seconds then return seconds end
  return rejected(message)
end

--- "1h30m" of 5400, "250ms" of 0.25, "0s" of 0.
---@nodiscard
---@param seconds number from 0
---@return string text
function M.format_duration(seconds)
  check.argument(seconds, "number", "time.format_duration: seconds")
  if not (seconds >= 0 and seconds < 9e9) then
    check.misuse("time.format_duration: seconds from 0 expected, not " .. tostring(seconds))
  end
  local ms = math.floor(seconds * 1000 + 0.5)
  local parts = {}
  for _, unit in ipairs { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } } do
    local count = math.floor(ms / unit[2])
    if count > 0 then parts[#parts + 1] = ("%d%s"):format(count, unit[1]) end
    ms = ms - count * unit[2]
  end
  return #parts > 0 and table.concat(parts) or "0s"
end

return M
