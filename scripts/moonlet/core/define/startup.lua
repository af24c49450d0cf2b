-- moonlet.startup: its fields, as the declaration has them.
local SHAPE = { order = "number?", run = "function" }

local function read(reader, fields, out)
  out.order = fields.order
  reader:handler(out, "run", fields.run)
end

return { shape = SHAPE, later = {}, read = read }
