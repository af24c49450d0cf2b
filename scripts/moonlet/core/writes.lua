-- What ctx writes: checks and defaults (R2, R3, R4); the host does the rest.
local core = require "moonlet.core"
local program = require "moonlet.core.program"
local refs = require "moonlet.core.refs"
local raise = program.raise

--- Adds the writing methods to the class, with the helpers all methods of ctx share.
return function(Ctx, tools)

local enter, wait, check_options, seconds =
  tools.enter, tools.wait, tools.check_options, tools.seconds

local APPLY = { force = true, owner = true, create = true, manager = true }

function Ctx:apply(object, options)
  local s = enter(self)
  options = check_options(options, APPLY, "ctx:apply")
  if core.from_cache(object) then
    raise("ctx:apply of an object from the cache: apply what you own, or use ctx:update")
  end
  local ref = refs.of(object, "ctx:apply")
  program.check_write(s.place, ref.kind, "patch", "update", "create")
  local text = core.json_encode(object)
  local ns = ref.ns or s.key.namespace or core.host.namespace or ""
  local id = table.concat({ ref.kind, ns, ref.name, options.manager or "" }, "\n")
  if s.applied[id] and s.applied[id] ~= text then
    raise(("ctx:apply: a second, different intent for %s %s in one call; name it with "
      .. '{ manager = "…" }'):format(ref.kind, ref.name))
  end
  s.applied[id] = text
  return wait(s, "apply", {
    kind = ref.kind, ns = ref.ns, name = ref.name, text = text, force = options.force,
    owner = options.owner, create = options.create, manager = options.manager,
  })
end

function Ctx:create(object, options)
  local s = enter(self)
  options = check_options(options, { owner = true }, "ctx:create")
  local ref = refs.of(object, "ctx:create", true)
  program.check_write(s.place, ref.kind, "create")
  return wait(s, "create", {
    kind = ref.kind, ns = ref.ns, name = ref.name, body = object, owner = options.owner,
  })
end

function Ctx:update(object)
  local s = enter(self)
  local ref = refs.of(object, "ctx:update")
  if not core.from_cache(object) then
    raise("ctx:update: this table was not read from the cache; use ctx:apply, or change what "
      .. "ctx:get gave")
  end
  program.check_write(s.place, ref.kind, "patch", "update")
  return wait(s, "update", {
    kind = ref.kind, ns = ref.ns, name = ref.name, body = object, base = object,
  })
end

local PATCHES = { merge = true, json = true, strategic = true }

function Ctx:patch(object, patch, patch_type, options)
  local s = enter(self)
  options = check_options(options, { subresource = true }, "ctx:patch")
  local ref = refs.of(object, "ctx:patch")
  patch_type = patch_type or "merge"
  if not PATCHES[patch_type] then
    raise('ctx:patch: a patch is "merge", "json" or "strategic", not ' .. tostring(patch_type))
  end
  if type(patch) ~= "table" then raise("ctx:patch: the patch is a table") end
  program.check_write(s.place, ref.kind, "patch", "update")
  return wait(s, "patch", {
    kind = ref.kind, ns = ref.ns, name = ref.name, body = patch, patch_type = patch_type,
    subresource = options.subresource,
  })
end

local DELETE = { grace = true, propagation = true, precondition = true }
local PROPAGATION = { Background = true, Foreground = true, Orphan = true }

function Ctx:delete(object, options)
  local s = enter(self)
  options = check_options(options, DELETE, "ctx:delete")
  local ref = refs.of(object, "ctx:delete")
  if options.propagation and not PROPAGATION[options.propagation] then
    raise('ctx:delete: propagation is "Background", "Foreground" or "Orphan"')
  end
  local precondition = options.precondition or {}
  if precondition == true then precondition = object.metadata or {} end
  program.check_write(s.place, ref.kind, "delete")
  return wait(s, "delete", {
    kind = ref.kind, ns = ref.ns, name = ref.name, propagation = options.propagation,
    grace = options.grace and seconds(options.grace, "grace"), uid = precondition.uid,
    version = precondition.resourceVersion,
  })
end

function Ctx:set_status(status)
  local s = enter(self)
  if type(status) ~= "table" then raise("ctx:set_status: the status is a table") end
  local resource = s.definition.resource
  if not resource or not s.key.name then raise("ctx:set_status: there is no object in hand") end
  return wait(s, "status", {
    kind = resource.kind, ns = s.key.namespace, name = s.key.name, uid = s.uid, body = status,
  })
end

function Ctx:evict(object, options)
  local s = enter(self)
  options = check_options(options, { grace = true }, "ctx:evict")
  local ref = refs.of(object, "ctx:evict")
  program.check_write(s.place, ref.kind, "delete", "evict")
  wait(s, "evict", {
    kind = ref.kind, ns = ref.ns, name = ref.name,
    grace = options.grace and seconds(options.grace, "grace"),
  })
  return true
end

function Ctx:bind(pod, node)
  local s = enter(self)
  local ref = refs.of(pod, "ctx:bind")
  if type(node) ~= "string" or node == "" then raise("ctx:bind(pod, node): node is a name") end
  program.check_write(s.place, ref.kind, "bind")
  wait(s, "bind", {
    kind = ref.kind, ns = ref.ns, name = ref.name, uid = pod.metadata and pod.metadata.uid,
    body = { apiVersion = "v1", kind = "Node", name = node },
  })
  return true
end

function Ctx:scale(object, replicas)
  local s = enter(self)
  local ref = refs.of(object, "ctx:scale")
  if type(replicas) ~= "number" or replicas < 0 or replicas % 1 ~= 0 then
    raise("ctx:scale: replicas is a whole number from 0")
  end
  program.check_write(s.place, ref.kind, "update", "patch")
  return wait(s, "scale", { kind = ref.kind, ns = ref.ns, name = ref.name, replicas = replicas })
end

function Ctx:token(account, options)
  local s = enter(self)
  options = check_options(options, { audiences = true, expires = true }, "ctx:token")
  local ref = type(account) == "string"
    and { kind = "v1/ServiceAccount", name = account, ns = s.key.namespace }
    or refs.of(account, "ctx:token")
  program.check_write(s.place, ref.kind, "create")
  local answer = wait(s, "token", {
    kind = ref.kind, ns = ref.ns, name = ref.name,
    body = {
      audiences = options.audiences and core.array(core.copy(options.audiences)),
      expirationSeconds = options.expires and seconds(options.expires, "expires"),
    },
  })
  return type(answer) == "table" and answer.status and answer.status.token or answer
end

end
