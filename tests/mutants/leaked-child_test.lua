-- A child whose name stands in the spec and may change.
local t = require "moonlet.test"

local App = "mutants.example.com/v1/App"

local function create(sim, name, spec)
  sim:create { apiVersion = "mutants.example.com/v1", kind = "App", metadata = { name = name }, spec = spec or {} }
end

local function children(sim)
  return sim:list("v1/ConfigMap", { namespace = "default" })
end

local function body(file)
  return function(sim)
    sim:load(file)
    create(sim, "a", { child = "one" })
    sim:settle()
    sim:patch(App, "a", { spec = { child = "two" } })
    sim:settle()
    t.equal(#children(sim), 1, "children")
  end
end

t.chaos("leaked-child: right", { seeds = 50 }, body "leaked-child.lua")
t.chaos("leaked-child: broken", { seeds = 1000 }, body "broken/leaked-child.lua")
