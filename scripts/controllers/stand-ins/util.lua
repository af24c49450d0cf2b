-- What the stand-ins share.
local conditions = require "moonlet.conditions"
local moonlet = require "moonlet"
local sha256 = require "moonlet.sha256"

local M = {}

-- As in names that Kubernetes makes: no vowels, nothing that looks like something else.
local LETTERS = "bcdfghjklmnpqrstvwxz2456789"

-- So many letters that tell values apart.
function M.hash(value, count)
  local hex, out = sha256.of(value), {}
  for i = 1, count do
    local at = tonumber(hex:sub(2 * i - 1, 2 * i), 16) % #LETTERS + 1
    out[i] = LETTERS:sub(at, at)
  end
  return table.concat(out)
end

function M.leaving(object)
  return object.metadata.deletionTimestamp ~= nil
end

function M.phase(pod)
  return pod.status and pod.status.phase or "Pending"
end

function M.ready(pod)
  return not M.leaving(pod) and conditions.is(pod.status and pod.status.conditions, "Ready")
end

function M.condition_of(object, kind)
  return conditions.get(object.status and object.status.conditions, kind)
end

-- The condition as it is to be; it keeps the time of its last change when it is so already.
function M.condition(object, kind, status, reason)
  local old = M.condition_of(object, kind)
  return conditions.set(old and { old }, { type = kind, status = status and "True" or "False",
    reason = reason })[1]
end

-- Those that run or will.
function M.active(pods)
  local out = {}
  for _, pod in ipairs(pods) do
    local phase = M.phase(pod)
    if not M.leaving(pod) and phase ~= "Succeeded" and phase ~= "Failed" then out[#out + 1] = pod end
  end
  return out
end

function M.count(list, test)
  local n = 0
  for _, item in ipairs(list) do
    if test(item) then n = n + 1 end
  end
  return n
end

-- A pod of the workload's template, with labels of its own besides. Without a name the server makes
-- one that none had before: whoever remembers a pod that is gone does not take this one for it.
function M.pod(workload, labels, name)
  local template = workload.spec.template
  local pod = { apiVersion = "v1", kind = "Pod", spec = moonlet.copy(template.spec),
    metadata = moonlet.copy(template.metadata or {}) }
  pod.metadata.name, pod.metadata.generateName = name, not name and workload.metadata.name .. "-" or nil
  pod.metadata.labels = pod.metadata.labels or {}
  for key, value in pairs(labels or {}) do pod.metadata.labels[key] = value end
  return pod
end

-- A status without the numbers that are 0, as Kubernetes writes it; `replicas` stays.
function M.compact(status)
  local out = {}
  for key, value in pairs(status) do
    if value ~= 0 or key == "replicas" then out[key] = value end
  end
  return out
end

-- The workload's own pods that are to go are deleted once.
function M.delete_pods(ctx, pods, count)
  for i = 1, count do
    ctx:delete(pods[i], { precondition = { uid = pods[i].metadata.uid } })
  end
end

-- Not ready first, then the youngest.
function M.sort_expendable(pods)
  table.sort(pods, function(a, b)
    local ready_a, ready_b = M.ready(a), M.ready(b)
    if ready_a ~= ready_b then return ready_b end
    local made_a, made_b = a.metadata.creationTimestamp or "", b.metadata.creationTimestamp or ""
    if made_a ~= made_b then return made_a > made_b end
    return a.metadata.name > b.metadata.name
  end)
end

return M
