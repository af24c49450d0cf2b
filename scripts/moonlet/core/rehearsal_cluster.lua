-- The objects of a rehearsal: a cluster as a table, with the schemas of the resources that are declared.
local core = require "moonlet.core"
local labels = require "moonlet.labels"
local schema = require "moonlet.schema"

local M = {}

local CLUSTER = {}
for kind in ([[Node Namespace PersistentVolume ClusterRole ClusterRoleBinding StorageClass IngressClass
  CustomResourceDefinition PriorityClass RuntimeClass CSIDriver CSINode VolumeAttachment
  APIService MutatingWebhookConfiguration ValidatingWebhookConfiguration
  CertificateSigningRequest FlowSchema PriorityLevelConfiguration]]):gmatch "%a+" do
  CLUSTER[kind] = true
end

local function plain(value) -- a private copy, as JSON would carry it
  return core.json_decode(core.json_encode(value))
end

local function kind_of(object)
  return object.apiVersion .. "/" .. object.kind
end

local function failure(code, message, extra)
  local out = { code = code, message = message }
  for name, value in pairs(extra or {}) do out[name] = value end
  return setmetatable(out, core.error_metatable)
end
M.failure = failure

M.plain, M.kind_of = plain, kind_of

local Cluster = {}
Cluster.__index = Cluster

function Cluster:namespaced(kind)
  local known = self.scopes[kind]
  if known ~= nil then return known end
  return not CLUSTER[kind:match "[^/]+$"]
end

local function place(ns, name)
  return (ns or "") .. "/" .. name
end

function Cluster:at(kind, ns, name)
  return self.objects[kind] and self.objects[kind][place(self:namespaced(kind) and ns or "", name)]
end

function Cluster:put(object)
  local kind = kind_of(object)
  local metadata = object.metadata
  self.version = self.version + 1
  metadata.resourceVersion = tostring(self.version)
  metadata.uid = metadata.uid or ("uid-%d"):format(self.version)
  self.objects[kind] = self.objects[kind] or {}
  local key = place(self:namespaced(kind) and metadata.namespace or "", metadata.name)
  local old = self.objects[kind][key]
  self.objects[kind][key] = object
  self.changed(kind, old, object)
  return object
end

function Cluster:remove(kind, ns, name)
  local old = self:at(kind, ns, name)
  if not old then return false end
  self.objects[kind][place(self:namespaced(kind) and ns or "", name)] = nil
  self.changed(kind, old, nil)
  return true
end

--- The reference of the object's controller, or nil.
function M.controller_owner(object)
  for _, owner in ipairs(object.metadata.ownerReferences or {}) do
    if owner.controller then return owner end
  end
end

--- A copy as a reader of the cache gets it.
function Cluster:lend(object)
  local copy = plain(object)
  self.lent[copy] = true
  return copy
end

local function field_of(object, path)
  for step in path:gmatch "[^.]+" do
    if type(object) ~= "table" then return nil end
    object = object[step]
  end
  return object
end

local function fits_fields(selector, object)
  for clause in (selector or ""):gmatch "[^,]+" do
    local path, op, want = clause:match "^%s*([^=!]+)([!=]=?)(.-)%s*$"
    if path then
      local have = field_of(object, path)
      local same = tostring(have == nil and "" or have) == want
      if same == (op == "!=") then return false end
    end
  end
  return true
end

function Cluster:list(kind, ns, selector, fields)
  local found, parsed = {}, nil
  if selector and selector ~= "" then
    local message
    parsed, message = labels.parse(selector)
    if not parsed then error("labels: " .. message, 0) end
  end
  for _, object in pairs(self.objects[kind] or {}) do
    if (ns == nil or object.metadata.namespace == ns) and fits_fields(fields, object)
      and (not parsed or labels.matches(parsed, object.metadata.labels)) then
      found[#found + 1] = object
    end
  end
  table.sort(found, function(a, b)
    return place(a.metadata.namespace, a.metadata.name) < place(b.metadata.namespace, b.metadata.name)
  end)
  return found
end

--- The object with its CRD's defaults, as the server would store it; or nil and what is wrong with it.
--- A field that the schema lacks is wrong too: the server would drop it.
function Cluster:admitted(object)
  for _, one in ipairs(self.resources) do
    if tostring(one) == kind_of(object) then
      for _, part in ipairs { "spec", "status" } do
        local of = one.fields[part]
        if of and (object[part] ~= nil or part == "spec") then
          object[part] = schema.with_defaults(of, object[part])
          local ok, why = true, nil
          if object[part] ~= nil then
            ok, why = schema.validate(of, object[part], part)
          elseif schema.required_inside(of) then
            ok, why = false, "spec is missing"
          end
          if not ok then return nil, ("%s %s: %s"):format(one.kind, object.metadata.name, why) end
        end
      end
    end
  end
  return object
end

--- Puts what a handler has written; raises what the server would answer.
function Cluster:write(object)
  local admitted, why = self:admitted(object)
  if not admitted then error(failure("rejected", why, { status = 422, reason = "Invalid" }), 0) end
  return self:put(admitted)
end

---@param resources table[] moonlet.resource values
---@param changed fun(kind: string, old: table?, new: table?) called after each change
function M.new(resources, changed)
  local scopes = {}
  for _, one in ipairs(resources) do scopes[tostring(one)] = one.fields.scope ~= "Cluster" end
  return setmetatable({ objects = {}, scopes = scopes, resources = resources, version = 100, changed = changed,
    lent = setmetatable({}, { __mode = "k" }) }, Cluster)
end

return M
