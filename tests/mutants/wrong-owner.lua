-- A child that goes with its object, and comes back with a new one of the same name.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

local function uid_of(app)
  return app.metadata.uid
end

return moonlet.controller {
  name = "wrong-owner", resource = App, writes = { "v1/ConfigMap" }, watches = { { "v1/ConfigMap", map = function(map)
    return { { namespace = map.metadata.namespace, name = (map.metadata.name:gsub("-child$", "")) } }
  end } },
  reconcile = function(app, ctx)
    ctx:apply({ apiVersion = "v1", kind = "ConfigMap", metadata = { name = app.metadata.name .. "-child",
      ownerReferences = { { apiVersion = app.apiVersion, kind = app.kind, name = app.metadata.name,
        uid = uid_of(app), controller = true } } } }, { create = true })
  end,
}
