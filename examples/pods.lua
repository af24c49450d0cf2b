-- The client examples in one file: create a Pod and a Deployment with 3 replicas, print their names.
-- Not in controllers/, because running it creates pods: moonlet run --once examples
local moonlet = require "moonlet"

local CONTAINER = { name = "web", image = "nginx:1.27" }
local LABELS = { app = "example-deployment" }

local create = moonlet.startup {
  name = "example-pods",
  writes = { "v1/Pod", "apps/v1/Deployment" },
  reads = { "v1/Pod" },
  run = function(ctx)
    local pod = ctx:apply({
      apiVersion = "v1", kind = "Pod", metadata = { name = "example-pod" },
      spec = { containers = { CONTAINER } },
    }, { create = true })
    ctx.log:info("created Pod " .. pod.metadata.name)
    local deployment = ctx:apply({
      apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "example-deployment" },
      spec = {
        replicas = 3, selector = { matchLabels = LABELS },
        template = { metadata = { labels = LABELS }, spec = { containers = { CONTAINER } } },
      },
    }, { create = true })
    ctx.log:info("created Deployment " .. deployment.metadata.name)
    for _, each in ipairs(ctx:list("v1/Pod")) do
      ctx.log:info("pod " .. each.metadata.namespace .. "/" .. each.metadata.name)
    end
  end,
}

local count = moonlet.schedule {
  name = "example-count", cron = "*/5 * * * *", reads = { "v1/Pod" },
  run = function(ctx) ctx.log:info(("%d pods"):format(#ctx:list("v1/Pod"))) end,
}

return { create, count }
