--- SHA-256 of bytes, for instance to notice that a configuration changed.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

--- 64 hexadecimal digits.
---@nodiscard
---@param bytes string
---@return string hex
function M.hex(bytes)
  return core.sha256(check.argument(bytes, "string", "sha256.hex: bytes"))
end

--- The digest of a value: equal values have equal digests, whatever the order of their keys.
---@nodiscard
---@param value any what JSON can say
---@return string hex
function M.of(value)
  if value == nil then check.misuse("sha256.of: a value expected") end
  -- What comes from the cache is written in the server's order; plain tables are sorted.
  return core.sha256(core.json_encode(core.json_decode(core.json_encode(value))))
end

return M
