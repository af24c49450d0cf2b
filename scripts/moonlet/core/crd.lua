--- The CustomResourceDefinition (apiextensions.k8s.io/v1) of a moonlet.resource.
local check = require "moonlet.check"
local core = require "moonlet.core"
local schema = require "moonlet.schema"

local M = {}

-- The schema that the path leads to, or nil.
local function schema_at(fields, path)
  local at = { properties = { spec = fields.spec and schema.openapi(fields.spec),
    status = fields.status and schema.openapi(fields.status) } }
  for step in path:gmatch "[%w_-]+" do
    at = at and at.properties and at.properties[step]
  end
  return at
end

-- "string", "integer"… for a printer column.
local function column_type(fields, path)
  local at = schema_at(fields, path)
  if path:find "[Tt]imestamp$" then return "date" end
  local kind = at and at.type
  if kind == "integer" or kind == "number" or kind == "boolean" then return kind end
  if at and at.format == "date-time" then return "date" end
  return "string"
end

local COLUMN = { path = "string", type = "string?", description = "string?", priority = "number?",
  format = "string?" }

local COLUMN_TYPES = { integer = true, number = true, string = true, boolean = true, date = true }

local function columns(self, fields)
  local list, names = core.array {}, {}
  for name in pairs(fields.columns or {}) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  local has_age = false
  for _, name in ipairs(names) do
    local column = fields.columns[name]
    local what = ("moonlet.resource %s: column %s"):format(self.kind, tostring(name))
    if type(column) == "string" then column = { path = column } end
    check.options(column, COLUMN, self.at, what)
    if type(name) ~= "string" or column.path:sub(1, 1) ~= "." then
      check.fault(self.at, what .. ': written Name = ".spec.field"')
    end
    if column.type and not COLUMN_TYPES[column.type] then
      check.fault(self.at, what .. ": type is one of integer, number, string, boolean, date")
    end
    if column.priority and (column.priority < 0 or column.priority % 1 ~= 0) then
      check.fault(self.at, what .. ": priority is a whole number; above 0 is shown by -o wide")
    end
    has_age = has_age or name:lower() == "age"
    list[#list + 1] = {
      name = name, jsonPath = column.path, type = column.type or column_type(fields, column.path),
      description = column.description, priority = column.priority, format = column.format,
    }
  end
  if #list > 0 and not has_age then
    list[#list + 1] = { name = "Age", jsonPath = ".metadata.creationTimestamp", type = "date" }
  end
  return #list > 0 and list or nil
end

local function subresources(self, fields)
  local scale = fields.scale
  if not fields.status and not scale then return nil end
  local out = {}
  if fields.status then out.status = {} end
  if scale then
    local what = ("moonlet.resource %s: scale"):format(self.kind)
    check.options(scale, { spec = "string", status = "string", selector = "string?" }, self.at, what)
    for _, part in ipairs { "spec", "status" } do
      if not scale[part]:find("^%." .. part .. "%.[%w_.-]+$") then
        check.fault(self.at, ('%s.%s: a path such as ".%s.size" expected, not "%s"'):format(what, part, part,
          scale[part]))
      end
    end
    out.scale = { specReplicasPath = scale.spec, statusReplicasPath = scale.status,
      labelSelectorPath = scale.selector }
  end
  return out
end

local function texts(list)
  return list and core.array(core.copy(list)) or nil
end

local SELECTABLE = { string = true, integer = true, boolean = true }

local function selectable(self, fields)
  if not fields.selectable_fields then return nil end
  local out = core.array {}
  for i, path in ipairs(fields.selectable_fields) do
    local what = ("moonlet.resource %s: selectable_fields[%d]"):format(self.kind, i)
    if type(path) ~= "string" or not path:find "^%.[%w_.-]+$" then
      check.fault(self.at, ('%s: %s is not a path such as ".spec.color"'):format(what, check.describe(path)))
    end
    local at = schema_at(fields, path)
    if not at then check.fault(self.at, ("%s: %s is not in the schema"):format(what, path)) end
    if not SELECTABLE[at.type] then
      check.fault(self.at, ("%s: %s is not a text, a whole number or a boolean"):format(what, path))
    end
    out[i] = { jsonPath = path }
  end
  return out
end

local function version(self, one)
  local fields = one.fields
  local root = { type = "object", properties = {
    apiVersion = { type = "string" }, kind = { type = "string" }, metadata = { type = "object" } } }
  if fields.spec then
    root.properties.spec = schema.openapi(fields.spec)
    if schema.required_inside(fields.spec) then root.required = core.array { "spec" } end
  end
  if fields.status then root.properties.status = schema.openapi(fields.status) end
  return {
    name = one.name, served = one.served, storage = one.storage,
    deprecated = one.deprecated, deprecationWarning = one.warning,
    schema = { openAPIV3Schema = root },
    subresources = subresources(self, fields), additionalPrinterColumns = columns(self, fields),
    selectableFields = selectable(self, fields),
  }
end

--- The whole CustomResourceDefinition; where a conversion webhook is found is the host's to add.
function M.of(self)
  local fields, list = self.fields, core.array {}
  for i, one in ipairs(self.versions) do list[i] = version(self, one) end
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
      versions = list,
      conversion = self.conversion and {
        strategy = "Webhook", webhook = { conversionReviewVersions = core.array { "v1" } },
      } or #list > 1 and { strategy = "None" } or nil,
    },
  }
end

return M
