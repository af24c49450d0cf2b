-- moonlet.schedule: its fields, as the declaration has them.
local SHAPE = { cron = "string", zone = "string?", deadline = "string|number?", run = "function" }

local function cron(reader, text)
  local count = select(2, text:gsub("%S+", ""))
  if not text:find "^@%l+$" and count ~= 5 and count ~= 6 then
    reader:fault("cron", ('"%s" has %d fields, not 5 (minute hour day month weekday) or 6 (second first)')
      :format(text, count))
  end
  return text
end

local function read(reader, fields, out)
  out.cron, out.zone = cron(reader, fields.cron), fields.zone
  out.deadline = reader:seconds(fields.deadline, "deadline")
  reader:handler(out, "run", fields.run)
end

return { shape = SHAPE, later = {}, read = read }
