--- What differs between two values.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@class moonlet.Difference
---@field op "add"|"change"|"remove"
---@field path string "spec.containers[1].image"; "" is the whole value
---@field old any nil for "add"
---@field new any nil for "remove"

local function is_map(value)
  return type(value) == "table" and not core.is_array(value)
end

local function step(path, key)
  if type(key) == "number" then return ("%s[%d]"):format(path, key) end
  if not key:find "^[%a_][%w_-]*$" then return ("%s[%q]"):format(path, key) end
  return path == "" and key or path .. "." .. key
end

local function sorted_keys(a, b)
  local keys, seen = {}, {}
  for _, t in ipairs { a, b } do
    for key in pairs(t) do
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  table.sort(keys, function(x, y)
    if type(x) == type(y) then return x < y end
    return type(x) == "number"
  end)
  return keys
end

local function compare(old, new, path, out)
  if core.equal(old, new) then return end
  local both_lists = core.is_array(old) and core.is_array(new)
  if both_lists or is_map(old) and is_map(new) then
    for _, key in ipairs(sorted_keys(old, new)) do compare(old[key], new[key], step(path, key), out) end
    return
  end
  out[#out + 1] = {
    op = old == nil and "add" or new == nil and "remove" or "change", path = path,
    old = old, new = new,
  }
end

--- The differences in the order of their paths; an empty list when the values are equal.
---@nodiscard
---@param old any
---@param new any
---@return moonlet.Difference[]
function M.compare(old, new)
  local out = {}
  compare(old, new, "", out)
  return out
end

local function text(value)
  return type(value) == "table" and core.json_encode(value)
    or type(value) == "string" and ("%q"):format(value) or tostring(value)
end

--- One line a difference, for a log or an Event: 'spec.replicas: 1 -> 2'.
---@nodiscard
---@param differences moonlet.Difference[] of diff.compare
---@return string
function M.format(differences)
  check.argument(differences, "table", "diff.format: differences")
  local lines = {}
  for i, one in ipairs(differences) do
    local path = one.path == "" and "" or one.path .. ": "
    if one.op == "add" then lines[i] = ("%sadded %s"):format(path, text(one.new))
    elseif one.op == "remove" then lines[i] = ("%sremoved %s"):format(path, text(one.old))
    else lines[i] = ("%s%s -> %s"):format(path, text(one.old), text(one.new)) end
  end
  return table.concat(lines, "\n")
end

local function patch(old, new)
  local out = {}
  for _, key in ipairs(sorted_keys(old, new)) do
    local before, after = old[key], new[key]
    if after == nil then
      out[key] = core.null
    elseif is_map(before) and is_map(after) then
      local inner = patch(before, after)
      if next(inner) ~= nil then out[key] = inner end
    elseif not core.equal(before, after) then
      out[key] = core.copy(after)
    end
  end
  return out
end

--- The JSON merge patch (RFC 7386) that makes `new` of `old`; an empty table when they are equal.
---@nodiscard
---@param old table
---@param new table
---@return table
function M.merge_patch(old, new)
  check.argument(old, "table", "diff.merge_patch: old")
  check.argument(new, "table", "diff.merge_patch: new")
  return patch(old, new)
end

return M
