--- moonlet.injector: the handler that puts containers, volumes and the like into a pod spec. What it put
--- in is written into an annotation of the object (item -> hash), so that a later call knows its own
--- untouched items, renews them, and leaves alone what somebody has edited since.
local admission = require "moonlet.core.admission"
local core = require "moonlet.core"
local fields_of = require "moonlet.core.injector_fields"
local items = require "moonlet.core.items"
local merge = require "moonlet.merge"

local M = {}

local BOTH, CREATE = { "CREATE", "UPDATE" }, { "CREATE" } -- the pod spec of a Pod or a Job never changes
local OPERATIONS = {
  ["v1/Pod"] = CREATE, ["batch/v1/Job"] = CREATE, ["batch/v1/CronJob"] = BOTH, ["apps/v1/Deployment"] = BOTH,
  ["apps/v1/StatefulSet"] = BOTH, ["apps/v1/DaemonSet"] = BOTH, ["apps/v1/ReplicaSet"] = BOTH,
}
M.KINDS = "v1/Pod, apps/v1/Deployment, StatefulSet, DaemonSet, ReplicaSet, batch/v1/Job and CronJob"

--- The operations at which a kind can still be completed; nil when it holds no pod spec.
function M.operations(kind)
  return OPERATIONS[kind]
end

-- What has the pod spec: the Pod, or the template of a workload.
local function target_of(object)
  local spec = object.spec
  if object.kind == "Pod" then return object end
  if object.kind == "CronJob" then spec = spec and spec.jobTemplate and spec.jobTemplate.spec end
  return spec and spec.template
end

-- A ReplicaSet of a Deployment must stay equal to its template, or the Deployment makes others without end.
local function follows(object)
  if object.kind ~= "ReplicaSet" then return false end
  for _, owner in ipairs(object.metadata.ownerReferences or {}) do
    if owner.controller then return true end
  end
  return false
end

local function opted_out(metadata, name)
  local annotations = metadata.annotations or {}
  return annotations["moonlet.dev/inject"] == "false" or annotations[name .. ".moonlet.dev/inject"] == "false"
end

local Injection = {} -- one call: { spec, target, record (found), foreign, kept (to be written), fields, req }
Injection.__index = Injection

function Injection:conflict(message)
  if self.fields.on_conflict == "skip" then
    self.req:warn(("%s: %s; left as it is"):format(self.fields.name, message))
  else
    local name = self.fields.name
    self.denied = self.denied or ("%s: %s; the annotation %s.moonlet.dev/inject: \"false\" keeps everything of it out")
      :format(name, message, name)
  end
  return false
end

local function merged(existing, wanted)
  local out = merge.strategic(existing, wanted)
  for _, variable in ipairs(wanted.env or {}) do -- value over valueFrom would leave both
    local at = items.find(out.env, "name", variable.name)
    if at then out.env[at] = core.copy(variable) end
  end
  return out
end

--- An item that is there already: ours is renewed, an edited one stays, a stranger's decides by the rules.
--- Returns false when it stands in the way.
function Injection:meet(list, at, key, wanted, by_merge)
  local existing, known, hash = list[at], self.record[key], items.hash(wanted)
  if known and items.hash(existing) == known then
    if hash ~= known then list[at] = core.copy(wanted) end
    self.kept[key] = hash
    return true
  end
  self.kept[key] = known
  if items.contains(existing, wanted) then return true end
  if self.fields.override then
    list[at] = by_merge and merged(existing, wanted) or core.copy(wanted)
    if known then self.kept[key] = items.hash(list[at]) == hash and hash or "edited" end
    return true
  end
  return known ~= nil
end

-- Beside its neighbours of the definition; else at the end that the definition says.
local function insert(list, wanted, order, i, key, first)
  if key == "" then return table.insert(list, core.copy(wanted)) end
  local before, after = order[i - 1] and items.find(list, key, order[i - 1][key]), nil
  for j = i + 1, #order do after = after or items.find(list, key, order[j][key]) end
  table.insert(list, before and before + 1 or after or first and 1 or #list + 1, core.copy(wanted))
end

-- Removes what is ours, untouched, and no longer wanted.
function Injection:drop(list, prefix, name, wanted)
  local removed = false
  for i = #(list or {}), 1, -1 do
    local key = prefix .. tostring(name == "" and items.hash(list[i]) or list[i][name])
    if self.record[key] and not wanted[key] and items.hash(list[i]) == self.record[key] then
      table.remove(list, i)
      removed = true
    end
  end
  if removed and #list == 0 then return nil end
  return list
end

local function keys_of(list, prefix, name)
  local out = {}
  for _, item in ipairs(list) do out[prefix .. tostring(name == "" and items.hash(item) or item[name])] = true end
  return out
end

-- Named items of the pod spec: volumes, image pull secrets; tolerations are named by their hash.
function Injection:list(field, prefix, name, wanted, what)
  local list = self:drop(self.spec[field], prefix, name, keys_of(wanted, prefix, name))
  self.spec[field] = list
  list = list or core.array {}
  for i, item in ipairs(wanted) do
    local key = prefix .. (name == "" and items.hash(item) or item[name])
    local at = name ~= "" and items.find(list, name, item[name])
    for j = 1, name == "" and #list or 0 do
      if items.contains(list[j], item) then at = j end
    end
    if not at then
      insert(list, item, wanted, i, name, false)
      self.spec[field] = list
      self.kept[key] = items.hash(item)
    elseif not self:meet(list, at, key, item, false) then
      self.skipped[key] = true
      self:conflict(("%s \"%s\" is there already and says something else"):format(what, item[name]))
    end
  end
end

function Injection:map(field, prefix, wanted)
  local metadata = self.target.metadata or {}
  local map, removed = metadata[field], false
  for name, value in pairs(core.copy(map or {})) do
    local key = prefix .. name
    if wanted[name] == nil and self.record[key] and items.hash(value) == self.record[key] then
      map[name], removed = nil, true
    end
  end
  for name, value in pairs(wanted) do
    map = map or {}
    if map[name] == nil then
      map[name] = value
      self.kept[prefix .. name] = items.hash(value)
    else
      self:meet(map, name, prefix .. name, value, false)
    end
  end
  if removed and next(map) == nil then map = nil end
  metadata[field] = map
  if map then self.target.metadata = metadata end
end

require "moonlet.core.injector_containers" (Injection, { insert = insert, keys_of = keys_of })

-- The record ---------------------------------------------------------------------------------------
-- It stands beside what it is of: in a pod template, so that the Pods made of it carry it, too, and an injector
-- into both knows its own items there.

local function read_record(metadata, annotation)
  local text = metadata.annotations and metadata.annotations[annotation]
  local record = text and core.json_decode(text)
  if type(record) ~= "table" or core.is_array(record) then return {} end
  for key, hash in pairs(core.copy(record)) do
    if type(hash) ~= "string" then record[key] = nil end
  end
  return record
end

-- The containers that other injectors have put in: not the pod's own.
local function foreign(metadata, annotation)
  local out = {}
  for name in pairs(metadata.annotations or {}) do
    if name ~= annotation and name:find("moonlet.dev/injected-", 1, true) == 1 then
      for key in pairs(read_record(metadata, name)) do out[key:match "^container/(.+)$" or ""] = true end
    end
  end
  return out
end

local function write_record(target, annotation, kept)
  local metadata = target.metadata or {}
  local text = next(kept) ~= nil and core.json_encode(kept) or nil
  local annotations = metadata.annotations
  if text == (annotations and annotations[annotation]) then return end
  annotations = annotations or {}
  annotations[annotation] = text
  metadata.annotations = next(annotations) ~= nil and annotations or nil
  target.metadata = metadata
end

local function evaluate(fields, at, object, ctx)
  local out = {}
  for _, name in ipairs(fields_of.NAMES) do
    local given = fields[name]
    if type(given) == "function" then given = given(object, ctx) end
    out[name] = fields_of.value(name, given, fields, function(message)
      error(("%s: injector '%s': %s: %s"):format(at, fields.name, name, message), 0)
    end)
  end
  return out
end

local NOTHING = { containers = {}, init_containers = {}, volumes = {}, mounts = {}, env = {}, labels = {},
  annotations = {}, image_pull_secrets = {}, tolerations = {} }

--- The `mutate` of an injector; `at` is where it is defined.
function M.handler(fields, at)
  local annotation = "moonlet.dev/injected-" .. fields.name
  return function(object, req, ctx)
    local target = object and object.metadata and target_of(object)
    if not target or not target.spec or object.metadata.deletionTimestamp or follows(object) then return end
    local out = opted_out(object.metadata, fields.name) or opted_out(target.metadata or {}, fields.name)
    local wanted = out and NOTHING or evaluate(fields, at, object, ctx)
    local self = setmetatable({ fields = fields, req = req, target = target, spec = target.spec, kept = {},
      skipped = {}, record = read_record(target.metadata or {}, annotation),
      foreign = foreign(target.metadata or {}, annotation) }, Injection)
    self:list("volumes", "volume/", "name", wanted.volumes, "volume")
    self:containers(wanted)
    self:list("imagePullSecrets", "pull/", "name", wanted.image_pull_secrets, "image pull secret")
    self:list("tolerations", "toleration/", "", wanted.tolerations, "toleration")
    self:map("labels", "label/", wanted.labels)
    self:map("annotations", "annotation/", wanted.annotations)
    if self.denied then return admission.deny(self.denied, { code = 422 }) end
    write_record(target, annotation, self.kept)
    if fields.patch and not out then return fields.patch(object, req, ctx) end
  end
end

return M
