-- A label on each object.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

return moonlet.controller {
  name = "ignored-conflict", resource = App,
  reconcile = function(app, ctx)
    local labels = app.metadata.labels or {}
    if labels.seen then return end
    labels.seen = "yes"
    app.metadata.labels = labels
    ctx:update(app) -- what is refused is tried again
  end,
}
