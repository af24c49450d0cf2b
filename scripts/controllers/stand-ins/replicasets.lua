-- ReplicaSet -> Pod: as many as are wanted.
local moonlet = require "moonlet"
local util = require "stand-ins.util"

return { moonlet.controller {
  name = "stand-in-replicasets",
  resource = "apps/v1/ReplicaSet",
  owns = { "v1/Pod" },

  reconcile = function(set, ctx)
    if util.leaving(set) then return end
    local pods, replicas = util.active(ctx:owned "v1/Pod"), set.spec.replicas
    for _ = #pods + 1, replicas do
      local pod = ctx:create(util.pod(set))
      pods[#pods + 1] = pod
      ctx:event("Normal", "SuccessfulCreate", "Created pod: " .. pod.metadata.name)
    end
    if #pods > replicas then
      util.sort_expendable(pods)
      util.delete_pods(ctx, pods, #pods - replicas)
      for _ = 1, #pods - replicas do table.remove(pods, 1) end
    end
    local ready = util.count(pods, util.ready)
    ctx:set_status(util.compact {
      observedGeneration = set.metadata.generation, replicas = #pods, fullyLabeledReplicas = #pods,
      readyReplicas = ready, availableReplicas = ready,
    })
  end,
} }
