-- Node image storage: warns once above the threshold, clears below it.
local t = require "moonlet.test"
local controller = require "nodes"

local function node(bytes, annotations)
  return { apiVersion = "v1", kind = "Node", metadata = { name = "n1", uid = "1", annotations = annotations },
    status = { images = { { sizeBytes = bytes } } } }
end

t.case("above the threshold: a Warning and an annotation", function()
  local run = t.call(controller, "reconcile", node(200), { config = { threshold = 100 } })
  t.equal(run.error, nil)
  t.equal(run.events[1].type, "Warning")
  t.match(run.updated[1].metadata.annotations["moonlet.dev/image-storage"], "200 bytes")
  t.equal(#t.call(controller, "reconcile", run.updated[1], { config = { threshold = 100 } }).events, 0)
end)

t.case("below it again: a Normal Event, and the annotation goes", function()
  local run = t.call(controller, "reconcile", node(50, { ["moonlet.dev/image-storage"] = "200 bytes of images" }),
    { config = { threshold = 100 } })
  t.equal(run.events[1].type, "Normal")
  t.equal(run.updated[1].metadata.annotations["moonlet.dev/image-storage"], nil)
end)

local MARK = "moonlet.dev/image-storage"

local function make_node(sim, name, bytes)
  sim:create { apiVersion = "v1", kind = "Node", metadata = { name = name } }
  sim:set_status("v1/Node", name, { images = { { names = { "a" }, sizeBytes = bytes } } })
end

t.case("marks a full node, says so once, and clears the mark", { config = { ["node-images"] = { threshold = 100 } } },
  function(sim)
    sim:load "nodes.lua"
    make_node(sim, "a", 150)
    make_node(sim, "b", 50)
    sim:advance "2m" -- four resyncs
    t.equal(sim:get("v1/Node", "a").metadata.annotations[MARK], "150 bytes of images, above 100")
    t.equal(sim:get("v1/Node", "b").metadata.annotations, nil)
    t.equal(sim:requests({ controller = "node-images" }).total, 1)
    sim:set_status("v1/Node", "a", { images = { { names = { "a" }, sizeBytes = 10 } } })
    sim:settle()
    t.equal((sim:get("v1/Node", "a").metadata.annotations or {})[MARK], nil)
  end)

t.chaos("the mark is right in the end", { seeds = 50, config = { ["node-images"] = { threshold = 100 } } },
  function(sim)
    sim:load "nodes.lua"
    make_node(sim, "a", 150)
    sim:advance "10s"
    sim:set_status("v1/Node", "a", { images = { { names = { "a" }, sizeBytes = 10 } } })
    make_node(sim, "b", 200)
    sim:settle()
    t.equal((sim:get("v1/Node", "a").metadata.annotations or {})[MARK], nil)
    t.equal(sim:get("v1/Node", "b").metadata.annotations[MARK], "200 bytes of images, above 100")
  end)
