-- JSON Patch (RFC 6902) on tables, as the API server applies it; for rehearsals.
local core = require "moonlet.core"

local function steps(pointer)
  if type(pointer) ~= "string" or (pointer ~= "" and pointer:sub(1, 1) ~= "/") then
    error(("%s is no JSON pointer, as in \"/metadata/labels\""):format(tostring(pointer)), 0)
  end
  local out = {}
  for step in pointer:gmatch "/([^/]*)" do out[#out + 1] = (step:gsub("~1", "/"):gsub("~0", "~")) end
  return out
end

-- The key of `step` in the map or list; `most` is the last index that a list may be addressed at.
local function key_of(at, step, most)
  if not core.is_array(at) then return step end
  if step == "-" then return most end
  local index = step:find "^%d+$" and tonumber(step) + 1
  return index and index <= most and index or nil
end

-- What holds the last step of the pointer, and the step.
local function parent(document, pointer)
  local path, at = steps(pointer), document
  for i = 1, #path - 1 do
    at = type(at) == "table" and at[key_of(at, path[i], #at)]
    if type(at) ~= "table" then error(("%s: there is no %s"):format(pointer, path[i]), 0) end
  end
  return at, path[#path]
end

local function get(root, pointer)
  if pointer == "" then return root.document end
  local at, step = parent(root.document, pointer)
  local value = at[key_of(at, step, #at)]
  if value == nil then error(pointer .. ": it is not there", 0) end
  return value
end

local function add(root, pointer, value)
  if pointer == "" then
    root.document = value
    return
  end
  local at, step = parent(root.document, pointer)
  local key = key_of(at, step, #at + 1)
  if key == nil then error(pointer .. ": beyond the end of the list", 0) end
  if core.is_array(at) then table.insert(at, key, value) else at[key] = value end
end

local function remove(root, pointer)
  local value = get(root, pointer)
  local at, step = parent(root.document, pointer)
  if core.is_array(at) then table.remove(at, key_of(at, step, #at)) else at[step] = nil end
  return value
end

local OPS = {
  add = function(root, op) add(root, op.path, core.copy(op.value)) end,
  remove = function(root, op) remove(root, op.path) end,
  replace = function(root, op)
    if op.path ~= "" then remove(root, op.path) end
    add(root, op.path, core.copy(op.value))
  end,
  move = function(root, op) add(root, op.path, remove(root, op.from)) end,
  copy = function(root, op) add(root, op.path, core.copy(get(root, op.from))) end,
  test = function(root, op)
    if not core.equal(get(root, op.path), op.value) then error(op.path .. ": the test fails", 0) end
  end,
}

--- Another document: this one with the operations applied, all or none; or nil and why not.
---@param document table
---@param operations table[]
return function(document, operations)
  local root = { document = core.copy(document) }
  for i, op in ipairs(operations) do
    local run = type(op) == "table" and OPS[op.op]
    if not run then return nil, ("operation %d is none of add, remove, replace, move, copy, test"):format(i) end
    local ok, why = pcall(run, root, op)
    if not ok then return nil, ("operation %d, %s %s"):format(i, op.op, tostring(why)) end
  end
  return root.document
end
