-- CronTab: two hops there and two hops back lose nothing.
local t = require "moonlet.test"
local CronTab = require "crontab"

local function tab(version, spec, annotations)
  return { apiVersion = "stable.example.com/" .. version, kind = "CronTab", spec = spec,
    metadata = { name = "nightly", namespace = "shop", annotations = annotations } }
end

t.case("a schedule that is none is an error that names the object", function()
  t.raises(function() return t.convert(CronTab, tab("v1alpha1", { cronSpec = "1 2 3 4 5 6" }), "v1") end,
    "CronTab shop/nightly: convert v1beta1->v1: a schedule has five parts: 1 2 3 4 5 6")
end)

t.case("the oldest version becomes the newest, over the one between", function()
  t.equal(t.convert(CronTab, tab("v1alpha1", { cronSpec = "5  3 * * 1", image = "cron" }), "v1"),
    tab("v1", { image = "cron",
      schedule = { minute = "5", hour = "3", dayOfMonth = "*", month = "*", dayOfWeek = "1" } }))
end)

t.case("what the oldest cannot say survives the way through it", function()
  local newest = tab("v1", { schedule = { minute = "0", hour = "3", dayOfMonth = "*", month = "*", dayOfWeek = "*" },
    suspend = true }, {})
  local oldest = t.convert(CronTab, newest, "v1alpha1")
  t.equal(oldest.spec, { cronSpec = "0 3 * * *" })
  t.equal(oldest.metadata.annotations, { ["example.com/suspended"] = "true" })
  t.equal(t.convert(CronTab, oldest, "v1"), newest)
  t.round_trip(CronTab, newest)
end)
