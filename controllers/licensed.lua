-- Pods labelled licensed=yes are held from the scheduler until the ConfigMap license is in their namespace; each then
-- gets a ticket of its own, and goes.
local moonlet = require "moonlet"

return moonlet.initializer {
  name = "licensed",
  labels = "licensed=yes",
  reads = { { "v1/ConfigMap", fields = "metadata.name=license" } },
  writes = { { "v1/ConfigMap", verbs = { "create", "patch" } } },
  deadline = "5m",

  initialize = function(pod, ctx)
    local license = ctx:get("v1/ConfigMap", "license", pod.metadata.namespace)
    if not license then return "1s" end
    ctx:apply({ apiVersion = "v1", kind = "ConfigMap", data = { license = license.data.key },
      metadata = { name = "ticket-" .. pod.metadata.name, namespace = pod.metadata.namespace } }, { create = true })
  end,
}
