--- What Lua's string library lacks. Separators and prefixes are plain text, never patterns.
local check = require "moonlet.check"

local M = {}

--- The parts between separators, empty ones included: split("a,,b", ",") is { "a", "", "b" }.
---@nodiscard
---@param s string
---@param separator string not empty
---@return string[] parts
function M.split(s, separator)
  check.argument(s, "string", "strings.split: s")
  check.argument(separator, "string", "strings.split: separator")
  if separator == "" then check.misuse("strings.split: the separator is empty") end
  local parts, from = {}, 1
  while true do
    local at, to = s:find(separator, from, true)
    if not at then break end
    parts[#parts + 1] = s:sub(from, at - 1)
    from = to + 1
  end
  parts[#parts + 1] = s:sub(from)
  return parts
end

--- Without white space at both ends.
---@nodiscard
---@param s string
---@return string
function M.trim(s)
  check.argument(s, "string", "strings.trim: s")
  local from = s:find "%S"
  if not from then return "" end
  local to = #s
  while s:find("^%s", to) do to = to - 1 end
  return s:sub(from, to)
end

---@nodiscard
---@param s string
---@param prefix string
---@return boolean
function M.starts_with(s, prefix)
  check.argument(s, "string", "strings.starts_with: s")
  check.argument(prefix, "string", "strings.starts_with: prefix")
  return s:sub(1, #prefix) == prefix
end

---@nodiscard
---@param s string
---@param suffix string
---@return boolean
function M.ends_with(s, suffix)
  check.argument(s, "string", "strings.ends_with: s")
  check.argument(suffix, "string", "strings.ends_with: suffix")
  return suffix == "" or s:sub(-#suffix) == suffix
end

return M
