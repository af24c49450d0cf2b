-- Something outside of the cluster for each object, which goes with it.
local t = require "moonlet.test"

local App = "mutants.example.com/v1/App"

local function create(sim, name, spec)
  sim:create { apiVersion = "mutants.example.com/v1", kind = "App", metadata = { name = name }, spec = spec or {} }
end

local function body(file)
  return function(sim)
    sim:load(file)
    local has = {}
    sim:http("https://service.example.com", function(request)
      has[request.url:match "[^/]+$"] = request.method == "PUT" or nil
      return { status = 204 }
    end)
    create(sim, "a")
    sim:settle()
    sim:delete(App, "a")
    sim:settle()
    t.equal(sim:get(App, "a"), nil)
    t.equal(has, {}, "left outside")
  end
end

t.chaos("missing-finalizer: right", { seeds = 50 }, body "missing-finalizer.lua")
t.chaos("missing-finalizer: broken", { seeds = 1000 }, body "broken/missing-finalizer.lua")
