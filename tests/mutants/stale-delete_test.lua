-- What is done is cleared away.
local t = require "moonlet.test"

local function body(file)
  return function(sim)
    sim:load(file)
    local function job(done)
      return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "j", labels = { job = "yes" } },
        data = { done = done } }
    end
    sim:create(job "true")
    sim:advance(0.002)
    sim:delete("v1/ConfigMap", "j")
    sim:create(job "false")
    sim:settle()
    t.ok(sim:get("v1/ConfigMap", "j"), "the new job was not done")
  end
end

t.chaos("stale-delete: right", { seeds = 50 }, body "stale-delete.lua")
t.chaos("stale-delete: broken", { seeds = 1000 }, body "broken/stale-delete.lua")
