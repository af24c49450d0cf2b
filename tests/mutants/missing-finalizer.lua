-- Something outside of the cluster for each object, which goes with it.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "mutants.example.com", version = "v1", kind = "App", spec = s.any(), status = s.any(),
}

local http = require "moonlet.http"
local URL = "https://service.example.com/things/"

local function call(method, name)
  local response, message = http.request { url = URL .. name, method = method, timeout = "5s" }
  if not response or response.status >= 300 then error(message or response.body) end
end

return moonlet.controller {
  name = "missing-finalizer", resource = App, http = { "https://service.example.com" },
  reconcile = function(app) call("PUT", app.metadata.name) end,
  finalize = function(app) call("DELETE", app.metadata.name) end,
}
