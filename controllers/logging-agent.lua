-- A logging agent in each Deployment annotated example.com/logging=agent and each Pod labelled logging=agent.
-- It reads /var/log/app, and its settings from the ConfigMap logging-agent of the namespace, if there is one.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local function settings(obj, ctx)
  local map = ctx:get("v1/ConfigMap", "logging-agent", obj.metadata.namespace)
  return map and map.data or {}
end

return moonlet.injector {
  name = "logging-agent",
  into = {
    { "apps/v1/Deployment", annotations = { ["example.com/logging"] = "agent" } },
    { "v1/Pod", labels = "logging=agent" },
  },
  reads = { { "v1/ConfigMap", fields = "metadata.name=logging-agent" } },
  config = { image = s.string { default = "fluent/fluent-bit:3.1.9", description = "unless the ConfigMap says" } },

  containers = function(obj, ctx)
    local said = settings(obj, ctx)
    return { {
      name = "logging-agent", image = said.image or ctx.config.image,
      env = { { name = "LOG_LEVEL", value = said.level or "info" } },
      resources = { limits = { memory = "64Mi" } },
      volumeMounts = {
        { name = "app-logs", mountPath = "/var/log/app", readOnly = true },
        { name = "logging-agent", mountPath = "/fluent-bit/etc/conf.d", readOnly = true },
      },
    } }
  end,
  volumes = {
    { name = "app-logs", emptyDir = {} },
    { name = "logging-agent", configMap = { name = "logging-agent", optional = true } },
  },
  mounts = { { name = "app-logs", path = "/var/log/app" } },
}
