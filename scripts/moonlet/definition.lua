--- The constructors' common half: keeps what was written and where; declare.lua checks it whole.
local check = require "moonlet.check"

local M = { fault = check.fault }

local Definition = {}
Definition.__index = Definition
Definition.__tostring = function(self)
  return ("moonlet.%s %s"):format(self.type, tostring(self.fields.name))
end

local Predicate = {}
Predicate.__tostring = function(self) return "moonlet.when." .. self.name end

function M.new(kind, fields, at)
  if type(fields) ~= "table" or getmetatable(fields) == Definition then
    check.fault(at, ("moonlet.%s takes a table of fields: moonlet.%s { name = … }"):format(kind, kind))
  end
  return setmetatable({ type = kind, fields = fields, at = at }, Definition)
end

function M.is(value)
  return type(value) == "table" and getmetatable(value) == Definition
end

function M.predicate(name)
  return setmetatable({ name = name }, Predicate)
end

--- The name of a ready-made predicate, or nil.
function M.predicate_name(value)
  return type(value) == "table" and getmetatable(value) == Predicate and value.name or nil
end

return M
