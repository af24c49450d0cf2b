--- Checking of what people write: the error names file, line, field, and what to write instead.
local M = {}

local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local best = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(best, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- The name nearest to `name`: the shortest that it abbreviates, else by edits; nil when none is near.
---@param name string
---@param known table<string, any>
function M.nearest(name, known)
  local best, limit = nil, math.floor(#name / 3) + 2
  local names = {}
  for candidate in pairs(known) do
    if type(candidate) == "string" then names[#names + 1] = candidate end
  end
  table.sort(names, function(a, b) return #a < #b or #a == #b and a < b end)
  for _, candidate in ipairs(names) do
    if #name >= 3 and candidate:sub(1, #name) == name then return candidate end
  end
  table.sort(names)
  for _, candidate in ipairs(names) do
    local far = distance(name, candidate)
    local longer = best and math.abs(#candidate - #name) < math.abs(#best - #name)
    if far < limit or (far == limit and longer) then best, limit = candidate, far end
  end
  return best
end

--- Raises "at: message".
---@param at string "file:line", or ""
function M.fault(at, message)
  error(at ~= "" and at .. ": " .. message or message, 0)
end

--- `value` in words for a message.
function M.describe(value)
  if type(value) == "string" then return ('"%s"'):format(value) end
  if type(value) == "table" or type(value) == "function" then return "a " .. type(value) end
  return tostring(value)
end

--- Is the text a DNS label, as names of namespaces are?
function M.is_label(text)
  return #text <= 63 and text:find "^[a-z0-9][a-z0-9-]*$" ~= nil and not text:find "%-$"
end

--- Is it a DNS subdomain, as names of most objects are?
function M.is_subdomain(text)
  return #text <= 253 and text:find "^[a-z0-9][a-z0-9.-]*$" ~= nil and not text:find "[.-]$" and not text:find "%.%."
end

--- Raises for a key of `options` that is not in `known`.
function M.keys(options, known, at, what)
  for key in pairs(options) do
    if known[key] == nil then
      local near = type(key) == "string" and M.nearest(key, known)
      M.fault(at, ("%s: unknown field %s%s"):format(what, M.describe(key),
        near and (', did you mean "%s"?'):format(near) or ""))
    end
  end
end

--- Is it a table with the keys 1 to n, or none?
function M.is_list(value)
  if type(value) ~= "table" then return false end
  local n = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return false end
    n = n + 1
  end
  return n == #value
end

--- "string", "number", "boolean", "table", "function", "list", or several with "|".
local function is_a(value, wanted)
  for one in wanted:gmatch "[^|]+" do
    if one == "list" then
      if M.is_list(value) then return true end
    elseif type(value) == one then
      return true
    end
  end
  return false
end

--- Raises unless `value` is of a wanted type; nil passes.
function M.type(value, wanted, at, what)
  if value ~= nil and not is_a(value, wanted) then
    M.fault(at, ("%s: a %s expected, not %s"):format(what, wanted:gsub("|", " or "),
      M.describe(value)))
  end
  return value
end

--- Checks options against { name = "string?", rate = "number" }; a type without "?" is required.
--- Raises at `level` above the caller.
---@param options table
---@param shape table<string, string>
function M.options(options, shape, at, what)
  M.type(options, "table", at, what)
  if options == nil then M.fault(at, what .. ": a table of options expected") end
  M.keys(options, shape, at, what)
  for name, wanted in pairs(shape) do
    local optional = wanted:sub(-1) == "?"
    if options[name] == nil and not optional then
      M.fault(at, ("%s: %s is missing"):format(what, name))
    end
    M.type(options[name], optional and wanted:sub(1, -2) or wanted, at, what .. "." .. name)
  end
  return options
end

--- For functions of the library: raises at the controller's line unless `value` is of a wanted
--- type. nil passes only when it is wanted: "string|nil".
---@param what string the function and its parameter: "json.decode: text"
function M.argument(value, wanted, what)
  for one in wanted:gmatch "[^|]+" do
    if type(value) == one then return value end
  end
  M.misuse(("%s: a %s expected, not %s"):format(what, (wanted:gsub("|nil$", ""):gsub("|", " or ")),
    value == nil and "nil" or M.describe(value)))
end

--- Raises at the line of the controller that called the library.
function M.misuse(message)
  M.fault(require "moonlet.core".caller(1), message)
end

return M
