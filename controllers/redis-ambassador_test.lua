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

local function make_pod(sim, name, ip)
  sim:create { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = "redis" } },
    spec = { containers = { { name = "redis", image = "redis" } } } }
  sim:set_status("v1/Pod", name, { podIP = ip, conditions = { { type = "Ready", status = "True" } } })
end

local function make_service(sim)
  sim:create { apiVersion = "v1", kind = "Service", metadata = { name = "redis", labels = { redis = "shards" } },
    spec = { selector = { app = "redis" }, ports = { { port = 6379 } } } }
end

local function shards(sim)
  local out = {}
  for ip in sim:get("v1/ConfigMap", "redis-shards").data["nutcracker.yml"]:gmatch "%- ([%d.]+):6379" do
    out[#out + 1] = ip
  end
  return out
end

t.case("the list of shards follows the Pods", function(sim)
  sim:load "redis-ambassador.lua"
  make_service(sim)
  make_pod(sim, "redis-0", "10.0.0.1")
  make_pod(sim, "redis-1", "10.0.0.2")
  sim:settle()
  t.equal(shards(sim), { "10.0.0.1", "10.0.0.2" })
  sim:delete("v1/Pod", "redis-0", { grace = 0 })
  sim:settle()
  t.equal(shards(sim), { "10.0.0.2" })
end)

local function make_app(sim, containers, label)
  return sim:create { apiVersion = "v1", kind = "Pod",
    metadata = { name = "web", labels = label ~= false and { ["redis-ambassador"] = "redis" } or nil },
    spec = { containers = containers or { { name = "app", image = "shop:1" } } } }
end

t.case("the server refuses an app that listens on the port of Redis, or has a proxy of its own", function(sim)
  sim:load "redis-ambassador.lua"
  sim:settle()
  t.raises(function()
    make_app(sim, { { name = "app", image = "redis:7", ports = { { containerPort = 6379 } } } })
  end, 'listens on 6379/TCP, as "app" does')
  t.equal(sim:get("v1/Pod", "web"), nil)
  t.equal(#make_app(sim, nil, false).spec.containers, 1, "who does not ask gets no proxy")
end)

t.case("an app talks to localhost: the proxy beside it reads the list that the controller keeps", function(sim)
  sim:load "redis-ambassador.lua"
  make_service(sim)
  make_pod(sim, "redis-0", "10.0.0.1")
  sim:settle()
  local web = make_app(sim)
  t.equal(web.spec.containers[1].env, { { name = "REDIS_HOST", value = "127.0.0.1" },
    { name = "REDIS_PORT", value = "6379" } })
  t.equal(web.spec.containers[2].name, "redis-ambassador")
  local list = web.spec.volumes[1].configMap.name
  t.match(sim:get("v1/ConfigMap", list).data["nutcracker.yml"], "10.0.0.1:6379:1 redis-0")
  t.equal(sim:update(web).metadata.resourceVersion, web.metadata.resourceVersion)
  web.metadata.annotations.touched = "yes"
  t.equal(#sim:update(web).spec.containers, 2)
end)

t.case("an app may say another host; its word counts", function(sim)
  sim:load "redis-ambassador.lua"
  sim:settle()
  local web = make_app(sim, { { name = "app", image = "shop:1", env = { { name = "REDIS_HOST", value = "other" } } } })
  t.equal(web.spec.containers[1].env[1], { name = "REDIS_HOST", value = "other" })
end)

t.chaos("the list of shards is right in the end", { seeds = 50 }, function(sim)
  sim:load "redis-ambassador.lua"
  make_service(sim)
  make_pod(sim, "redis-0", "10.0.0.1")
  sim:advance "10s"
  make_pod(sim, "redis-1", "10.0.0.2")
  sim:delete("v1/Pod", "redis-0", { grace = 0 })
  sim:settle()
  t.equal(shards(sim), { "10.0.0.2" })
end)
