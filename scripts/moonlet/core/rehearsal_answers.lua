-- What a rehearsed handler asks for, written down and answered.
local cluster = require "moonlet.core.rehearsal_cluster"
local core = require "moonlet.core"
local json_patch = require "moonlet.core.json_patch"
local merge = require "moonlet.merge"

local plain, kind_of, failure = cluster.plain, cluster.kind_of, cluster.failure

local Rehearsal = {}
Rehearsal.__index = Rehearsal

function Rehearsal:namespace_of(request)
  if not self.cluster:namespaced(request.kind) then return nil end
  return request.ns or self.call.namespace
end

function Rehearsal:filled(request, object)
  local metadata = object.metadata
  metadata.namespace = self:namespace_of(request)
  metadata.name = metadata.name or (metadata.generateName and metadata.generateName .. "x")
  local owner = request.owner
  if owner == nil then owner = self.owned[request.kind] end
  local primary = self.primary
  if owner and primary and not cluster.controller_owner(object) then
    if primary.metadata.namespace ~= metadata.namespace and self.cluster:namespaced(kind_of(primary)) then
      error(failure("invalid", ("%s %s cannot be owned by %s of another namespace"):format(request.kind,
        metadata.name, primary.metadata.name)), 0)
    end
    metadata.ownerReferences = metadata.ownerReferences or core.array {}
    table.insert(metadata.ownerReferences, {
      apiVersion = primary.apiVersion, kind = primary.kind, name = primary.metadata.name,
      uid = primary.metadata.uid, controller = true, blockOwnerDeletion = true,
    })
  end
  return object
end

function Rehearsal:target(request)
  local object = self.cluster:at(request.kind, self:namespace_of(request), request.name)
  if object then return object end
  error(failure("not_found", ("%s %s is not there"):format(request.kind, request.name),
    { status = 404, reason = "NotFound" }), 0)
end

local function note(list, item)
  list[#list + 1] = item
  return item
end
Rehearsal.note = note

function Rehearsal:ref(request)
  return { kind = request.kind, namespace = self:namespace_of(request), name = request.name }
end

local OPS = {}

function OPS:apply(request)
  local object = core.json_decode(request.text)
  note(self.run.applied, core.json_decode(request.text))
  object = self:filled(request, object)
  local old = self.cluster:at(request.kind, object.metadata.namespace, request.name)
  if not old and not self.owned[request.kind] and not request.create then
    error(failure("not_found", ("%s %s is not there; this controller does not own the kind, so say "
      .. "{ create = true } if apply may create it"):format(request.kind, request.name)), 0)
  end
  return self.cluster:write(old and merge.strategic(old, object) or object)
end

function OPS:create(request)
  note(self.run.created, plain(request.body))
  local object = self:filled(request, plain(request.body))
  if self.cluster:at(request.kind, object.metadata.namespace, object.metadata.name) then
    error(failure("exists", ("%s %s is there already"):format(request.kind, object.metadata.name),
      { status = 409, reason = "AlreadyExists" }), 0)
  end
  return self.cluster:write(object)
end

function OPS:update(request)
  local object = note(self.run.updated, plain(request.body))
  local old = self:target(request)
  if old.metadata.resourceVersion ~= object.metadata.resourceVersion then
    error(failure("conflict", ("%s %s has changed since it was read"):format(request.kind, request.name),
      { status = 409, reason = "Conflict" }), 0)
  end
  return self.cluster:write(plain(object))
end

function OPS:patch(request)
  local item = self:ref(request)
  item.patch, item.type, item.subresource = plain(request.body), request.patch_type, request.subresource
  note(self.run.patched, item)
  local old = self:target(request)
  if request.patch_type == "json" then
    local object, why = json_patch(plain(old), plain(request.body))
    if not object then
      error(failure("rejected", ("%s %s: JSON patch: %s"):format(request.kind, request.name, why),
        { status = 422, reason = "Invalid" }), 0)
    end
    return self.cluster:write(object)
  end
  local how = request.patch_type == "merge" and merge.deep or merge.strategic
  return self.cluster:write(how(old, plain(request.body)))
end

function OPS:delete(request)
  local item = self:ref(request)
  item.grace, item.propagation = request.grace, request.propagation
  note(self.run.deleted, item)
  return self.cluster:remove(request.kind, item.namespace, request.name)
end

function OPS:status(request)
  self.run.status = plain(request.body)
  local old = self:target(request)
  local object = plain(old)
  object.status = plain(request.body)
  return self.cluster:write(object)
end

function OPS:evict(request)
  note(self.run.evicted, self:ref(request))
  return true
end

function OPS:bind(request)
  local item = note(self.run.bound, self:ref(request))
  item.node = request.body.name
  local object = plain(self:target(request))
  object.spec.nodeName = item.node
  return self.cluster:write(object)
end

function OPS:scale(request)
  local item = note(self.run.scaled, self:ref(request))
  item.replicas = request.replicas
  return { apiVersion = "autoscaling/v1", kind = "Scale", metadata = { name = request.name },
    spec = { replicas = request.replicas } }
end

function OPS:token(request)
  note(self.run.tokens, self:ref(request))
  return "token"
end

function OPS:live_get(request)
  local object = self.cluster:at(request.kind, request.ns, request.name)
  return object and plain(object)
end

function OPS:live_list(request)
  local out = core.array {}
  for i, object in ipairs(self.cluster:list(request.kind, request.ns, request.labels, request.fields)) do
    out[i] = plain(object)
  end
  return out
end

function OPS:secret(request)
  local ns = request.ns or self.call.namespace
  local given = self.secrets[(ns or "") .. "/" .. request.name .. "/" .. request.key]
    or self.secrets[request.name .. "/" .. request.key]
  if given then return given end
  local secret = self.cluster:at("v1/Secret", ns, request.name)
  local coded = secret and secret.data and secret.data[request.key]
  if coded then return (core.base64_decode(coded)) end
  if secret and secret.stringData and secret.stringData[request.key] then return secret.stringData[request.key] end
  error(failure("not_found", ("secret %s has no key %s here: give answers = { secret = { [\"%s/%s\"] = … } }")
    :format(request.name, request.key, request.name, request.key)), 0)
end

function OPS:sleep(request)
  self.clock = self.clock + request.delay
  note(self.run.slept, request.delay)
end

function OPS:http(request)
  error(failure("invalid", ("no answer for %s %s: give answers = { http = function(request) … end }")
    :format(request.method, request.url)), 0)
end

local function as_http(answer)
  if type(answer) ~= "table" then error("answers.http: { status =, headers =, body = or json = } expected", 0) end
  local body = answer.body
  if answer.json ~= nil then body = core.json_encode(answer.json) end
  return { status = answer.status or 200, headers = answer.headers or {}, body = body or "" }
end

-- The test's own answer, as true, value; false when the usual one is wanted.
function Rehearsal:given(op, request)
  local answer = self.answers[op]
  if op == "secret" and type(answer) == "table" and not Rehearsal.is_refusal(answer) then return false end
  if type(answer) == "function" then
    answer = answer(request)
  elseif type(answer) == "table" and not Rehearsal.is_refusal(answer) and core.is_array(answer) then
    local at = (self.used[op] or 0) + 1
    self.used[op] = at
    answer = answer[at]
  end
  if answer == nil or answer == false then return false end
  if Rehearsal.is_refusal(answer) then error(answer, 0) end
  if op == "http" then answer = as_http(answer) end
  return true, answer
end

function Rehearsal.is_refusal(value)
  return type(value) == "table" and type(rawget(value, "code")) == "string"
    and type(rawget(value, "message")) == "string"
end

function Rehearsal:answer(op, request)
  if op == "http" then
    request = { method = request.method, url = request.url, headers = request.headers, body = request.text }
    note(self.run.requests, request)
  end
  local given, value = self:given(op, request)
  if given then
    if type(value) == "table" and value.metadata then return plain(value) end
    return value
  end
  value = OPS[op](self, request)
  if type(value) == "table" and value.metadata then return plain(value) end
  return value
end

return Rehearsal
