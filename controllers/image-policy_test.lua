-- Images: refused from elsewhere, warned of when their version moves, and only where it is enforced.
local t = require "moonlet.test"
local policy = require "image-policy"

local enforced = { apiVersion = "v1", kind = "Namespace",
  metadata = { name = "shop", labels = { ["image-policy"] = "enforced" } } }
local function review(image, init, cache)
  return t.review(policy, { cache = cache or { enforced }, object = { apiVersion = "v1", kind = "Pod",
    metadata = { name = "p", namespace = "shop" },
    spec = { containers = { { name = "app", image = image } }, initContainers = init } } })
end

t.case("an image from elsewhere is refused, an init container's too", function()
  local out = review "docker.io/library/nginx:1.27"
  t.equal({ out.allowed, out.code }, { false, 403 })
  t.match(out.message, "docker.io/library/nginx:1.27 (app); images begin with registry.k8s.io/ or")
  out = review("registry.k8s.io/pause:3.10", { { name = "setup", image = "evil.example.com/x:1" } })
  t.match(out.message, "evil.example.com/x:1 (setup)")
  t.equal(review("registry.k8s.io.evil.example.com/x:1").allowed, false)
end)

t.case("an image from a known place is allowed; one that moves with a warning", function()
  t.equal(#review("registry.k8s.io/pause:3.10").warnings, 0)
  for _, image in ipairs { "registry.k8s.io/pause", "registry.k8s.io/pause:latest" } do
    t.equal(review(image).allowed, true)
    t.equal(review(image).warnings, { image .. " (app) has no fixed version" })
  end
  t.equal(#review("registry.k8s.io/pause@sha256:0123").warnings, 0)
end)

t.case("elsewhere nobody is asked", function()
  t.equal(#review("docker.io/library/nginx", nil, {}).called, 0)
end)

-- In a cluster.

local CONFIGURATION = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"

local function namespace(sim, name, mode)
  local labels = { ["image-policy"] = mode }
  sim:create { apiVersion = "v1", kind = "Namespace", metadata = { name = name, labels = labels } }
end

local function pod(image, name)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name or "p", namespace = "shop" },
    spec = { containers = { { name = "app", image = image } } } }
end

local EVIL, GOOD = "docker.io/library/nginx:1.27", "registry.k8s.io/pause:3.10"

t.case("the server refuses an image from elsewhere, with the reason and every image", function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop", "enforced")
  sim:settle()
  local two = pod(EVIL)
  two.spec.initContainers = { { name = "setup", image = "evil.example.com/x:1" } }
  local refused = t.raises(function() sim:create(two) end,
    'admission webhook "image-policy.moonlet.dev" denied the request: '
    .. "not allowed here: evil.example.com/x:1 (setup), " .. EVIL .. " (app); images begin with registry.k8s.io/ or")
  t.equal({ refused.code, refused.status }, { "forbidden", 403 })
  t.equal(sim:get(two), nil)
end)

t.case("a version that moves is taken with a warning, a fixed one without", function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop", "enforced")
  sim:settle()
  sim:create(pod "registry.k8s.io/pause:latest")
  t.equal(sim:warnings(), { "registry.k8s.io/pause:latest (app) has no fixed version" })
  sim:create(pod(GOOD, "q"))
  t.equal(sim:warnings(), {})
end)

t.case("an update to an image from elsewhere is refused, and the Pod stays as it is", function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop", "enforced")
  sim:settle()
  local made = sim:create(pod(GOOD))
  made.spec.containers[1].image = EVIL
  t.raises(function() sim:update(made) end, "images begin with")
  t.equal(sim:get(made).spec.containers[1].image, GOOD)
  made.spec.containers[1].image = "registry.k8s.io/pause:3.9"
  t.equal(sim:update(made).spec.containers[1].image, "registry.k8s.io/pause:3.9")
end)

t.case("a namespace is free until it is labelled, and free again afterwards", function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop")
  sim:settle()
  sim:create(pod(EVIL, "before"))
  sim:patch("v1/Namespace", "shop", { metadata = { labels = { ["image-policy"] = "enforced" } } })
  t.raises(function() sim:create(pod(EVIL, "now")) end, "images begin with")
  sim:patch("v1/Namespace", "shop", { metadata = { labels = { ["image-policy"] = "off" } } })
  sim:create(pod(EVIL, "after"))
end)

t.case("what a Deployment makes is refused too, and its ReplicaSet goes on trying", function(sim)
  sim:load "image-policy.lua"
  sim:load "stand-ins"
  namespace(sim, "shop", "enforced")
  sim:settle()
  local web = { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web", namespace = "shop" },
    spec = { selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
      spec = { containers = { { name = "app", image = EVIL } } } } } }
  sim:create(web)
  sim:settle()
  t.equal(#sim:list "v1/Pod", 0)
  web.spec.template.spec.containers[1].image = GOOD
  sim:apply(web)
  sim:settle()
  t.equal(#sim:list "v1/Pod", 1)
end)

t.case("is registered with the server while it is loaded, and not afterwards", function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop", "enforced")
  sim:settle()
  t.equal(#sim:get(CONFIGURATION, "moonlet-image-policy").webhooks, 1)
  sim:unload "image-policy.lua"
  t.equal(sim:get(CONFIGURATION, "moonlet-image-policy"), nil)
  sim:create(pod(EVIL))
end)

t.chaos("once registered, no image from elsewhere gets in, whatever happens", { seeds = 30 }, function(sim)
  sim:load "image-policy.lua"
  namespace(sim, "shop", "enforced")
  for _ = 1, 60 do
    if sim:get(CONFIGURATION, "moonlet-image-policy") then break end
    sim:advance "1s"
  end
  if not sim:get(CONFIGURATION, "moonlet-image-policy") then sim:calm(); sim:advance "5m" end
  t.always(function() t.equal(sim:get("v1/Pod", "p", "shop"), nil) end)
  for i = 1, 20 do
    pcall(sim.create, sim, pod(EVIL))
    if i == 10 then sim:restart() end
    sim:advance "1s"
  end
  sim:settle()
end)

t.chaos("is registered in the end, whatever happens on the way", { seeds = 30 }, function(sim)
  sim:load "image-policy.lua"
  sim:advance "5s"
  sim:delete(CONFIGURATION, "moonlet-image-policy")
  sim:restart()
  sim:calm()
  sim:advance "5m" -- a registration that failed is tried again after a while
  sim:settle()
  namespace(sim, "shop", "enforced")
  t.raises(function() sim:create(pod(EVIL)) end, "images begin with")
end)
