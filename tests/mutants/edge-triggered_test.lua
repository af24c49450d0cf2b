-- A child for each object.
local t = require "moonlet.test"

local App = "mutants.example.com/v1/App"

local function create(sim, name, spec)
  sim:create { apiVersion = "mutants.example.com/v1", kind = "App", metadata = { name = name }, spec = spec or {} }
end

local function body(file)
  return function(sim)
    sim:load(file)
    create(sim, "a", { v = "1" })
    sim:advance(0.1)
    sim:patch(App, "a", { spec = { v = "2" } })
    sim:settle()
    t.equal((sim:get("v1/ConfigMap", "a-child") or { data = {} }).data.v, "2")
  end
end

t.chaos("edge-triggered: right", { seeds = 50 }, body "edge-triggered.lua")
t.chaos("edge-triggered: broken", { seeds = 1000 }, body "broken/edge-triggered.lua")
