-- Deployment -> ReplicaSet: rollouts by the hash of the template, scale, status.
local conditions = require "moonlet.conditions"
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local REPLICA_SET = "apps/v1/ReplicaSet"
local HASH = "pod-template-hash"
local REVISION = "deployment.kubernetes.io/revision"

local function plain(template)
  local out = moonlet.copy(template)
  if out.metadata and out.metadata.labels then out.metadata.labels[HASH] = nil end
  return out
end

local function revision(object)
  return tonumber((object.metadata.annotations or {})[REVISION] or 0)
end

-- The set of the template that is wanted now, and the others, the oldest first.
local function split(deployment, sets)
  local current, old = nil, {}
  for _, set in ipairs(sets) do
    if not current and moonlet.equal(plain(set.spec.template), plain(deployment.spec.template)) then
      current = set
    elseif not util.leaving(set) then
      old[#old + 1] = set
    end
  end
  table.sort(old, function(a, b) return revision(a) < revision(b) end)
  return current, old
end

local function share(value, of, round, otherwise)
  if value == nil then value = otherwise end
  if type(value) == "number" then return value end
  return round(tonumber(value:match "^(%d+)%%$") * of / 100)
end

-- How many pods too many, and how many too few, a rollout may have.
local function limits(deployment)
  local replicas, strategy = deployment.spec.replicas, deployment.spec.strategy or {}
  if strategy.type == "Recreate" then return 0, replicas end
  local rolling = strategy.rollingUpdate or {}
  local surge = share(rolling.maxSurge, replicas, math.ceil, "25%")
  local missing = share(rolling.maxUnavailable, replicas, math.floor, "25%")
  if surge == 0 and missing == 0 then missing = 1 end
  return surge, math.min(missing, replicas)
end

local function make(deployment, ctx, replicas)
  local hash = util.hash(plain(deployment.spec.template), 10)
  local selector = moonlet.copy(deployment.spec.selector)
  selector.matchLabels = selector.matchLabels or {}
  selector.matchLabels[HASH] = hash
  local template = moonlet.copy(deployment.spec.template)
  template.metadata = template.metadata or {}
  template.metadata.labels = template.metadata.labels or {}
  template.metadata.labels[HASH] = hash
  local labels = moonlet.copy(template.metadata.labels)
  return ctx:create {
    apiVersion = "apps/v1", kind = "ReplicaSet",
    metadata = { name = deployment.metadata.name .. "-" .. hash, labels = labels },
    spec = { replicas = replicas, selector = selector, template = template,
      minReadySeconds = deployment.spec.minReadySeconds },
  }
end

local function number(deployment, ctx, current, old)
  local newest = 0
  for _, set in ipairs(old) do newest = math.max(newest, revision(set)) end
  local wanted = math.max(revision(current), newest + 1)
  if revision(current) ~= wanted then
    ctx:patch(current, { metadata = { annotations = { [REVISION] = tostring(wanted) } } })
  end
  if revision(deployment) ~= wanted then
    ctx:patch(deployment, { metadata = { annotations = { [REVISION] = tostring(wanted) } } })
  end
end

local function tell(ctx, set, before, replicas)
  if replicas == before then return end
  ctx:event("Normal", "ScalingReplicaSet", ("Scaled %s replica set %s from %d to %d"):format(
    replicas > before and "up" or "down", set.metadata.name, before, replicas))
end

local function scale(ctx, set, replicas)
  if set.spec.replicas == replicas then return end
  tell(ctx, set, set.spec.replicas, replicas)
  ctx:patch(set, { spec = { replicas = replicas } })
  set.spec.replicas = replicas
end

local function sum(sets, get)
  local n = 0
  for _, set in ipairs(sets) do n = n + (get(set) or 0) end
  return n
end

local function wanted(set) return set.spec.replicas end
local function existing(set) return set.status and set.status.replicas end
local function available(set) return set.status and set.status.availableReplicas end
local function ready(set) return set.status and set.status.readyReplicas end

local function roll(deployment, ctx, current, old)
  local replicas = deployment.spec.replicas
  local surge, missing = limits(deployment)
  local room = replicas + surge - sum(old, wanted)
  scale(ctx, current, math.max(math.min(replicas, math.max(room, wanted(current))), 0))
  -- What may go now without too few being left.
  local spare = sum(old, wanted) + wanted(current) - (replicas - missing)
    - math.max(wanted(current) - (available(current) or 0), 0)
  for _, set in ipairs(old) do
    local less = math.max(math.min(spare, wanted(set)), 0)
    scale(ctx, set, wanted(set) - less)
    spare = spare - less
  end
end

local function replace(deployment, ctx, current, old)
  for _, set in ipairs(old) do scale(ctx, set, 0) end
  if sum(old, existing) == 0 then scale(ctx, current, deployment.spec.replicas) end
end

local function forget(deployment, ctx, old)
  local most = deployment.spec.revisionHistoryLimit or 10
  for i = 1, #old - most do
    if wanted(old[i]) == 0 and (existing(old[i]) or 0) == 0 then ctx:delete(old[i]) end
  end
end

local function status(deployment, current, old)
  local sets = moonlet.copy(old)
  sets[#sets + 1] = current
  local replicas, _, missing = deployment.spec.replicas, limits(deployment)
  local total, up = sum(sets, existing), sum(sets, available)
  local updated = current and existing(current) or 0
  local list = deployment.status and deployment.status.conditions
  if up >= replicas - missing then
    list = conditions.set(list, { type = "Available", status = "True",
      reason = "MinimumReplicasAvailable", message = "enough pods are available" })
  else
    list = conditions.set(list, { type = "Available", status = "False",
      reason = "MinimumReplicasUnavailable", message = "too few pods are available" })
  end
  local complete = updated == replicas and total == replicas and up >= replicas
  list = conditions.set(list, { type = "Progressing",
    status = deployment.spec.paused and "Unknown" or "True",
    reason = deployment.spec.paused and "DeploymentPaused"
      or complete and "NewReplicaSetAvailable" or "ReplicaSetUpdated",
    message = complete and "all replicas are of this template" or "a rollout is under way" })
  return util.compact {
    observedGeneration = deployment.metadata.generation, replicas = total, updatedReplicas = updated,
    readyReplicas = sum(sets, ready), availableReplicas = up,
    unavailableReplicas = math.max(replicas - up, 0), conditions = list,
  }
end

return { moonlet.controller {
  name = "stand-in-deployments",
  resource = "apps/v1/Deployment",
  owns = { REPLICA_SET },

  reconcile = function(deployment, ctx)
    if util.leaving(deployment) then return end
    local current, old = split(deployment, ctx:owned(REPLICA_SET))
    local paused = deployment.spec.paused
    if not current and not paused then
      current = make(deployment, ctx, #old == 0 and deployment.spec.replicas or 0)
      tell(ctx, current, 0, current.spec.replicas)
    end
    if current then number(deployment, ctx, current, old) end
    if paused then
      local newest = current or old[#old]
      if newest then scale(ctx, newest, deployment.spec.replicas) end
    elseif (deployment.spec.strategy or {}).type == "Recreate" then
      replace(deployment, ctx, current, old)
    else
      roll(deployment, ctx, current, old)
    end
    if not paused then forget(deployment, ctx, old) end
    ctx:set_status(status(deployment, current, old))
  end,
} }
