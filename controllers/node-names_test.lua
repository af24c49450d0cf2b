-- The list of ready nodes: complete, and current after a node went.
local t = require "moonlet.test"

local function make_node(sim, name, ready)
  sim:create { apiVersion = "v1", kind = "Node", metadata = { name = name } }
  sim:set_status("v1/Node", name, { conditions = { { type = "Ready", status = ready and "True" or "False" } } })
end

local function names(sim)
  local map = sim:get("v1/ConfigMap", "ready-nodes")
  return map and map.data.names
end

t.case("lists the ready nodes, and forgets one that goes", function(sim)
  sim:load "node-names.lua"
  make_node(sim, "b", true)
  make_node(sim, "a", true)
  make_node(sim, "c", false)
  sim:settle()
  t.equal(names(sim), "a b")
  sim:delete("v1/Node", "a")
  sim:settle()
  t.equal(names(sim), "b")
end)

t.chaos("the list is right in the end", { seeds = 50 }, function(sim)
  sim:load "node-names.lua"
  make_node(sim, "a", true)
  make_node(sim, "b", true)
  sim:advance "10s"
  sim:set_status("v1/Node", "a", { conditions = { { type = "Ready", status = "False" } } })
  make_node(sim, "c", true)
  sim:settle()
  t.equal(names(sim), "b c")
end)
