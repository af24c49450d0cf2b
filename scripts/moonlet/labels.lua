--- Label selectors: as text ("app in (a,b), !canary"), as moonlet's map ({ app = "web", tier = true }),
--- or as Kubernetes' LabelSelector ({ matchLabels =, matchExpressions = }).
local check = require "moonlet.check"

local M = {}

---@class moonlet.Requirement
---@field key string
---@field operator "="|"!="|"in"|"notin"|"exists"|"!"|">"|"<"
---@field values? string[]

---@alias moonlet.Selector string|table a text, a map, a LabelSelector, or what labels.parse gave

local Selector = {}

local function rejected(text, why)
  return nil, ('selector "%s": %s'):format(text, why), { code = "rejected" }
end

local function is_key(text)
  local prefix, name = text:match "^([^/]+)/([^/]+)$"
  name = name or text
  if prefix and not (#prefix <= 253 and prefix:find "^[a-z0-9][a-z0-9.-]*$") then return false end
  return #name <= 63 and name:find "^[%w][%w._-]*$" ~= nil and not name:find "[._-]$"
end

local function is_value(text)
  return text == "" or #text <= 63 and text:find "^[%w][%w._-]*$" ~= nil and not text:find "[._-]$"
end

-- "a in (b,c), d" split at the commas outside of parentheses.
local function clauses(text)
  local out, from, depth = {}, 1, 0
  for at = 1, #text do
    local c = text:sub(at, at)
    if c == "(" then depth = depth + 1
    elseif c == ")" then depth = depth - 1
    elseif c == "," and depth == 0 then
      out[#out + 1] = text:sub(from, at - 1)
      from = at + 1
    end
  end
  out[#out + 1] = text:sub(from)
  return out
end

local function set_of(inner)
  local values = {}
  for value in (inner .. ","):gmatch "%s*([^,]-)%s*," do values[#values + 1] = value end
  return values
end

-- One requirement of a clause without white space at its ends, or nil.
local function requirement(clause)
  local key, word, inner = clause:match "^(%S+)%s+(%l+)%s*%((.*)%)$"
  if word == "in" or word == "notin" then return { key = key, operator = word, values = set_of(inner) } end
  key = clause:match "^!%s*(%S+)$"
  if key then return { key = key, operator = "!" } end
  local op, value
  key, op, value = clause:match "^([^%s=!<>]+)%s*([=!<>]=?)%s*(%S*)$"
  if not key then
    key = clause:match "^(%S+)$"
    return key and { key = key, operator = "exists" } or nil
  end
  if op == "==" then op = "=" end
  if op == "!" or op == "<=" or op == ">=" then return nil end
  return { key = key, operator = op, values = { value } }
end

local function problem(one)
  if not is_key(one.key) then return ('"%s" is not a label\'s name'):format(one.key) end
  for _, value in ipairs(one.values or {}) do
    if not is_value(value) then return ('"%s" is not a label\'s value'):format(value) end
    if (one.operator == ">" or one.operator == "<") and not value:find "^-?%d+$" then
      return ("%s %s needs a whole number"):format(one.key, one.operator)
    end
  end
end

local function by_key(a, b)
  return a.key < b.key
end

local function from_text(text)
  local out = setmetatable({}, Selector)
  if not text:find "%S" then return out end
  for _, written in ipairs(clauses(text)) do
    local clause = written:match "^%s*(.-)%s*$"
    local one = requirement(clause)
    if not one then return rejected(text, ('"%s" is not a requirement'):format(clause)) end
    local why = problem(one)
    if why then return rejected(text, why) end
    out[#out + 1] = one
  end
  return out
end

local OPERATORS = { In = "in", NotIn = "notin", Exists = "exists", DoesNotExist = "!" }

local function from_kubernetes(written)
  local out = setmetatable({}, Selector)
  for key, value in pairs(written.matchLabels or {}) do
    out[#out + 1] = { key = key, operator = "=", values = { tostring(value) } }
  end
  table.sort(out, by_key)
  for _, one in ipairs(written.matchExpressions or {}) do
    local operator = OPERATORS[one.operator]
    if not operator then
      return rejected("matchExpressions", ("unknown operator %s"):format(check.describe(one.operator)))
    end
    local values
    if operator == "in" or operator == "notin" then
      values = {}
      for i, value in ipairs(one.values or {}) do values[i] = tostring(value) end
      if #values == 0 then return rejected("matchExpressions", one.operator .. " needs values") end
    end
    out[#out + 1] = { key = tostring(one.key), operator = operator, values = values }
  end
  return out
end

local function from_map(map)
  local out = setmetatable({}, Selector)
  for key, want in pairs(map) do
    if type(key) ~= "string" then
      return nil, ("selector: %s is not a label's name"):format(tostring(key)), { code = "rejected" }
    end
    local one = { key = key, operator = "=", values = { want } }
    if want == true then one = { key = key, operator = "exists" }
    elseif want == false then one = { key = key, operator = "!" }
    elseif type(want) == "table" then
      if want[1] == nil then return rejected(key, "needs values") end
      one.operator, one.values = "in", want
    end
    for i, value in ipairs(one.values or {}) do
      if type(value) ~= "string" and type(value) ~= "number" then
        return rejected(key, check.describe(value) .. " is not a label's value")
      end
      if i == 1 then one.values = {} end
      one.values[i] = tostring(value)
    end
    out[#out + 1] = one
  end
  table.sort(out, by_key)
  return out
end

--- The requirements of a selector; parse once what is matched often. Fails with "rejected".
---@nodiscard
---@param selector moonlet.Selector
---@return moonlet.Requirement[]? requirements, string? message, moonlet.ErrorInfo? info
function M.parse(selector)
  check.argument(selector, "string|table", "labels.parse: selector")
  if type(selector) == "string" then return from_text(selector) end
  if getmetatable(selector) == Selector then return selector end
  local parsed, message, info
  if type(selector.matchLabels) == "table" or type(selector.matchExpressions) == "table" then
    parsed, message, info = from_kubernetes(selector)
  else
    parsed, message, info = from_map(selector)
  end
  if not parsed then return nil, message, info end
  for _, one in ipairs(parsed) do
    local why = problem(one)
    if why then return rejected(M.format(parsed), why) end
  end
  return parsed
end

local function contains(values, value)
  for _, each in ipairs(values) do
    if each == value then return true end
  end
  return false
end

local function fits(one, labels)
  local have = labels[one.key]
  local op = one.operator
  if op == "exists" then return have ~= nil end
  if op == "!" then return have == nil end
  if op == "!=" or op == "notin" then return have == nil or not contains(one.values, have) end
  if have == nil then return false end
  if op == "=" or op == "in" then return contains(one.values, have) end
  local number, limit = tonumber(have), tonumber(one.values[1])
  if not number or not have:find "^-?%d+$" then return false end
  if op == ">" then return number > limit end
  return number < limit
end

--- Do the labels fit? An empty selector fits everything. Fails with "rejected".
---@nodiscard
---@param selector moonlet.Selector
---@param labels? table<string, string> of an object; nil is none
---@return boolean? fits, string? message, moonlet.ErrorInfo? info
function M.matches(selector, labels)
  check.argument(labels, "table|nil", "labels.matches: labels")
  local parsed, message, info = M.parse(selector)
  if not parsed then return nil, message, info end
  for _, one in ipairs(parsed) do
    if not fits(one, labels or {}) then return false end
  end
  return true
end

--- The selector as text, for a URL or a message. Fails with "rejected".
---@nodiscard
---@param selector moonlet.Selector
---@return string? text, string? message, moonlet.ErrorInfo? info
function M.format(selector)
  local parsed, message, info = selector, nil, nil
  if type(selector) ~= "table" or getmetatable(selector) ~= Selector then
    parsed, message, info = M.parse(selector)
  end
  if not parsed then return nil, message, info end
  local out = {}
  for i, one in ipairs(parsed) do
    if one.operator == "exists" then out[i] = one.key
    elseif one.operator == "!" then out[i] = "!" .. one.key
    elseif one.operator == "in" or one.operator == "notin" then
      out[i] = ("%s %s (%s)"):format(one.key, one.operator, table.concat(one.values, ","))
    else
      out[i] = one.key .. one.operator .. one.values[1]
    end
  end
  return table.concat(out, ",")
end

return M
