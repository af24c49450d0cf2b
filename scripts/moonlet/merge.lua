--- Putting one value over another. The arguments are never changed.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

local function is_map(value)
  return type(value) == "table" and not core.is_array(value)
end

local function deep(base, over, lists, field)
  if is_map(over) and (is_map(base) or base == nil) then
    local out = base and core.copy(base) or {}
    for key, value in pairs(over) do
      if value == core.null then
        out[key] = nil
      elseif type(value) == "table" then
        out[key] = deep(out[key], value, lists, key)
      else
        out[key] = value
      end
    end
    return out
  end
  if lists and core.is_array(over) and type(base) == "table" and (core.is_array(base) or next(base) == nil) then
    return lists(base, over, field)
  end
  return core.copy(over)
end

--- `over` over `base`, map by map (RFC 7386): lists are replaced, moonlet.null removes a field.
---@nodiscard
---@param base table
---@param over table
---@return table
function M.deep(base, over)
  check.argument(base, "table|nil", "merge.deep: base")
  check.argument(over, "table", "merge.deep: over")
  return deep(base, over)
end

-- What names an item, where it is not `name` (Kubernetes' patch merge keys).
local KEYS = {
  ports = { "containerPort", "port" }, volumeMounts = { "mountPath" }, volumeDevices = { "devicePath" },
  conditions = { "type" }, ownerReferences = { "uid" }, hostAliases = { "ip" },
  topologySpreadConstraints = { "topologyKey" },
}

local function key_of(list, candidates)
  for _, key in ipairs(candidates) do
    local all = #list > 0
    for _, item in ipairs(list) do
      all = all and type(item) == "table" and item[key] ~= nil
    end
    if all then return key end
  end
end

local function find(list, key, value)
  for i, item in ipairs(list) do
    if item[key] == value then return i end
  end
end

-- Items by their key, the base's order first; lists without one are replaced.
local function by_name(keys)
  local lists
  function lists(base, over, field)
    local candidates = keys[field] or KEYS[field] or { "name" }
    local key = key_of(over, candidates)
    if not key or (#base > 0 and key_of(base, { key }) == nil) then return core.copy(over) end
    local out = core.array(core.copy(base))
    for _, item in ipairs(over) do
      local at = find(out, key, item[key])
      if item["$patch"] == "delete" then
        if at then table.remove(out, at) end
      elseif at then
        out[at] = deep(out[at], item, lists)
      else
        out[#out + 1] = deep(nil, item, lists)
      end
    end
    return out
  end
  return lists
end

---@class moonlet.MergeOptions
---@field keys? table<string, string> field name -> the key that names its items: { rules = "id" }

--- Like merge.deep, but list items merge by `name`, or by the key Kubernetes names for that field
--- (ports by containerPort or port, volumeMounts by mountPath, conditions by type…). An item with
--- `["$patch"] = "delete"` removes its namesake. Lists of plain values are replaced.
---@nodiscard
---@param base table
---@param over table
---@param options? moonlet.MergeOptions
---@return table
function M.strategic(base, over, options)
  check.argument(base, "table|nil", "merge.strategic: base")
  check.argument(over, "table", "merge.strategic: over")
  local keys = {}
  if options ~= nil then
    check.options(options, { keys = "table?" }, core.caller(1), "merge.strategic")
    for field, key in pairs(options.keys or {}) do keys[field] = { key } end
  end
  return deep(base, over, by_name(keys), "")
end

return M
