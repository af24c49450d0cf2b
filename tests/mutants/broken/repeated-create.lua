-- One child, which gets its name when it is made.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

return moonlet.controller {
  name = "repeated-create", resource = App, owns = { "v1/ConfigMap" },
  reconcile = function(app, ctx)
    if app.status and app.status.child then return end
    local child = ctx:create { apiVersion = "v1", kind = "ConfigMap",
      metadata = { generateName = app.metadata.name .. "-" } }
    ctx:set_status { child = child.metadata.name } -- and if this one fails?
  end,
}
