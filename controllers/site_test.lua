-- A site from Git: refused without a repository, else a git-sync and a log shipper around the web server.
local t = require "moonlet.test"
local site = require "site"

local function pod(annotations)
  return { apiVersion = "v1", kind = "Pod",
    metadata = { name = "www", namespace = "web", labels = { site = "git" }, annotations = annotations },
    spec = { containers = { { name = "web", image = "nginx" } } } }
end

t.case("a site without a repository is refused", function()
  local out = t.review(site, { object = pod() })
  t.equal({ out.allowed, out.code }, { false, 422 })
  t.match(out.message, "example.com/repository")
end)

t.case("the helpers share folders with the web server", function()
  local out = t.review(site, { object = pod { ["example.com/repository"] = "https://git.example.com/site.git" } })
  t.equal(out.message, nil)
  local spec = out.object.spec
  t.equal({ spec.containers[2].name, spec.containers[2].args[1] },
    { "git-sync", "--repo=https://git.example.com/site.git" })
  t.equal(spec.containers[1].volumeMounts, { { name = "site", mountPath = "/srv", readOnly = true },
    { name = "site-logs", mountPath = "/var/log/site" } })
  t.equal({ spec.initContainers[1].name, spec.initContainers[1].restartPolicy }, { "log-shipper", "Always" })
end)

-- In a cluster.

local CONFIGURATION = "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration"
local URL = "https://git.example.com/site.git"

local function www(annotations, labels)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = "www", labels = labels or { site = "git" },
    annotations = annotations }, spec = { containers = { { name = "web", image = "nginx" } } } }
end

local function names(containers)
  local out = {}
  for i, container in ipairs(containers or {}) do out[i] = container.name end
  return out
end

t.case("the server refuses a site without a repository, or one that is not fetched safely", function(sim)
  sim:load "site.lua"
  sim:settle()
  for _, annotations in ipairs { {}, { ["example.com/repository"] = "http://git.example.com/site.git" } } do
    local refused = t.raises(function() sim:create(www(annotations)) end,
      'admission webhook "site-check.moonlet.dev" denied the request: '
      .. "site=git needs the annotation example.com/repository")
    t.equal(refused.status, 422)
  end
  t.equal(sim:get("v1/Pod", "www"), nil)
end)

t.case("a site has its helpers from the start, and keeps them", function(sim)
  sim:load "site.lua"
  sim:settle()
  local made = sim:create(www { ["example.com/repository"] = URL, ["example.com/branch"] = "live" })
  t.equal(names(made.spec.containers), { "web", "git-sync" })
  t.equal(names(made.spec.initContainers), { "log-shipper" })
  t.equal(made.spec.initContainers[1].restartPolicy, "Always")
  t.equal({ made.spec.containers[2].args[1], made.spec.containers[2].args[2] }, { "--repo=" .. URL, "--ref=live" })
  t.equal(names(made.spec.volumes), { "site", "site-logs" })
  t.equal(sim:update(made).metadata.resourceVersion, made.metadata.resourceVersion)
  local edited = sim:patch(made, { metadata = { labels = { team = "web" } } })
  t.equal(edited.spec, made.spec)
end)

t.case("a Pod that is no site is left alone", function(sim)
  sim:load "site.lua"
  sim:settle()
  local made = sim:create(www(nil, { site = "static" }))
  t.equal({ names(made.spec.containers), made.spec.initContainers, made.metadata.annotations }, { { "web" }, nil, nil })
end)

t.case("a Deployment's Pods are sites when its template says so", function(sim)
  sim:load "site.lua"
  sim:load "stand-ins"
  sim:settle()
  sim:create { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "www" },
    spec = { replicas = 2, selector = { matchLabels = { site = "git" } }, template = {
      metadata = { labels = { site = "git" }, annotations = { ["example.com/repository"] = URL } },
      spec = { containers = { { name = "web", image = "nginx" } } } } } }
  sim:settle()
  local pods = sim:list "v1/Pod"
  t.equal(#pods, 2)
  for _, each in ipairs(pods) do t.equal(names(each.spec.containers), { "web", "git-sync" }) end
  t.equal(sim:get("apps/v1/Deployment", "www").status.readyReplicas, 2)
end)

t.case("is registered with the server while it is loaded, and not afterwards", function(sim)
  sim:load "site.lua"
  sim:settle()
  t.equal(#sim:get(CONFIGURATION, "moonlet-site").webhooks, 1)
  sim:unload "site.lua"
  t.equal(sim:get(CONFIGURATION, "moonlet-site"), nil)
  t.equal(names(sim:create(www()).spec.containers), { "web" })
end)

t.chaos("is registered in the end, whatever happens on the way", { seeds = 30 }, function(sim)
  sim:load "site.lua"
  sim:advance "5s"
  sim:delete(CONFIGURATION, "moonlet-site")
  sim:restart()
  sim:calm()
  sim:advance "5m" -- a registration that failed is tried again after a while
  sim:settle()
  t.equal(names(sim:create(www { ["example.com/repository"] = URL }).spec.containers), { "web", "git-sync" })
end)
