-- Redis over localhost: a Pod labelled redis-ambassador=<service> gets a proxy that spreads keys over the Pods of
-- that Service. The controller keeps the list of shards, the ConfigMap <service>-shards, current.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

-- twemproxy reads its list once, so it is started again when the mounted list changes.
local RUN = [[f=/etc/nutcracker/nutcracker.yml
while :; do
  nutcracker -c $f & pid=$!; sum=$(md5sum $f)
  while [ "$sum" = "$(md5sum $f)" ] && kill -0 $pid; do sleep 2; done
  kill $pid; wait $pid
done]]

local function is_ready(pod)
  for _, condition in ipairs(pod.status and pod.status.conditions or {}) do
    if condition.type == "Ready" then return condition.status == "True" and pod.status.podIP ~= nil end
  end
  return false
end

return {
  moonlet.controller {
    name = "redis-shards",
    resource = { "v1/Service", labels = "redis=shards" },
    owns = { "v1/ConfigMap" },
    watches = { { "v1/Pod", labels = "app=redis", map = function(pod, ctx)
      return ctx:list("v1/Service", { namespace = pod.metadata.namespace })
    end } },
    reconcile = function(service, ctx)
      local name, shards = service.metadata.name, {}
      local namespace = service.metadata.namespace
      for _, pod in ipairs(ctx:list("v1/Pod", { namespace = namespace, labels = service.spec.selector or {} })) do
        if is_ready(pod) and not pod.metadata.deletionTimestamp then
          shards[#shards + 1] = (" - %s:6379:1 %s"):format(pod.status.podIP, pod.metadata.name)
        end
      end
      table.sort(shards)
      ctx:apply {
        apiVersion = "v1", kind = "ConfigMap", metadata = { name = name .. "-shards" },
        data = { ["nutcracker.yml"] = ([[
%s:
 listen: 127.0.0.1:6379
 hash: fnv1a_64
 distribution: ketama
 auto_eject_hosts: true
 redis: true
 servers:
%s
]]):format(name, table.concat(shards, "\n")) },
      }
    end,
  },
  moonlet.injector {
    name = "redis-ambassador",
    into = { "v1/Pod", labels = { ["redis-ambassador"] = true } },
    config = { image = s.string { default = "malexer/twemproxy:latest", description = "An image with nutcracker" } },
    containers = function(pod, ctx)
      return { {
        name = "redis-ambassador", image = ctx.config.image, command = { "sh", "-c", RUN },
        ports = { { containerPort = 6379 } },
        volumeMounts = { { name = "redis-shards", mountPath = "/etc/nutcracker", readOnly = true } },
      } }
    end,
    volumes = function(pod)
      return { { name = "redis-shards", configMap = { name = pod.metadata.labels["redis-ambassador"] .. "-shards" } } }
    end,
    env = { REDIS_HOST = "127.0.0.1", REDIS_PORT = "6379" },
  },
}
