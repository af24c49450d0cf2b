-- A child that goes with its object, and comes back with a new one of the same name.
local t = require "moonlet.test"

local App = "mutants.example.com/v1/App"

local function create(sim, name, spec)
  sim:create { apiVersion = "mutants.example.com/v1", kind = "App", metadata = { name = name }, spec = spec or {} }
end

local function body(file)
  return function(sim)
    sim:load(file)
    create(sim, "a")
    sim:settle()
    sim:delete(App, "a")
    create(sim, "a")
    sim:settle()
    local child = sim:get("v1/ConfigMap", "a-child")
    t.equal(child and child.metadata.ownerReferences[1].uid, sim:get(App, "a").metadata.uid)
  end
end

t.chaos("wrong-owner: right", { seeds = 50 }, body "wrong-owner.lua")
t.chaos("wrong-owner: broken", { seeds = 1000 }, body "broken/wrong-owner.lua")
