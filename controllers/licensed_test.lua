-- Held until there is a license, then let go with a ticket: once, and never before.
local t = require "moonlet.test"

local GATE = "moonlet.dev/licensed"

local function pod(name, labels)
  return { apiVersion = "v1", kind = "Pod",
    metadata = { name = name or "tool", labels = labels or { licensed = "yes" } },
    spec = { containers = { { name = "tool", image = "tool:1" } } } }
end

local function give_license(sim)
  sim:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "license" }, data = { key = "42" } }
end

local function gates(sim, name)
  local out = {}
  for i, gate in ipairs(sim:get("v1/Pod", name or "tool").spec.schedulingGates or {}) do out[i] = gate.name end
  return out
end

t.case("a Pod that needs no license is not held", function(sim)
  sim:load "licensed.lua"
  sim:settle()
  t.equal(sim:create(pod("free", { licensed = "no" })).spec.schedulingGates, nil)
end)

t.case("a Pod is held from its first moment, and longer than its deadline", function(sim)
  sim:load "licensed.lua"
  sim:load "stand-ins"
  sim:settle()
  t.equal(sim:create(pod()).spec.schedulingGates, { { name = GATE } })
  sim:advance "4m"
  t.equal(#sim:events(pod()), 0)
  sim:advance "1h"
  t.equal(gates(sim), { GATE })
  t.equal((sim:get("v1/Pod", "tool").status or {}).phase, "Pending")
  local events = sim:events(pod())
  t.equal({ #events, events[1].reason, events[1].count }, { 1, "InitializerDeadline", 1 })
end)

t.case("with a license it gets its ticket, loses the gate and runs", function(sim)
  sim:load "licensed.lua"
  sim:load "stand-ins"
  sim:settle()
  sim:create(pod())
  sim:advance "10s"
  t.equal(sim:get("v1/ConfigMap", "ticket-tool"), nil)
  give_license(sim)
  sim:advance "2s"
  sim:settle()
  t.equal(gates(sim), {})
  t.equal(sim:get("v1/ConfigMap", "ticket-tool").data.license, "42")
  t.equal(sim:get("v1/Pod", "tool").status.phase, "Running")
  local writes = sim:requests({ controller = "licensed" }).total
  sim:advance "1h"
  t.equal(sim:requests({ controller = "licensed" }).total, writes)
end)

t.case("the gates of others are theirs", function(sim)
  sim:load "licensed.lua"
  give_license(sim)
  sim:settle()
  local held = pod()
  held.spec.schedulingGates = { { name = "example.com/mine" } }
  sim:create(held)
  sim:settle()
  t.equal(gates(sim), { "example.com/mine" })
end)

t.case("what is asked for by an earlier call is done once, also when the host dies right after it", function(sim)
  sim:load "licensed.lua"
  sim:settle()
  sim:create(pod())
  sim:advance "2s"
  sim:fault "client_restart"
  give_license(sim)
  sim:advance "1m"
  sim:settle()
  t.equal(gates(sim), {})
  t.ok(sim:get("v1/ConfigMap", "ticket-tool"))
end)

t.case("a Pod whose label goes is held no longer", function(sim)
  sim:load "licensed.lua"
  sim:settle()
  sim:create(pod())
  sim:advance "2s"
  sim:patch("v1/Pod", "tool", { metadata = { labels = { licensed = "no" } } })
  sim:settle()
  t.equal(gates(sim), {})
  t.equal(sim:get("v1/ConfigMap", "ticket-tool"), nil)
end)

-- All but a clock that is off by more than the deadline.
local FAULTS = { "refused", "reset", "lost_answer", "status", "conflict", "cut", "short", "stall", "lag", "early_end",
  "error_event", "gone", "compaction", "duplicate", "lost_bookmark", "client_restart" }

t.chaos("no Pod goes without its ticket; each goes, or says that its time is over", { seeds = 50, faults = FAULTS },
  function(sim)
    sim:load "licensed.lua"
    t.always(function()
      for _, each in ipairs(sim:list "v1/Pod") do
        if not each.spec.schedulingGates then t.ok(sim:get("v1/ConfigMap", "ticket-" .. each.metadata.name)) end
      end
    end)
    local made = 0
    for try = 1, 60 do -- who is refused tries again
      local held = pod("tool-" .. made)
      held.spec.schedulingGates = { { name = GATE } } -- the webhook's own, if it is registered yet
      if made < 3 and pcall(sim.create, sim, held) then made = made + 1 end
      if try == 20 then give_license(sim) end
      if made == 3 and try >= 20 then break end
      sim:advance "1s"
    end
    sim:calm()
    sim:advance "6m"
    sim:settle()
    for i = 0, made - 1 do
      local name = "tool-" .. i
      local over = sim:get("v1/Pod", name).metadata.annotations
      t.ok(#gates(sim, name) == 0 or over and over["moonlet.dev/held-licensed"], name .. " is held and nobody says why")
    end
    sim:create(pod "last")
    sim:settle()
    t.equal(gates(sim, "last"), {})
  end)
