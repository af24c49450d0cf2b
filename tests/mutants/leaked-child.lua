-- A child whose name stands in the spec and may change.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

return moonlet.controller {
  name = "leaked-child", resource = App, owns = { "v1/ConfigMap" },
  reconcile = function(app, ctx)
    ctx:apply { apiVersion = "v1", kind = "ConfigMap", metadata = { name = app.spec.child } }
    for _, child in ipairs(ctx:owned "v1/ConfigMap") do
      if child.metadata.name ~= app.spec.child then ctx:delete(child) end
    end
    ctx:set_status { child = app.spec.child }
  end,
}
