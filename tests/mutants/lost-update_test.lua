-- A list in a ConfigMap, to which people add names and the controller its own.
local t = require "moonlet.test"

local function body(file)
  return function(sim)
    sim:load(file)
    sim:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "l", labels = { ledger = "yes" } },
      data = { names = "a" } }
    for _, name in ipairs { "b", "c" } do
      sim:advance(0.003)
      local ledger = sim:get("v1/ConfigMap", "l")
      ledger.data.names = ledger.data.names .. " " .. name
      sim:update(ledger)
    end
    sim:settle()
    local names = sim:get("v1/ConfigMap", "l").data.names
    for _, name in ipairs { "b", "c", "moonlet" } do t.match(names, name) end
  end
end

t.chaos("lost-update: right", { seeds = 50 }, body "lost-update.lua")
t.chaos("lost-update: broken", { seeds = 1000 }, body "broken/lost-update.lua")
