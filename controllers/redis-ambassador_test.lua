-- The ambassador: a shard list of the ready Pods alone, and a proxy that reads it.
local t = require "moonlet.test"
local ambassador = require "redis-ambassador"

local service = { apiVersion = "v1", kind = "Service", spec = { selector = { app = "redis" } },
  metadata = { name = "cache", namespace = "shop", uid = "1", labels = { redis = "shards" } } }
local function redis(name, ip, ready, namespace)
  return { apiVersion = "v1", kind = "Pod",
    metadata = { name = name, namespace = namespace or "shop", labels = { app = "redis" } },
    status = { podIP = ip, conditions = { { type = "Ready", status = ready and "True" or "False" } } } }
end

t.case("the shards are the ready Pods of the Service", function()
  local run = t.call(ambassador, "reconcile", service, { cache = { redis("b", "10.0.0.2", true),
    redis("a", "10.0.0.1", true), redis("c", "10.0.0.3", false), redis("d", "10.0.0.4", true, "other") } })
  t.equal(run.error, nil)
  local text = run.get("v1/ConfigMap", "cache-shards").data["nutcracker.yml"]
  t.equal(text:match "servers:\n(.*)$", " - 10.0.0.1:6379:1 a\n - 10.0.0.2:6379:1 b\n")
end)

t.case("a Pod gets the proxy with the list of the Service it names", function()
  local pod = { apiVersion = "v1", kind = "Pod", spec = { containers = { { name = "app", image = "shop:1" } } },
    metadata = { name = "web", namespace = "shop", labels = { ["redis-ambassador"] = "cache" } } }
  local out = t.review(ambassador, { object = pod })
  t.equal(out.message, nil)
  t.equal(out.object.spec.volumes[1].configMap.name, "cache-shards")
  t.equal(out.object.spec.containers[1].env[1], { name = "REDIS_HOST", value = "127.0.0.1" })
  t.equal(out.object.spec.containers[2].name, "redis-ambassador")
end)

t.case("an app that listens on the port of Redis itself is refused", function()
  local pod = { apiVersion = "v1", kind = "Pod",
    spec = { containers = { { name = "app", image = "redis:7", ports = { { containerPort = 6379 } } } } },
    metadata = { name = "web", namespace = "shop", labels = { ["redis-ambassador"] = "cache" } } }
  t.match(t.review(ambassador, { object = pod }).message, 'listens on 6379/TCP, as "app" does')
end)
