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
