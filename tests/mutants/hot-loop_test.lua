-- A status that says how a child is.
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
    t.equal(sim:get(App, "a").status.ready, true)
  end
end

t.chaos("hot-loop: right", { seeds = 50 }, body "hot-loop.lua")
t.chaos("hot-loop: broken", { seeds = 1000 }, body "broken/hot-loop.lua")
