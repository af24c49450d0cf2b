-- Pods that have a Node become Ready without running anything; those that are to end do so at once.
local conditions = require "moonlet.conditions"
local moonlet = require "moonlet"
local time = require "moonlet.time"
local util = require "stand-ins.util"

-- What a pod does instead: "wait" stays Pending, "fail" ends with exit code 1.
local WISH = "moonlet.dev/stand-in"

-- A readiness gate is open when somebody has set its condition.
local function gates_open(pod)
  for _, gate in ipairs(pod.spec.readinessGates or {}) do
    if not conditions.is(pod.status and pod.status.conditions, gate.conditionType) then return false end
  end
  return true
end

local function taken(ctx, ip, uid)
  for _, pod in ipairs(ctx:by("v1/Pod", "by_ip", ip)) do
    if pod.metadata.uid ~= uid then return true end
  end
end

local function address(pod, ctx)
  if pod.status and pod.status.podIP then return pod.status.podIP end
  local seed = tonumber(pod.metadata.uid:gsub("[^0-9]", ""):sub(-9)) or 0
  for i = 0, 65535 do
    local n = (seed + i) % 65000 + 2
    local ip = ("10.244.%d.%d"):format(math.floor(n / 256), n % 256)
    if not taken(ctx, ip, pod.metadata.uid) then return ip end
  end
end

local function ended(code, start)
  return { terminated = { exitCode = code, reason = code == 0 and "Completed" or "Error",
    startedAt = start, finishedAt = start } }
end

local function container_statuses(containers, start, init, code)
  local out = {}
  for i, container in ipairs(containers or {}) do
    local side = init and container.restartPolicy == "Always"
    local over = code or init and not side and 0 or nil
    out[i] = {
      name = container.name, image = container.image, imageID = "", restartCount = 0,
      ready = init and true or over == nil, started = over == nil,
      state = over and ended(over, start) or { running = { startedAt = start } },
    }
  end
  return #out > 0 and moonlet.array(out) or nil
end

-- nil: it goes on running.
local function exit_code(pod, wish)
  if util.phase(pod) ~= "Running" then return nil end
  if wish == "fail" then return 1 end
  return pod.spec.restartPolicy ~= "Always" and pod.spec.restartPolicy and 0 or nil
end

local function host_address(pod, ctx)
  local node = ctx:get("v1/Node", pod.spec.nodeName)
  for _, one in ipairs(node and node.status and node.status.addresses or {}) do
    if one.type == "InternalIP" then return one.address end
  end
end

local function status(pod, ctx, code)
  local start = pod.status and pod.status.startTime or time.format(math.floor(ctx:now()))
  local ip, runs = address(pod, ctx), code == nil
  local host = host_address(pod, ctx)
  local why = not runs and (code == 0 and "PodCompleted" or "PodFailed") or nil
  return {
    phase = runs and "Running" or code == 0 and "Succeeded" or "Failed",
    startTime = start, podIP = ip, podIPs = { { ip = ip } },
    hostIP = host, hostIPs = host and { { ip = host } } or nil,
    conditions = {
      util.condition(pod, "PodScheduled", true), util.condition(pod, "Initialized", true, why),
      util.condition(pod, "ContainersReady", runs, why),
      util.condition(pod, "Ready", runs and gates_open(pod),
        why or not gates_open(pod) and "ReadinessGatesNotReady" or nil),
    },
    containerStatuses = container_statuses(pod.spec.containers, start, false, code),
    initContainerStatuses = container_statuses(pod.spec.initContainers, start, true),
  }
end

return { moonlet.controller {
  name = "stand-in-pods",
  resource = "v1/Pod",
  reads = { "v1/Node" },
  writes = { { "v1/Pod", verbs = { "delete" } } },
  concurrency = 8,
  index = { ["v1/Pod"] = { by_ip = function(pod) return pod.status and pod.status.podIP end } },

  reconcile = function(pod, ctx)
    local phase, wish = util.phase(pod), (pod.metadata.annotations or {})[WISH]
    if util.leaving(pod) then -- its containers have ended at once
      if pod.metadata.deletionGracePeriodSeconds ~= 0 then
        ctx:delete(pod, { grace = 0, precondition = { uid = pod.metadata.uid } })
      end
      return
    end
    if phase == "Succeeded" or phase == "Failed" or wish == "wait" then return end
    if (pod.spec.nodeName or "") == "" then return end -- nobody's to run yet
    ctx:set_status(status(pod, ctx, exit_code(pod, wish)))
  end,
} }
