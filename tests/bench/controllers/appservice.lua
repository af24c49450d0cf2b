-- The operator of the bench: what its controller-runtime opponent does, in Lua.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local AppService = moonlet.resource {
  group = "app.example.com", version = "v1alpha1", kind = "AppService",
  spec = s.object { replicas = s.integer(), image = s.string() },
  status = s.object {
    observedGeneration = s.integer(), deployment = s.string(), nodePort = s.integer(),
    readyReplicas = s.integer(),
  },
}

return moonlet.controller {
  name = "appservice",
  resource = AppService,
  owns = { "apps/v1/Deployment", "v1/Service" },
  concurrency = 8,
  reconcile = function(app, ctx)
    local name = app.metadata.name
    local labels = { app = name }
    local deployment = ctx:apply {
      apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name },
      spec = {
        replicas = app.spec.replicas, selector = { matchLabels = labels },
        template = {
          metadata = { labels = labels },
          spec = { containers = { { name = "app", image = app.spec.image } } },
        },
      },
    }
    local service = ctx:apply {
      apiVersion = "v1", kind = "Service", metadata = { name = name },
      spec = { type = "NodePort", selector = labels, ports = { { port = 80 } } },
    }
    ctx:set_status {
      observedGeneration = app.metadata.generation, deployment = name,
      nodePort = service.spec.ports[1].nodePort,
      readyReplicas = deployment.status and deployment.status.readyReplicas,
    }
  end,
}
