--- moonlet.initializer: the scheduling gate that the webhook adds and the controller takes away.
local core = require "moonlet.core"
local returned = require "moonlet.core.returned"

local M = {}

local function place_of(pod, gate)
  for i, one in ipairs(pod.spec and pod.spec.schedulingGates or {}) do
    if one.name == gate then return i end
  end
end

--- A Pod that is bound to a node already cannot be held.
function M.mutate(gate)
  return function(pod)
    if not pod.spec or (pod.spec.nodeName or "") ~= "" or place_of(pod, gate) then return end
    local gates = core.array(core.copy(pod.spec.schedulingGates or {}))
    gates[#gates + 1] = { name = gate }
    pod.spec.schedulingGates = gates
  end
end

-- Takes away exactly this gate of exactly this Pod; what is refused is tried again on the Pod as it is then.
local function release(pod, gate, place, ctx)
  local path = "/spec/schedulingGates/" .. (place - 1)
  local ok, problem = pcall(ctx.patch, ctx, pod, core.array {
    { op = "test", path = "/metadata/uid", value = pod.metadata.uid },
    { op = "test", path = path .. "/name", value = gate },
    { op = "remove", path = path },
  }, "json")
  if not ok and not (type(problem) == "table" and problem.code == "not_found") then error(problem, 0) end
end

-- What is raised again, so that the next try is not after the deadline. What is given up wakes for it, too.
local function not_beyond(problem, left, ctx, retry)
  local is_table = type(problem) == "table"
  if is_table and problem.code == "cancelled" then return problem end
  local permanent = is_table and problem.permanent or nil
  local after = is_table and problem.retry_after
  if permanent or retry.attempts and ctx.attempt >= retry.attempts then
    after = math.huge
  elseif not after then
    after = math.min((retry.base or 0.005) * 2 ^ math.min(ctx.attempt - 1, 60), retry.max or 1000)
  end
  if after <= left then return problem end
  return setmetatable({ code = permanent and problem.code or "unavailable", permanent = permanent,
    message = is_table and problem.message or tostring(problem), retry_after = left }, core.error_metatable)
end

local function expired(pod, gate, place, ctx, options)
  if options.release then
    ctx:event("Warning", "InitializerDeadline", ("'%s' was not done in time; the Pod goes without it")
      :format(ctx.name))
    return release(pod, gate, place, ctx)
  end
  local mark = "moonlet.dev/held-" .. ctx.name
  if (pod.metadata.annotations or {})[mark] then return end -- said before, perhaps by another process
  ctx:event("Warning", "InitializerDeadline", ("'%s' was not done in time; the Pod is held by its gate %s")
    :format(ctx.name, gate))
  ctx:patch(pod, { metadata = { uid = pod.metadata.uid, annotations = { [mark] = core.format_time(ctx:now()) } } })
end

--- initialize and gone.
function M.handlers(gate, options)
  local function initialize(pod, ctx)
    local place = place_of(pod, gate)
    if not place or pod.metadata.deletionTimestamp then return end
    local created = core.parse_time(pod.metadata.creationTimestamp or "") or ctx:now()
    local left = created + options.deadline - ctx:now()
    if left <= 0 then return expired(pod, gate, place, ctx, options) end
    local asked
    local requeue = ctx.requeue
    function ctx:requeue(after)
      requeue(self, after)
      asked = core.duration(after == nil and 0 or after)
    end
    local metadata = pod.metadata
    local given = { apiVersion = "v1", kind = "Pod",
      metadata = { name = metadata.name, namespace = metadata.namespace, uid = metadata.uid } }
    core.handler(options.initialize)
    local ok, after = pcall(function() return returned.seconds(options.initialize(pod, ctx), "initialize") end)
    left = math.max(created + options.deadline - ctx:now(), 0)
    if not ok then error(not_beyond(after, left, ctx, options.retry or {}), 0) end
    asked = asked or after
    if asked then return requeue(ctx, math.min(asked, left)) end
    return release(given, gate, place, ctx)
  end
  -- A Pod whose labels no longer match is not initialised any more, so it must not stay held. A watch that the server
  -- selects for says the same of it as of one that was deleted.
  local function gone(key, ctx)
    local pod = ctx.live:get("v1/Pod", key.name, key.namespace)
    local place = pod and not pod.metadata.deletionTimestamp and place_of(pod, gate)
    if place then release(pod, gate, place, ctx) end
  end
  return initialize, gone
end

return M
