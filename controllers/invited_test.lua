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
