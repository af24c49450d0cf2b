-- Node image storage: a Warning Event and an annotation while a node's images take too much.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local ANNOTATION = "moonlet.dev/image-storage"

local function image_bytes(node)
  local sum = 0
  for _, image in ipairs(node.status and node.status.images or {}) do
    sum = sum + (image.sizeBytes or 0)
  end
  return sum
end

return moonlet.controller {
  name = "node-images",
  resource = "v1/Node",
  resync = "30s",
  config = {
    threshold = s.integer { default = 50 * 2 ^ 30, minimum = 0, description = "bytes of images a node may hold" },
  },

  reconcile = function(node, ctx)
    local bytes, limit = image_bytes(node), ctx.config.threshold
    local annotations = node.metadata.annotations or {}
    ctx:gauge("node_image_bytes", bytes, { node = node.metadata.name })
    if bytes > limit then
      local text = ("%d bytes of images, above %d"):format(bytes, limit)
      if annotations[ANNOTATION] == text then return end
      ctx:event("Warning", "ImageStorageHigh", text)
      annotations[ANNOTATION] = text
    elseif annotations[ANNOTATION] then
      ctx:event("Normal", "ImageStorageOk", ("%d bytes of images"):format(bytes))
      annotations[ANNOTATION] = nil
    else
      return
    end
    node.metadata.annotations = annotations
    ctx:update(node)
  end,
}
