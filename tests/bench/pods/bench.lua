-- A pod annotated bench/last: NAME gets a ConfigMap of that name.
local moonlet = require "moonlet"

return moonlet.controller {
  name = "bench",
  resource = { "v1/Pod", annotations = { ["bench/last"] = true } },
  writes = { "v1/ConfigMap" },

  reconcile = function(pod, ctx)
    ctx:apply({
      apiVersion = "v1", kind = "ConfigMap",
      metadata = { name = pod.metadata.annotations["bench/last"], namespace = pod.metadata.namespace },
    }, { create = true })
  end,
}
