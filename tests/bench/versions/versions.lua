-- As pods/bench.lua, but what asks for bench-synced also gets a ConfigMap that names the version of this file.
local moonlet = require "moonlet"

local version = 0

local function make(pod, ctx, name)
  ctx:apply({
    apiVersion = "v1", kind = "ConfigMap", metadata = { name = name, namespace = pod.metadata.namespace },
  }, { create = true })
end

return moonlet.controller {
  name = "versions",
  resource = { "v1/Pod", annotations = { ["bench/last"] = true } },
  writes = { "v1/ConfigMap" },

  reconcile = function(pod, ctx)
    local wanted = pod.metadata.annotations["bench/last"]
    make(pod, ctx, wanted)
    if wanted == "bench-synced" then make(pod, ctx, wanted .. "-v" .. version) end
  end,
}
