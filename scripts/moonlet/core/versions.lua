--- The versions of a moonlet.resource: what each says itself, and what it takes from the resource.
local check = require "moonlet.check"
local conversion = lazy "moonlet.core.conversion"
local core = require "moonlet.core"
local schema = require "moonlet.schema"

local M = {}

local SHARED = { "spec", "status", "columns", "scale", "selectable_fields" }
M.SHARED = SHARED
local FIELDS = {
  spec = "table?", status = "table?", columns = "table?", scale = "table?", selectable_fields = "list?",
  storage = "boolean?", served = "boolean?", deprecated = "boolean?", deprecation_warning = "string?",
}

local function check_name(name, at, what)
  if type(name) ~= "string" or not name:find "^v%d+[a-z0-9]*$" then
    check.fault(at, ('%s: version "%s" is not one such as "v1" or "v1alpha1"'):format(what, tostring(name)))
  end
end
M.check_name = check_name

local function read_one(name, own, fields, at, what)
  check_name(name, at, what)
  local place = ("%s.versions.%s"):format(what, name)
  check.options(own, FIELDS, at, place)
  local out = { name = name, served = own.served ~= false, storage = own.storage == true,
    deprecated = own.deprecated or nil, warning = own.deprecation_warning, fields = {} }
  if out.warning and not out.deprecated then
    check.fault(at, place .. ".deprecation_warning: needs deprecated = true")
  end
  for _, shared in ipairs(SHARED) do
    out.fields[shared] = own[shared]
    if own[shared] == nil then out.fields[shared] = fields[shared] end
  end
  return out
end

local function check_storage(list, at, what)
  local storage
  for _, one in ipairs(list) do
    if one.storage and storage then
      check.fault(at, ("%s.versions: %s and %s both have storage = true; the server keeps objects in one version")
        :format(what, storage.name, one.name))
    end
    storage = one.storage and one or storage
  end
  if not storage then
    check.fault(at, what .. ".versions: none has storage = true; mark the version that the server keeps objects in")
  end
  return storage
end

local function openapi(one)
  local out = {}
  for _, part in ipairs { "spec", "status" } do
    out[part] = schema.is(one.fields[part]) and schema.openapi(one.fields[part]) or nil
  end
  return out
end

-- The first version that says something else than the first one, if any.
local function different(list)
  local first = openapi(list[1])
  for i = 2, #list do
    if not core.equal(first, openapi(list[i])) then return list[i] end
  end
end

--- The list of versions by name, and the one that is stored.
function M.read(fields, at, what)
  if fields.versions == nil then
    if fields.version == nil then check.fault(at, what .. ": version is missing") end
    check_name(fields.version, at, what)
    local one = { name = fields.version, served = true, storage = true, fields = fields }
    return { one }, one
  end
  if fields.version ~= nil then check.fault(at, what .. ": version or versions, not both") end
  local names, list = {}, {}
  for name in pairs(fields.versions) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for i, name in ipairs(names) do list[i] = read_one(name, fields.versions[name], fields, at, what) end
  return list, check_storage(list, at, what)
end

--- How objects come from one version to another: a conversion, or nil for strategy None.
function M.conversion(resource, list, fields, at, what)
  local convert = fields.convert
  if convert == "none" then return nil end
  if #list == 1 then
    if convert ~= nil then check.fault(at, what .. ".convert: there is one version; nothing is converted") end
    return nil
  end
  if convert == nil then
    local other = different(list)
    if not other then return nil end
    check.fault(at, ('%s.versions: %s and %s say different things; add convert = { ["%s->%s"] = function(obj) … end, '
      .. '["%s->%s"] = function(obj) … end }, or convert = "none" when only apiVersion differs')
      :format(what, list[1].name, other.name, list[1].name, other.name, other.name, list[1].name))
  end
  local versions = {}
  for _, one in ipairs(list) do versions[one.name] = true end
  return conversion.new(resource, convert, versions, at, what)
end

return M
