--- moonlet.resource: a CRD from a schema (apiextensions.k8s.io/v1).
local check = require "moonlet.check"
local crd = lazy "moonlet.core.crd"
local schema = lazy "moonlet.schema"
local versions = lazy "moonlet.core.versions"

local M = {}

---@class moonlet.Resource
local Resource = {}
Resource.__index = Resource
Resource.__tostring = function(self)
  return ("%s/%s/%s"):format(self.group, self.version, self.kind)
end

local FIELDS = {
  group = "string", version = "string?", kind = "string", plural = "string?", scope = "string?",
  short_names = "list?", categories = "list?", spec = "table?", status = "table?",
  columns = "table?", scale = "table?", selectable_fields = "list?", singular = "string?",
  versions = "table?", convert = "table|string?",
}

--- Kubebuilder's English rule: "Policy" -> "policies", "Box" -> "boxes", "Shelf" -> "shelves",
--- "Pod" -> "pods".
function M.plural(kind)
  local name = kind:lower()
  if name:find "[^aeiou]y$" then return name:sub(1, -2) .. "ies" end
  if name:find "lf$" then return name:sub(1, -2) .. "ves" end
  if name:find "s$" or name:find "x$" or name:find "ch$" or name:find "sh$" then return name .. "es" end
  return name .. "s"
end

function M.is(value)
  return type(value) == "table" and getmetatable(value) == Resource
end

local function check_word(word, at, what)
  if word ~= nil and not (type(word) == "string" and check.is_label(word)) then
    check.fault(at, ("%s: %s is not a name in lower case"):format(what, check.describe(word)))
  end
end

function M.new(fields, at)
  if type(fields) ~= "table" then check.fault(at, "moonlet.resource takes a table of fields") end
  check.options(fields, FIELDS, at, "moonlet.resource")
  local what = "moonlet.resource " .. fields.kind
  if not check.is_subdomain(fields.group) or not fields.group:find(".", 1, true) then
    check.fault(at, ('%s: group "%s" is not a domain such as "app.example.com"'):format(what, fields.group))
  end
  if not fields.kind:find "^[A-Z][A-Za-z0-9]*$" then
    check.fault(at, ('%s: a kind is written in CapWords'):format(what))
  end
  for _, name in ipairs { "plural", "singular" } do check_word(fields[name], at, what .. "." .. name) end
  for _, list in ipairs { "short_names", "categories" } do
    for i, word in ipairs(fields[list] or {}) do check_word(word, at, ("%s.%s[%d]"):format(what, list, i)) end
  end
  if fields.scope and fields.scope ~= "Namespaced" and fields.scope ~= "Cluster" then
    check.fault(at, ('%s: scope is "Namespaced" or "Cluster", not "%s"'):format(what, fields.scope))
  end
  local list, stored = versions.read(fields, at, what)
  for _, one in ipairs(list) do
    for _, part in ipairs { "spec", "status" } do
      if one.fields[part] ~= nil and not schema.is(one.fields[part]) then
        check.fault(at, ('%s: %s is made with moonlet.schema: %s = s.object { … }'):format(what, part, part))
      end
    end
  end
  local self = { at = at, fields = M.fields_of(fields, stored), versions = list }
  self.group, self.version, self.kind = fields.group, stored.name, fields.kind
  self.plural = fields.plural or M.plural(fields.kind)
  setmetatable(self, Resource)
  self.conversion = versions.conversion(self, list, fields, at, what)
  self.crd = crd.of(self)
  return self
end

--- The resource's fields with those of one version.
function M.fields_of(fields, one)
  local out = {}
  for name, value in pairs(fields) do out[name] = value end
  for _, name in ipairs(versions.SHARED) do out[name] = one.fields[name] end
  return out
end

--- The same resource in another version: stands for its kind wherever one is named.
---@param version string
---@return moonlet.Resource
function Resource:in_version(version)
  local names = {}
  for _, one in ipairs(self.versions) do
    names[one.name] = true
    if one.name == version then
      return setmetatable({ root = M.root(self), at = self.at, fields = M.fields_of(self.fields, one),
        group = self.group, version = version, kind = self.kind, plural = self.plural, versions = self.versions,
        crd = self.crd, conversion = self.conversion }, Resource)
    end
  end
  local near = type(version) == "string" and check.nearest(version, names)
  check.misuse(("%s has no version %s%s"):format(self.kind, check.describe(version),
    near and (', did you mean "%s"?'):format(near) or ""))
end

--- The resource as it was declared, of one in another version.
function M.root(value)
  return value.root or value
end

return M
