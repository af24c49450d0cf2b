-- One call of one handler on a table of objects instead of a cluster, for moonlet.test. The real ctx
-- runs, with a core that answers at once and writes down what it was asked.
local core = require "moonlet.core"
local labels = require "moonlet.labels"
local merge = require "moonlet.merge"
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

-- The objects -------------------------------------------------------------------------------------

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
  self:changed(kind, old, object)
  return object
end

function Cluster:remove(kind, ns, name)
  local old = self:at(kind, ns, name)
  if not old then return false end
  self.objects[kind][place(self:namespaced(kind) and ns or "", name)] = nil
  self:changed(kind, old, nil)
  return true
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

-- What the handler asks for ------------------------------------------------------------------------

local Rehearsal = {}
Rehearsal.__index = Rehearsal

function Rehearsal:namespace_of(request)
  if not self.cluster:namespaced(request.kind) then return nil end
  return request.ns or self.call.namespace
end

local function controller_owner(object)
  for _, owner in ipairs(object.metadata.ownerReferences or {}) do
    if owner.controller then return owner end
  end
end

function Rehearsal:filled(request, object)
  local metadata = object.metadata
  metadata.namespace = self:namespace_of(request)
  metadata.name = metadata.name or (metadata.generateName and metadata.generateName .. "x")
  local owner = request.owner
  if owner == nil then owner = self.owned[request.kind] end
  local primary = self.primary
  if owner and primary and not controller_owner(object) then
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
  return self.cluster:put(old and merge.strategic(old, object) or object)
end

function OPS:create(request)
  note(self.run.created, plain(request.body))
  local object = self:filled(request, plain(request.body))
  if self.cluster:at(request.kind, object.metadata.namespace, object.metadata.name) then
    error(failure("exists", ("%s %s is there already"):format(request.kind, object.metadata.name),
      { status = 409, reason = "AlreadyExists" }), 0)
  end
  return self.cluster:put(object)
end

function OPS:update(request)
  local object = note(self.run.updated, plain(request.body))
  local old = self:target(request)
  if old.metadata.resourceVersion ~= object.metadata.resourceVersion then
    error(failure("conflict", ("%s %s has changed since it was read"):format(request.kind, request.name),
      { status = 409, reason = "Conflict" }), 0)
  end
  return self.cluster:put(plain(object))
end

function OPS:patch(request)
  local item = self:ref(request)
  item.patch, item.type, item.subresource = plain(request.body), request.patch_type, request.subresource
  note(self.run.patched, item)
  local old = self:target(request)
  if request.patch_type == "json" then return old end
  local how = request.patch_type == "merge" and merge.deep or merge.strategic
  return self.cluster:put(how(old, plain(request.body)))
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
  return self.cluster:put(object)
end

function OPS:evict(request)
  note(self.run.evicted, self:ref(request))
  return true
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
  if op == "secret" and type(answer) == "table" and not M.is_refusal(answer) then return false end
  if type(answer) == "function" then
    answer = answer(request)
  elseif type(answer) == "table" and not M.is_refusal(answer) and core.is_array(answer) then
    local at = (self.used[op] or 0) + 1
    self.used[op] = at
    answer = answer[at]
  end
  if answer == nil or answer == false then return false end
  if M.is_refusal(answer) then error(answer, 0) end
  if op == "http" then answer = as_http(answer) end
  return true, answer
end

function M.is_refusal(value)
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

-- The core that ctx sees -----------------------------------------------------------------------------

local FRESH = { ["moonlet.ctx"] = true, ["moonlet.core.program"] = true, ["moonlet.core.observe"] = true,
  ["moonlet.core.writes"] = true, ["moonlet.core.refs"] = true, ["moonlet.core.urls"] = true }

local function make_core(self)
  local cluster, run = self.cluster, self.run
  local fake = setmetatable({}, { __index = core })
  function fake.run() return 1 end
  function fake.check() end
  function fake.handler() end
  function fake.now() return self.clock end
  function fake.known(kind) return cluster:namespaced(kind), false end
  function fake.from_cache(value) return cluster.lent[value] == true end
  function fake.get(kind, ns, name)
    local object = cluster:at(kind, ns, name)
    return object and cluster:lend(object)
  end
  function fake.list(kind, ns, selector, fields, keys)
    local out = {}
    for i, object in ipairs(cluster:list(kind, ns, selector, fields)) do
      local metadata = object.metadata
      out[i] = keys and { namespace = metadata.namespace, name = metadata.name, uid = metadata.uid }
        or cluster:lend(object)
    end
    return out
  end
  function fake.owned(kind, uid)
    local out = {}
    for _, object in ipairs(cluster:list(kind)) do
      local owner = controller_owner(object)
      if owner and owner.uid == uid then out[#out + 1] = cluster:lend(object) end
    end
    return out
  end
  function fake.note(kind, a, b, c, about, value)
    if kind == "event" then
      note(run.events, { type = a, reason = b, message = c, about = about and core.json_decode(about) })
    else
      note(run.metrics, { type = a, name = b, labels = core.json_decode(c), value = value })
    end
  end
  function fake.log(level, message, fields)
    note(run.log, { level = level, message = message, fields = fields })
  end
  function fake.submit(op, request)
    return { op = op, request = request }
  end
  return fake
end

local function make_waits(self)
  local waits = {}
  function waits.allowed() return true end
  function waits.await(id)
    local ok, value = pcall(self.answer, self, id.op, id.request)
    if not ok and type(value) ~= "table" then value = failure("invalid", tostring(value)) end
    return ok, value
  end
  function waits.parallel(functions)
    local results, failed = {}, nil
    for i, f in ipairs(functions) do
      local ok, value = pcall(f)
      if ok then results[i] = value else failed = failed or { value } end
    end
    return results, failed
  end
  return waits
end

-- The object with its CRD's defaults, as the server would have stored it.
local function stored(object, resources)
  object = plain(object)
  for _, one in ipairs(resources or {}) do
    if tostring(one) == kind_of(object) and one.fields.spec then
      object.spec = schema.with_defaults(one.fields.spec, object.spec)
    end
  end
  return object
end

-- The library's modules again, over the core of this rehearsal.
local function make_require(self)
  local loaded = { ["moonlet.core"] = self.core, ["moonlet.core.waits"] = make_waits(self) }
  local env = setmetatable({}, { __index = _G })
  function env.require(name)
    if loaded[name] then return loaded[name] end
    if not FRESH[name] then return require(name) end
    loaded[name] = core.library_chunk(name, env)(name)
    return loaded[name]
  end
  return env.require
end

-- Runs f with the clock, the log and the transport of the rehearsal, for the modules that stand above
-- the real core.
local function swapped(self, f, ...)
  local now, log, http = core.now, core.log, core.http
  core.now, core.log, core.http = self.core.now, self.core.log, self.core.http
  local ok, value = pcall(f, ...)
  core.now, core.log, core.http = now, log, http
  return ok, value
end

---@param program { value: any, file: string, handler: string, name?: string }
---@param call table object, old, event, key; request, when an admission handler is called
---@param options table cache, answers, config, now, attempt, reason
function M.run(program, call, options)
  local run = { applied = {}, created = {}, updated = {}, patched = {}, deleted = {}, events = {}, metrics = {},
    evicted = {}, scaled = {}, tokens = {}, slept = {}, requests = {}, log = {} }
  local cluster = setmetatable({ objects = {}, scopes = {}, version = 100,
    lent = setmetatable({}, { __mode = "k" }), changed = function() end }, Cluster)
  local answers = options.answers or {}
  local self = setmetatable({ run = run, cluster = cluster, answers = answers, used = {}, call = {}, owned = {},
    secrets = type(answers.secret) == "table" and answers.secret or {},
    clock = options.now or core.now() }, Rehearsal)
  self.core = make_core(self)
  local fresh = make_require(self)
  local ctx, held = fresh "moonlet.ctx", fresh "moonlet.core.program"

  held.load(function() return program.value end, program.file, options.config)
  local at, definition = program.find(held.definitions)
  for _, one in ipairs(program.resources or {}) do
    cluster.scopes[tostring(one)] = one.fields.scope ~= "Cluster"
  end
  for _, owned in ipairs(definition.owns or {}) do self.owned[owned.kind] = true end

  function cluster.changed(_, kind, old, new)
    if definition.indexes and definition.indexes[kind] then
      ctx.observe(at, "", kind, old and plain(old), new and plain(new), false, false)
    end
  end
  for _, object in ipairs(options.cache or {}) do cluster:put(stored(object, program.resources)) end
  local object = call.object
  if object and call.request then -- not stored yet
    object = plain(object)
  elseif object then
    object = cluster:put(stored(object, program.resources))
    self.primary = object
  end
  local key = object and object.metadata or call.key or {}
  self.call.namespace, self.call.name, self.call.uid = key.namespace, key.name, key.uid
  local ok, value = swapped(self, ctx.start, {
    definition = at, handler = program.handler, run = 1, event = call.event, request = call.request,
    object = object and cluster:lend(object), old = call.old and cluster:lend(call.old),
    namespace = key.namespace, name = key.name, uid = key.uid,
    attempt = options.attempt or 1, reason = options.reason or "event",
  })
  if not ok and M.is_refusal(value) and getmetatable(value) == nil then -- prints as the host prints it
    setmetatable(value, core.error_metatable)
  end
  if not ok then run.error = value elseif call.request then run.answer = value else run.requeue = value end
  function run.get(kind, name, ns)
    local found = cluster:at(tostring(kind), ns or key.namespace, name)
    return found and plain(found)
  end
  return run
end

return M
