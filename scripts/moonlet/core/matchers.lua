--- Match conditions (CEL) of what a match says about annotations and fields, which webhook rules cannot.
local core = require "moonlet.core"
local selectors = require "moonlet.core.selectors"

local M = {}

local OBJECT = "(object != null ? object : oldObject)" -- object is null on DELETE

-- JSON's escapes are CEL's, but for "\/".
local function quote(text)
  return (core.json_encode(text):gsub("\\/", "/"))
end
M.quote = quote

local function sorted(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function annotation(name, wanted)
  local map = OBJECT .. ".metadata.annotations"
  local there = ("has(%s) && %s in %s"):format(map, quote(name), map)
  if wanted == true then return there end
  if wanted == false then return ("!(%s)"):format(there) end
  local value = ("%s[%s]"):format(map, quote(name))
  if type(wanted) ~= "table" then return ("%s && %s == %s"):format(there, value, quote(tostring(wanted))) end
  local values = {}
  for i, one in ipairs(wanted) do values[i] = quote(tostring(one)) end
  return ("%s && %s in [%s]"):format(there, value, table.concat(values, ", "))
end

-- "status.phase=Running", one clause: a field that is absent counts as "".
local function field(path, operator, wanted)
  local at, there = OBJECT, {}
  for step in path:gmatch "[^.]+" do
    there[#there + 1] = ("%s in %s"):format(quote(step), at)
    at = ("%s[%s]"):format(at, quote(step))
  end
  local same = ("%s && string(%s) == %s"):format(table.concat(there, " && "), at, quote(wanted))
  if wanted == "" then same = ("!(%s) || string(%s) == \"\""):format(table.concat(there, " && "), at) end
  return operator == "!=" and ("!(%s)"):format(same) or same
end

--- The conditions of annotations (a map) and fields (selector text), as { name, expression }.
function M.conditions(annotations, fields)
  local out = {}
  for i, name in ipairs(sorted(annotations or {})) do
    out[#out + 1] = { name = "annotation-" .. i, expression = annotation(name, annotations[name]) }
  end
  local i, annotation_count = 0, #out
  for clause in (fields or ""):gmatch "[^,]+" do
    local path, operator, wanted = clause:match "^%s*([^=!%s]+)%s*([!=]=?)%s*(.-)%s*$"
    i = i + 1
    out[i + annotation_count] = { name = "field-" .. i, expression = field(path, operator, wanted) }
  end
  return out
end

local function value_at(object, path)
  for step in path:gmatch "[^.]+" do
    if type(object) ~= "table" then return "" end
    object = object[step]
  end
  return object == nil and "" or tostring(object)
end

--- The same without a server, for tests.
function M.fits(match, object)
  if not selectors.fits({ annotations = match.annotations, namespaces = match.namespaces }, object) then
    return false
  end
  for clause in (match.fields or ""):gmatch "[^,]+" do
    local path, operator, wanted = clause:match "^%s*([^=!%s]+)%s*([!=]=?)%s*(.-)%s*$"
    if path and (value_at(object, path) == wanted) == (operator == "!=") then return false end
  end
  return true
end

return M
