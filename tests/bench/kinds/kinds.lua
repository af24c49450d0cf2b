-- Of each of 100 kinds, an object annotated bench/last: NAME gets a ConfigMap of that name.
local moonlet = require "moonlet"

local controllers = {}
for i = 0, 99 do
  controllers[i + 1] = moonlet.controller {
    name = ("thing%03d"):format(i),
    resource = ("bench.moonlet.dev/v1/Thing%03d"):format(i),
    writes = { "v1/ConfigMap" },

    reconcile = function(thing, ctx)
      local wanted = thing.metadata.annotations["bench/last"]
      if wanted == "" then return end
      ctx:apply({
        apiVersion = "v1", kind = "ConfigMap",
        metadata = { name = wanted, namespace = thing.metadata.namespace },
      }, { create = true })
    end,
  }
end
return controllers
