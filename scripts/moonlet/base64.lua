--- Base64 with padding (RFC 4648 §4), as in the data of a Secret.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@nodiscard
---@param bytes string
---@return string text
function M.encode(bytes)
  return core.base64_encode(check.argument(bytes, "string", "base64.encode: bytes"))
end

--- Line breaks are skipped. Fails with "rejected".
---@nodiscard
---@param text string
---@return string? bytes, string? message, moonlet.ErrorInfo? info
function M.decode(text)
  return core.base64_decode(check.argument(text, "string", "base64.decode: text"))
end

return M
