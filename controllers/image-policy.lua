-- Images come from known places: in namespaces labelled image-policy=enforced a Pod with another image is refused.
-- A tag that moves is allowed with a warning.
local moonlet = require "moonlet"
local s = require "moonlet.schema"
local strings = require "moonlet.strings"

local LISTS = { "initContainers", "containers", "ephemeralContainers" }

local function is_allowed(image, prefixes)
  for _, prefix in ipairs(prefixes) do
    if strings.starts_with(image, prefix) then return true end
  end
  return false
end

local function moves(image)
  local name = image:match "[^/]*$"
  if name:find("@", 1, true) then return false end
  local tag = name:match ":(.+)$"
  return tag == nil or tag == "latest"
end

return moonlet.webhook {
  name = "image-policy",
  resource = { "v1/Pod", namespaces = { labels = "image-policy=enforced" } },
  config = { allowed = s.array(s.string()) { default = { "registry.k8s.io/", "registry.example.com/" },
    description = "How an image may begin; end with a /" } },

  validate = function(pod, req, ctx)
    local refused = {}
    for _, list in ipairs(LISTS) do
      for _, container in ipairs(pod.spec[list] or {}) do
        local image = container.image or ""
        if not is_allowed(image, ctx.config.allowed) then
          refused[#refused + 1] = ("%s (%s)"):format(image, container.name)
        elseif moves(image) then
          req:warn(("%s (%s) has no fixed version"):format(image, container.name))
        end
      end
    end
    if #refused == 0 then return end
    return moonlet.deny(("not allowed here: %s; images begin with %s"):format(table.concat(refused, ", "),
      table.concat(ctx.config.allowed, " or ")))
  end,
}
