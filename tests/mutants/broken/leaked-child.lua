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
    local before = app.status and app.status.child
    ctx:set_status { child = app.spec.child }
    if before and before ~= app.spec.child then -- nobody knows of it any more when this fails
      ctx:delete { apiVersion = "v1", kind = "ConfigMap", name = before, namespace = app.metadata.namespace }
    end
  end,
}
