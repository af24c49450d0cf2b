-- A status that says how a child is.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

return moonlet.controller {
  name = "hot-loop", resource = App, owns = { "v1/ConfigMap" },
  reconcile = function(app, ctx)
    local ok, problem = pcall(ctx.apply, ctx, { apiVersion = "v1", kind = "ConfigMap",
      metadata = { name = app.metadata.name .. "-child" } })
    local checks = app.status and app.status.checks or 0
    ctx:set_status { ready = ok, checks = checks + 1 } -- which is a change, which is a reason to run
    if not ok then error(problem, 0) end
  end,
}
