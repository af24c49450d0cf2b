-- CronTab in three versions: v1alpha1 has one text, v1beta1 renames it, v1 takes it apart. Objects are kept as v1;
-- what an older version cannot say is kept in an annotation.
local moonlet = require "moonlet"
local s = require "moonlet.schema"
local strings = require "moonlet.strings"

local PARTS = { "minute", "hour", "dayOfMonth", "month", "dayOfWeek" }
local SUSPENDED = "example.com/suspended"

local function schedule()
  local fields = {}
  for _, part in ipairs(PARTS) do fields[part] = s.string { default = "*" } end
  return s.object(fields) { required = true }
end

return moonlet.resource {
  group = "stable.example.com", kind = "CronTab", short_names = { "ct" },
  versions = {
    v1 = { storage = true,
      spec = s.object { schedule = schedule(), image = s.string(), suspend = s.boolean { default = false } },
      columns = { Minute = ".spec.schedule.minute", Hour = ".spec.schedule.hour", Image = ".spec.image" } },
    v1beta1 = { deprecated = true, deprecation_warning = "stable.example.com/v1beta1 CronTab: use v1",
      spec = s.object { schedule = s.string { required = true }, image = s.string(), suspend = s.boolean() } },
    v1alpha1 = { deprecated = true,
      spec = s.object { cronSpec = s.string { required = true }, image = s.string() } },
  },
  convert = {
    ["v1alpha1->v1beta1"] = function(tab)
      local spec, annotations = tab.spec, tab.metadata.annotations or {}
      spec.schedule, spec.cronSpec = spec.cronSpec, nil
      if annotations[SUSPENDED] then spec.suspend, annotations[SUSPENDED] = true, nil end
    end,
    ["v1beta1->v1alpha1"] = function(tab)
      local spec = tab.spec
      spec.cronSpec, spec.schedule = spec.schedule, nil
      if spec.suspend then
        tab.metadata.annotations = tab.metadata.annotations or {}
        tab.metadata.annotations[SUSPENDED] = "true"
      end
      spec.suspend = nil
    end,
    ["v1beta1->v1"] = function(tab)
      local parts = {}
      for i, text in ipairs(strings.split(strings.trim((tab.spec.schedule:gsub("%s+", " "))), " ")) do
        if not PARTS[i] then error("a schedule has five parts: " .. tab.spec.schedule, 0) end
        parts[PARTS[i]] = text
      end
      tab.spec.schedule = parts
    end,
    ["v1->v1beta1"] = function(tab)
      local texts = {}
      for i, part in ipairs(PARTS) do texts[i] = tab.spec.schedule[part] or "*" end
      tab.spec.schedule = table.concat(texts, " ")
    end,
  },
}
