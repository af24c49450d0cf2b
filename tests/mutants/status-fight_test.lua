-- Two controllers that say something in one status.
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
    t.equal(sim:get(App, "a").status, { phase = "Ready", peer = "Here" })
  end
end

t.chaos("status-fight: right", { seeds = 50 }, body "status-fight.lua")
t.chaos("status-fight: broken", { seeds = 1000 }, body "broken/status-fight.lua")
