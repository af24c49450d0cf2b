-- One interface for metrics: the annotation example.com/exporter=redis|nginx|memcached on a Deployment adds the
-- exporter of that program to its Pods, and what makes Prometheus scrape it.
local moonlet = require "moonlet"

local EXPORTERS = {
  redis = { image = "oliver006/redis_exporter:v1.62.0", port = 9121 },
  nginx = { image = "nginx/nginx-prometheus-exporter:1.3.0", port = 9113,
    args = { "--nginx.scrape-uri=http://127.0.0.1:8080/stub_status" } },
  memcached = { image = "prom/memcached-exporter:v0.14.4", port = 9150 },
}

local function exporter_of(deployment)
  local name = deployment.metadata.annotations["example.com/exporter"]
  local exporter = EXPORTERS[name]
  if exporter then return exporter end
  local known = {}
  for each in pairs(EXPORTERS) do known[#known + 1] = each end
  table.sort(known)
  error(("example.com/exporter is one of %s, not %s"):format(table.concat(known, ", "), name), 0)
end

return moonlet.injector {
  name = "metrics-exporter",
  into = { "apps/v1/Deployment", annotations = { ["example.com/exporter"] = true } },
  containers = function(deployment)
    local exporter = exporter_of(deployment)
    return { {
      name = "metrics-exporter", image = exporter.image, args = exporter.args,
      ports = { { name = "metrics", containerPort = exporter.port } },
      resources = { requests = { cpu = "10m", memory = "16Mi" } },
    } }
  end,
  annotations = function(deployment)
    return { ["prometheus.io/scrape"] = "true", ["prometheus.io/path"] = "/metrics",
      ["prometheus.io/port"] = exporter_of(deployment).port }
  end,
}
