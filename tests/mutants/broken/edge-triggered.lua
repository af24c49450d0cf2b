-- A child for each object.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

local function apply(app, ctx)
  ctx:apply { apiVersion = "v1", kind = "ConfigMap", metadata = { name = app.metadata.name .. "-child" },
    data = { v = app.spec.v } }
end

return moonlet.controller {
  name = "edge-triggered", resource = App, owns = { "v1/ConfigMap" },
  on = { event = function(what, new, _, ctx) -- once, for better or worse
    if what ~= "deleted" then apply(new, ctx) end
  end },
}
