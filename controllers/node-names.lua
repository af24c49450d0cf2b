-- A second controller on Nodes: it shares the informer and the cache of the first, and keeps the names
-- of the ready nodes in a ConfigMap.
local moonlet = require "moonlet"

local function ready(node)
  for _, condition in ipairs(node.status and node.status.conditions or {}) do
    if condition.type == "Ready" then return condition.status == "True" end
  end
  return false
end

local function publish(_, ctx)
  local names = {}
  for _, node in ipairs(ctx:list("v1/Node", { when = ready })) do
    names[#names + 1] = node.metadata.name
  end
  ctx:apply({
    apiVersion = "v1", kind = "ConfigMap",
    metadata = { name = "ready-nodes", namespace = ctx.host.namespace },
    data = { names = table.concat(names, " "), count = tostring(#names) },
  }, { create = true })
end

return moonlet.controller {
  name = "node-names",
  resource = "v1/Node",
  writes = { "v1/ConfigMap" },
  debounce = "200ms",
  reconcile = publish,
  gone = publish, -- a deleted node leaves the list too
}
