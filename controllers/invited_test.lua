-- AstaXie: accepted, and greeted.
local t = require "moonlet.test"
local controller = require "invited"

local guest = { apiVersion = "example.com/v1", kind = "AstaXie", spec = {},
  metadata = { name = "asta", namespace = "default", uid = "1" } }

t.case("who is invited is accepted", function()
  t.equal(t.call(controller, "reconcile", guest).status, { state = "Accepted" })
end)

t.case("greets in the language of the guest", function()
  local run = t.call(controller, "on.event", "added", guest)
  t.equal(run.error, nil)
  t.equal(run.log[1].message, "Hello asta, who speaks Go")
end)

local AstaXie = "example.com/v1/AstaXie"

t.case("who is invited is accepted and greeted, with the defaults of the CRD", function(sim)
  sim:load "invited.lua"
  local stored = sim:create { apiVersion = "example.com/v1", kind = "AstaXie", metadata = { name = "xie" }, spec = {} }
  t.equal(stored.spec.language, "Go")
  sim:settle()
  t.equal(sim:get(AstaXie, "xie").status.state, "Accepted")
  local greeted = 0
  for _, line in ipairs(sim:log()) do
    if (line.msg or line.message or ""):find("Hello xie, who speaks Go", 1, true) then greeted = greeted + 1 end
  end
  t.equal(greeted, 1)
end)

t.chaos("everybody is accepted in the end", { seeds = 50 }, function(sim)
  sim:load "invited.lua"
  for i = 1, 3 do
    sim:create { apiVersion = "example.com/v1", kind = "AstaXie", metadata = { name = "guest" .. i }, spec = {} }
    sim:advance "2s"
  end
  sim:settle()
  for _, one in ipairs(sim:list(AstaXie)) do t.equal(one.status.state, "Accepted", one.metadata.name) end
end)
