-- StatefulSet -> Pod, PersistentVolumeClaim: one after the other, by number.
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local REVISION = "controller-revision-hash"

local function first(set)
  return set.spec.ordinals and set.spec.ordinals.start or 0
end

local function claim_of(set, template, pod_name)
  local claim = moonlet.copy(template)
  claim.apiVersion, claim.kind, claim.status = "v1", "PersistentVolumeClaim", nil
  claim.metadata.name = template.metadata.name .. "-" .. pod_name
  claim.metadata.labels = moonlet.copy(set.spec.selector.matchLabels or {})
  return claim
end

local function make(set, ctx, index, revision)
  local name = set.metadata.name .. "-" .. index
  local pod = util.pod(set, {
    [REVISION] = revision, ["statefulset.kubernetes.io/pod-name"] = name,
    ["apps.kubernetes.io/pod-index"] = tostring(index),
  }, name)
  pod.spec.hostname, pod.spec.subdomain = name, set.spec.serviceName
  for _, template in ipairs(set.spec.volumeClaimTemplates or {}) do
    local claim = claim_of(set, template, name)
    if not ctx:get("v1/PersistentVolumeClaim", claim.metadata.name) then
      ctx:create(claim, { owner = false }) -- it outlives its pod and its set
    end
    pod.spec.volumes = pod.spec.volumes or {}
    table.insert(pod.spec.volumes, { name = template.metadata.name,
      persistentVolumeClaim = { claimName = claim.metadata.name } })
  end
  return ctx:create(pod)
end

local function by_index(set, pods)
  local out = {}
  for _, pod in ipairs(pods) do
    local index = pod.metadata.name:match("^" .. set.metadata.name:gsub("%p", "%%%0") .. "%-(%d+)$")
    if index then out[tonumber(index)] = pod end
  end
  return out
end

local function remove(ctx, pod)
  if not util.leaving(pod) then ctx:delete(pod, { precondition = { uid = pod.metadata.uid } }) end
end

-- Makes what is missing, from the first on. False: something is awaited.
local function grow(set, ctx, pods, revision)
  local parallel, whole = set.spec.podManagementPolicy == "Parallel", true
  for index = first(set), first(set) + set.spec.replicas - 1 do
    local pod = pods[index]
    if not pod then
      pods[index] = make(set, ctx, index, revision)
      whole = false
    elseif util.phase(pod) == "Failed" or util.phase(pod) == "Succeeded" then
      remove(ctx, pod)
      whole = false
    elseif not util.ready(pod) then
      whole = false
    end
    if not whole and not parallel then return false end
  end
  return whole
end

-- Removes what is too much, the last first.
local function shrink(set, ctx, pods)
  local over = {}
  for index in pairs(pods) do
    if index < first(set) or index >= first(set) + set.spec.replicas then over[#over + 1] = index end
  end
  table.sort(over, function(a, b) return a > b end)
  for i, index in ipairs(over) do
    if i > 1 and set.spec.podManagementPolicy ~= "Parallel" then break end
    remove(ctx, pods[index])
  end
  return #over == 0
end

-- One pod of an older template at a time, the last first.
local function renew(set, ctx, pods, revision)
  local strategy = set.spec.updateStrategy or {}
  if strategy.type == "OnDelete" then return end
  local partition = strategy.rollingUpdate and strategy.rollingUpdate.partition or 0
  for index = first(set) + set.spec.replicas - 1, first(set) + partition, -1 do
    if (pods[index].metadata.labels or {})[REVISION] ~= revision then
      return remove(ctx, pods[index])
    end
  end
end

local function status(set, pods, revision)
  local all = {}
  for _, pod in pairs(pods) do all[#all + 1] = pod end
  local updated = util.count(all, function(pod)
    return (pod.metadata.labels or {})[REVISION] == revision
  end)
  local ready, before = util.count(all, util.ready), set.status or {}
  local current = updated == #all and revision or before.currentRevision or revision
  return util.compact {
    observedGeneration = set.metadata.generation, replicas = #all, readyReplicas = ready,
    availableReplicas = ready, updatedReplicas = updated,
    currentReplicas = current == revision and updated or #all - updated,
    currentRevision = current, updateRevision = revision,
  }
end

return { moonlet.controller {
  name = "stand-in-statefulsets",
  resource = "apps/v1/StatefulSet",
  owns = { "v1/Pod" },
  reads = { "v1/PersistentVolumeClaim" },
  writes = { { "v1/PersistentVolumeClaim", verbs = { "create" } } },

  reconcile = function(set, ctx)
    if util.leaving(set) then return end
    local pods = by_index(set, ctx:owned "v1/Pod")
    local revision = set.metadata.name .. "-" .. util.hash(set.spec.template, 10)
    local whole = grow(set, ctx, pods, revision)
    local exact = (whole or set.spec.podManagementPolicy == "Parallel") and shrink(set, ctx, pods)
    if whole and exact then renew(set, ctx, pods, revision) end
    ctx:set_status(status(set, pods, revision))
  end,
} }
