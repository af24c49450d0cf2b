-- AppService: a Deployment and a NodePort Service for one image, its status mirrored.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local AppService = moonlet.resource {
  group = "app.example.com", version = "v1", kind = "AppService", short_names = { "as" },
  spec = s.object {
    size = s.integer { minimum = 0, default = 1, description = "Pods to run" },
    image = s.string { required = true, min_length = 1 },
    ports = s.array(s.any { description = "ServicePorts" }) { min_items = 1, required = true },
    envs = s.array(s.any { description = "EnvVars" }),
    resources = s.any { description = "ResourceRequirements of the container" },
  },
  status = s.any { description = "The Deployment's status" },
  columns = { Size = ".spec.size", Ready = ".status.readyReplicas", Image = ".spec.image" },
  scale = { spec = ".spec.size", status = ".status.replicas" },
}

-- A named targetPort is a port of the container with that name; two ServicePorts may lead to one port.
local function container_ports(ports)
  local out, seen = {}, {}
  for _, port in ipairs(ports) do
    local target, name = port.targetPort, nil
    if type(target) ~= "number" then target, name = port.port, target end
    local protocol = port.protocol or "TCP"
    local key = protocol .. target
    if not seen[key] then
      seen[key] = { containerPort = target, protocol = protocol }
      out[#out + 1] = seen[key]
    end
    seen[key].name = seen[key].name or name
  end
  return out
end

return moonlet.controller {
  name = "appservice",
  resource = AppService,
  owns = { "apps/v1/Deployment", "v1/Service" },

  reconcile = function(app, ctx)
    local name, spec = app.metadata.name, app.spec
    local labels = { app = name }
    local deployment = ctx:apply {
      apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name, labels = labels },
      spec = {
        replicas = spec.size, selector = { matchLabels = labels },
        template = {
          metadata = { labels = labels },
          spec = { containers = { {
            name = name, image = spec.image, ports = container_ports(spec.ports),
            env = spec.envs, resources = spec.resources,
          } } },
        },
      },
    }
    ctx:apply {
      apiVersion = "v1", kind = "Service", metadata = { name = name, labels = labels },
      spec = { type = "NodePort", selector = labels, ports = spec.ports },
    }
    ctx:set_status(deployment.status or {})
  end,
}
