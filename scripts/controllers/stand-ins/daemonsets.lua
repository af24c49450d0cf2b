-- DaemonSet -> Pod: one on each Node that its nodeSelector fits.
local labels = require "moonlet.labels"
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local REVISION = "controller-revision-hash"

local function fits(set, node)
  local selector = set.spec.template.spec.nodeSelector
  return not util.leaving(node) and (not selector or labels.matches(selector, node.metadata.labels))
end

local function make(set, ctx, node, revision)
  local pod = util.pod(set, { [REVISION] = revision })
  pod.spec.nodeName = node.metadata.name
  return ctx:create(pod)
end

local function current(pod, revision)
  return (pod.metadata.labels or {})[REVISION] == revision
end

-- One pod of an older template at a time.
local function renew(set, ctx, pods, revision)
  if (set.spec.updateStrategy or {}).type == "OnDelete" then return end
  if util.count(pods, util.ready) < #pods then return end
  for _, pod in ipairs(pods) do
    if not current(pod, revision) then return util.delete_pods(ctx, { pod }, 1) end
  end
end

return { moonlet.controller {
  name = "stand-in-daemonsets",
  resource = "apps/v1/DaemonSet",
  owns = { "v1/Pod" },
  watches = { { "v1/Node", map = function(_, ctx) return ctx:keys "apps/v1/DaemonSet" end } },

  reconcile = function(set, ctx)
    if util.leaving(set) then return end
    local on, extra, pods = {}, {}, {}
    local revision, wanted = util.hash(set.spec.template, 10), 0
    for _, pod in ipairs(util.active(ctx:owned "v1/Pod")) do
      local node = pod.spec.nodeName or ""
      if on[node] then extra[#extra + 1] = pod else on[node] = pod end
    end
    for _, node in ipairs(ctx:list "v1/Node") do
      if fits(set, node) then
        local name = node.metadata.name
        wanted = wanted + 1
        if not on[name] then on[name] = make(set, ctx, node, revision) end
        pods[#pods + 1], on[name] = on[name], nil
      end
    end
    for _, pod in pairs(on) do extra[#extra + 1] = pod end
    util.delete_pods(ctx, extra, #extra)
    renew(set, ctx, pods, revision)
    local ready = util.count(pods, util.ready)
    ctx:set_status {
      observedGeneration = set.metadata.generation, desiredNumberScheduled = wanted,
      currentNumberScheduled = #pods, numberReady = ready, numberMisscheduled = 0,
      numberAvailable = ready, numberUnavailable = wanted - ready,
      updatedNumberScheduled = util.count(pods, function(pod) return current(pod, revision) end),
    }
  end,
} }
