-- Selectors as users write them, as the text the host compiles.
local M = {}

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- "app in (a,b)" as it is; { app = "web", tier = { "a", "b" }, x = true, y = false } as text.
function M.labels(match)
  if match == nil or type(match) == "string" then return match end
  local parts = {}
  for _, key in ipairs(sorted_keys(match)) do
    local want = match[key]
    if want == true then parts[#parts + 1] = key
    elseif want == false then parts[#parts + 1] = "!" .. key
    elseif type(want) == "table" then
      parts[#parts + 1] = key .. " in (" .. table.concat(want, ",") .. ")"
    else parts[#parts + 1] = key .. "=" .. tostring(want) end
  end
  return table.concat(parts, ",")
end

--- { ["status.phase"] = "Running" } as "status.phase=Running".
function M.fields(match)
  if match == nil or type(match) == "string" then return match end
  local parts = {}
  for _, key in ipairs(sorted_keys(match)) do
    parts[#parts + 1] = key .. "=" .. tostring(match[key]):gsub("[\\,=]", "\\%0")
  end
  return table.concat(parts, ",")
end

--- What is wrong with the text of a field selector, or nil.
function M.fields_problem(text)
  local plain = text:gsub("\\[\\,=]", "_") -- an escaped sign is part of a value
  for clause in (plain == "" and "" or plain .. ","):gmatch "([^,]*)," do
    local sign, value = clause:match "^[%w_][%w_.-]*([!=]=?)(.*)$"
    if (sign ~= "=" and sign ~= "==" and sign ~= "!=") or value:find "[\\=]" then
      return ('"%s" is not path=value, as in "status.phase=Running"'):format(clause)
    end
  end
end

function M.both(a, b)
  if a == nil or a == "" then return b end
  if b == nil or b == "" then return a end
  return a .. "," .. b
end

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

--- Does the object fit the parts of a declared match that have no selector text?
function M.fits(match, object)
  local metadata = object.metadata or {}
  local namespaces = match.namespaces
  if namespaces then
    if namespaces.except then
      if contains(namespaces.except, metadata.namespace) then return false end
    elseif not namespaces.labels and not contains(namespaces, metadata.namespace) then
      return false
    end
  end
  for name, want in pairs(match.annotations or {}) do
    local have = metadata.annotations and metadata.annotations[name]
    if want == true then
      if have == nil then return false end
    elseif want == false then
      if have ~= nil then return false end
    elseif type(want) == "table" then
      if not contains(want, have) then return false end
    elseif have ~= want then
      return false
    end
  end
  return true
end

return M
