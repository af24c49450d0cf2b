-- One child, which gets its name when it is made.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

return moonlet.controller {
  name = "repeated-create", resource = App, owns = { "v1/ConfigMap" },
  reconcile = function(app, ctx)
    ctx:apply { apiVersion = "v1", kind = "ConfigMap", metadata = { name = app.metadata.name .. "-child" } }
  end,
}
