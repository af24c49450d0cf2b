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
