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
