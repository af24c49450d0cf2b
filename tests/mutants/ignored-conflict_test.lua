-- A label on each object.
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
    t.equal(sim:get(App, "a").metadata.labels, { seen = "yes" })
  end
end

t.chaos("ignored-conflict: right", { seeds = 50 }, body "ignored-conflict.lua")
t.chaos("ignored-conflict: broken", { seeds = 1000 }, body "broken/ignored-conflict.lua")
