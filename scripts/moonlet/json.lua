--- JSON text and values: null is moonlet.null, arrays keep their kind, numbers beyond 2^53 their text.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@class moonlet.JsonOptions
---@field pretty? boolean line breaks and two spaces a level (default false)

--- `value` as text, keys sorted. Raises, with the path, for what JSON cannot say.
---@nodiscard
---@param value any
---@param options? moonlet.JsonOptions
---@return string text
function M.encode(value, options)
  if options ~= nil then
    check.options(options, { pretty = "boolean?" }, core.caller(1), "json.encode")
  end
  if value == nil then check.misuse("json.encode: a value expected; null is moonlet.null") end
  return core.json_encode(value, options and options.pretty)
end

--- The value of one document. Fails with "rejected".
---@nodiscard
---@param text string
---@return any value, string? message, moonlet.ErrorInfo? info
function M.decode(text)
  return core.json_decode(check.argument(text, "string", "json.decode: text"))
end

return M
