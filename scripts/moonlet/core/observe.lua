-- Lua in the event path (R9): indexes, `when`, `map`. Never waits.
local core = require "moonlet.core"
local program = require "moonlet.core.program"

local M = {}
local indexes = {} -- place -> kind -> name -> { values = key -> list, keys = value -> key -> true }

local function key_of(object)
  local metadata = object.metadata
  return (metadata.namespace or "") .. "/" .. metadata.name
end

local function as_list(values)
  if values == nil then return {} end
  if type(values) ~= "table" then return { values } end
  return values
end

local function index_of(place, kind, name)
  indexes[place] = indexes[place] or {}
  indexes[place][kind] = indexes[place][kind] or {}
  local index = indexes[place][kind][name]
  if not index then
    index = { values = {}, keys = {} }
    indexes[place][kind][name] = index
  end
  return index
end

local function forget(index, key)
  for _, value in ipairs(index.values[key] or {}) do
    local keys = index.keys[value]
    if keys then
      keys[key] = nil
      if next(keys) == nil then index.keys[value] = nil end
    end
  end
  index.values[key] = nil
end

local function update_index(place, kind, name, old, new)
  local index = index_of(place, kind, name)
  if old then forget(index, key_of(old)) end
  if not new then return end
  local key = key_of(new)
  forget(index, key)
  local values = {}
  for _, value in ipairs(as_list(program.functions[place]["index." .. kind .. "." .. name](new))) do
    values[#values + 1] = value
    index.keys[value] = index.keys[value] or {}
    index.keys[value][key] = true
  end
  if values[1] ~= nil then index.values[key] = values end
end

--- The objects of `kind` whose index `name` gives `value`, by namespace and name.
function M.by(place, kind, name, value)
  local declared = program.functions[place]["index." .. kind .. "." .. name]
  if not declared then
    program.raise(('index \'%s\' is not declared: add index = { ["%s"] = { %s = function(obj) … end'
      .. " } } to '%s'"):format(name, kind, name, program.definitions[place].name), "forbidden")
  end
  local keys, found = {}, {}
  for key in pairs(index_of(place, kind, name).keys[value] or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local ns, object_name = key:match("^([^/]*)/(.*)$")
    local object = core.get(kind, ns, object_name)
    if object then -- it may be newer than the entry
      for _, now in ipairs(as_list(declared(object))) do
        if now == value then
          found[#found + 1] = object
          break
        end
      end
    end
  end
  return found
end

-- The primary's key of what a map returned, written as its own events are; a bare name is in the
-- namespace of the object.
local function primary_key(item, namespaced, object)
  local ns, name
  if type(item) == "string" then
    ns, name = item:match("^([^/]*)/(.+)$")
    if not name then name = item end
  elseif type(item) == "table" then
    local at = type(item.metadata) == "table" and item.metadata or item
    ns, name = at.namespace, at.name
  end
  if type(name) ~= "string" or name == "" then
    error("map returned something that is neither a key nor \"namespace/name\"", 0)
  end
  if not namespaced then return name end
  if ns == nil or ns == "" then ns = object.metadata.namespace or "" end
  return ns .. "/" .. name
end

local function add_keys(to, seen, map, object, namespaced, ctx)
  local result = map(object, ctx)
  if result == nil then return end
  if type(result) ~= "table" or result.name or result.metadata then result = { result } end
  for _, item in ipairs(result) do
    local key = primary_key(item, namespaced, object)
    if not seen[key] then
      seen[key] = true
      to[#to + 1] = key
    end
  end
end

--- Makes the ctx that a map reads with; moonlet.ctx sets it.
M.context = nil

--- Returns matches, keys | nil, the first error | nil.
function M.observe(place, feed, kind, old, new, filter, map)
  local definition, functions = program.definitions[place], program.functions[place]
  local failure
  local function try(f, ...)
    local ok, result = pcall(f, ...)
    if ok then return true, result end
    failure = failure or result
    return false
  end
  for _, name in ipairs(definition.indexes and definition.indexes[kind] or {}) do
    try(update_index, place, kind, name, old, new)
  end
  local matches, keys = true, nil
  if filter and functions[feed .. ".when"] then
    local ok, result = try(functions[feed .. ".when"], new, old)
    matches = not ok or (result and true or false) -- an error counts as a match
  end
  if map and matches and functions[feed .. ".map"] then
    keys = core.array {}
    local seen = {}
    local ctx = M.context(place)
    local namespaced = definition.resource and core.known(definition.resource.kind)
    if old then try(add_keys, keys, seen, functions[feed .. ".map"], old, namespaced, ctx) end
    if new then try(add_keys, keys, seen, functions[feed .. ".map"], new, namespaced, ctx) end
  end
  return matches, keys, failure
end

return M
