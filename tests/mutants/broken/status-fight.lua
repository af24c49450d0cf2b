-- Two controllers that say something in one status.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

local function controller(name, say)
  return moonlet.controller { name = name, resource = App, reconcile = function(app, ctx)
    ctx:set_status(say(app))
  end }
end

return {
  controller("status-fight", function() return { phase = "Ready" } end),
  controller("status-peer", function(app)
    return { phase = app.status and app.status.phase == "Ready" and "Checked" or "New", peer = "Here" }
  end),
}
