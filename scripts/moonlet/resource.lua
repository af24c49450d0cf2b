--- moonlet.resource: a CRD from a schema (apiextensions.k8s.io/v1).
local check = require "moonlet.check"
local core = require "moonlet.core"
local schema = require "moonlet.schema"

local M = {}

---@class moonlet.Resource
local Resource = {}
Resource.__index = Resource
Resource.__tostring = function(self)
  return ("%s/%s/%s"):format(self.group, self.version, self.kind)
end

local FIELDS = {
  group = "string", version = "string", kind = "string", plural = "string?", scope = "string?",
  short_names = "list?", categories = "list?", spec = "table?", status = "table?",
  columns = "table?", scale = "table?", selectable_fields = "list?", singular = "string?",
}

--- Kubebuilder's English rule: "Policy" -> "policies", "Box" -> "boxes", "Pod" -> "pods".
function M.plural(kind)
  local name = kind:lower()
  if name:find "[^aeiou]y$" then return name:sub(1, -2) .. "ies" end
  if name:find "s$" or name:find "x$" or name:find "ch$" or name:find "sh$" then return name .. "es" end
  return name .. "s"
end

function M.is(value)
  return type(value) == "table" and getmetatable(value) == Resource
end

function M.new(fields, at)
  if type(fields) ~= "table" then check.fault(at, "moonlet.resource takes a table of fields") end
  for _, later in ipairs { "versions", "convert" } do
    if fields[later] ~= nil then
      check.fault(at, ("moonlet.resource: `%s` is not supported by this version"):format(later))
    end
  end
  check.options(fields, FIELDS, at, "moonlet.resource")
  local what = "moonlet.resource " .. fields.kind
  if not fields.group:find "^[a-z0-9][a-z0-9.-]*%.[a-z0-9.-]*[a-z0-9]$" then
    check.fault(at, ('%s: group "%s" is not a domain such as "app.example.com"'):format(what, fields.group))
  end
  if not fields.version:find "^v%d+[a-z0-9]*$" then
    check.fault(at, ('%s: version "%s" is not one such as "v1" or "v1alpha1"'):format(what, fields.version))
  end
  if not fields.kind:find "^[A-Z][A-Za-z0-9]*$" then
    check.fault(at, ('%s: a kind is written in CapWords'):format(what))
  end
  if fields.scope and fields.scope ~= "Namespaced" and fields.scope ~= "Cluster" then
    check.fault(at, ('%s: scope is "Namespaced" or "Cluster", not "%s"'):format(what, fields.scope))
  end
  for _, part in ipairs { "spec", "status" } do
    if fields[part] ~= nil and not schema.is(fields[part]) then
      check.fault(at, ('%s: %s is made with moonlet.schema: %s = s.object { … }'):format(what, part, part))
    end
  end
  local self = { at = at, fields = fields }
  self.group, self.version, self.kind = fields.group, fields.version, fields.kind
  self.plural = fields.plural or M.plural(fields.kind)
  setmetatable(self, Resource)
  self.crd = M.crd(self)
  return self
end

-- "string", "integer"… for a printer column, from the schema that the path leads to.
local function column_type(self, path)
  local at = { properties = { spec = self.fields.spec and schema.openapi(self.fields.spec),
    status = self.fields.status and schema.openapi(self.fields.status) } }
  for step in path:gmatch "[%w_-]+" do
    at = at and at.properties and at.properties[step]
  end
  if path:find "[Tt]imestamp$" then return "date" end
  local kind = at and at.type
  if kind == "integer" or kind == "number" or kind == "boolean" then return kind end
  if at and at.format == "date-time" then return "date" end
  return "string"
end

local COLUMN = { path = "string", type = "string?", description = "string?", priority = "number?",
  format = "string?" }

local function columns(self)
  local list, names = core.array {}, {}
  for name in pairs(self.fields.columns or {}) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  local has_age = false
  for _, name in ipairs(names) do
    local column = self.fields.columns[name]
    local what = ("moonlet.resource %s: column %s"):format(self.kind, tostring(name))
    if type(column) == "string" then column = { path = column } end
    check.options(column, COLUMN, self.at, what)
    if type(name) ~= "string" or column.path:sub(1, 1) ~= "." then
      check.fault(self.at, what .. ': written Name = ".spec.field"')
    end
    has_age = has_age or name:lower() == "age"
    list[#list + 1] = {
      name = name, jsonPath = column.path, type = column.type or column_type(self, column.path),
      description = column.description, priority = column.priority, format = column.format,
    }
  end
  if #list > 0 and not has_age then
    list[#list + 1] = { name = "Age", jsonPath = ".metadata.creationTimestamp", type = "date" }
  end
  return #list > 0 and list or nil
end

local function subresources(self)
  local scale = self.fields.scale
  if not self.fields.status and not scale then return nil end
  local out = {}
  if self.fields.status then out.status = {} end
  if scale then
    check.options(scale, { spec = "string", status = "string", selector = "string?" }, self.at,
      ("moonlet.resource %s: scale"):format(self.kind))
    out.scale = { specReplicasPath = scale.spec, statusReplicasPath = scale.status,
      labelSelectorPath = scale.selector }
  end
  return out
end

local function texts(list)
  return list and core.array(core.copy(list)) or nil
end

local function selectable(list)
  if not list then return nil end
  local out = core.array {}
  for i, path in ipairs(list) do out[i] = { jsonPath = path } end
  return out
end

--- The whole CustomResourceDefinition.
function M.crd(self)
  local fields = self.fields
  local root = { type = "object", properties = {
    apiVersion = { type = "string" }, kind = { type = "string" }, metadata = { type = "object" } } }
  if fields.spec then
    root.properties.spec = schema.openapi(fields.spec)
    if schema.required_inside(fields.spec) then root.required = core.array { "spec" } end
  end
  if fields.status then root.properties.status = schema.openapi(fields.status) end
  return {
    apiVersion = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition",
    metadata = { name = self.plural .. "." .. self.group },
    spec = {
      group = self.group, scope = fields.scope or "Namespaced",
      names = {
        kind = self.kind, plural = self.plural, singular = fields.singular or self.kind:lower(),
        listKind = self.kind .. "List",
        shortNames = texts(fields.short_names), categories = texts(fields.categories),
      },
      versions = core.array { {
        name = self.version, served = true, storage = true,
        schema = { openAPIV3Schema = root },
        subresources = subresources(self), additionalPrinterColumns = columns(self),
        selectableFields = selectable(fields.selectable_fields),
      } },
    },
  }
end

return M
