--- YAML text and values: the same values as moonlet.json.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

--- `value` as one document. Raises, with the path, for what it cannot say.
---@nodiscard
---@param value any
---@return string text
function M.encode(value)
  if value == nil then check.misuse("yaml.encode: a value expected; null is moonlet.null") end
  return core.yaml_encode(value)
end

--- The value of one document; an empty text is null. Fails with "rejected".
---@nodiscard
---@param text string
---@return any value, string? message, moonlet.ErrorInfo? info
function M.decode(text)
  return core.yaml_decode(check.argument(text, "string", "yaml.decode: text"))
end

--- The list of all documents of a text. Fails with "rejected".
---@nodiscard
---@param text string
---@return any[]? documents, string? message, moonlet.ErrorInfo? info
function M.decode_all(text)
  return core.yaml_decode_all(check.argument(text, "string", "yaml.decode_all: text"))
end

return M
