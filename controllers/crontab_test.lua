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

t.case("the server keeps what the newest version says, with its defaults", function(sim)
  sim:load "crontab.lua"
  local stored = sim:create { apiVersion = "stable.example.com/v1", kind = "CronTab", metadata = { name = "a" },
    spec = { schedule = { minute = "5" }, image = "x" } }
  t.equal({ stored.spec.schedule.hour, stored.spec.suspend }, { "*", false })
  t.raises(function()
    sim:create { apiVersion = "stable.example.com/v1", kind = "CronTab", metadata = { name = "b" }, spec = {} }
  end, "spec.schedule")
end)

-- In a cluster: kept as v1, asked for as anything.

local function kind(version) return ("stable.example.com/%s/CronTab"):format(version) end

local function make(sim, version, spec, name)
  return sim:create { apiVersion = "stable.example.com/" .. version, kind = "CronTab",
    metadata = { name = name or "nightly" }, spec = spec }
end

t.case("a schedule that cannot be taken apart is refused when it is written, with the reason", function(sim)
  sim:load "crontab.lua"
  t.raises(function() make(sim, "v1beta1", { schedule = "1 2 3 4 5 6" }) end,
    "a schedule has five parts: 1 2 3 4 5 6")
  t.equal(#sim:list(kind "v1"), 0)
end)

t.case("what was written in one version is read in every other", function(sim)
  sim:load "crontab.lua"
  make(sim, "v1alpha1", { cronSpec = "5 3 * * 1", image = "cron" })
  t.equal(sim:warnings(), { "stable.example.com/v1alpha1 CronTab is deprecated" })
  local newest = sim:get(kind "v1", "nightly")
  t.equal(newest.spec, { image = "cron", suspend = false,
    schedule = { minute = "5", hour = "3", dayOfMonth = "*", month = "*", dayOfWeek = "1" } })
  t.equal(sim:warnings(), {})
  t.equal(sim:get(kind "v1beta1", "nightly").spec.schedule, "5 3 * * 1")
  t.equal(sim:warnings(), { "stable.example.com/v1beta1 CronTab: use v1" })
  t.equal(sim:list(kind "v1alpha1")[1].spec, { cronSpec = "5 3 * * 1", image = "cron" })
end)

t.case("a patch in an old version changes what it says and nothing else", function(sim)
  sim:load "crontab.lua"
  make(sim, "v1", { schedule = { minute = "0", hour = "3" }, image = "cron", suspend = true })
  local patched = sim:patch(kind "v1alpha1", "nightly", { spec = { image = "cron:2" } })
  t.equal(patched.spec, { cronSpec = "0 3 * * *", image = "cron:2" })
  local newest = sim:get(kind "v1", "nightly")
  t.equal({ newest.spec.image, newest.spec.suspend, newest.spec.schedule.hour }, { "cron:2", true, "3" })
  t.equal((newest.metadata.annotations or {})["example.com/suspended"], nil)
end)

t.case("it is read without its host only as it is kept", function(sim)
  sim:load "crontab.lua"
  make(sim, "v1", { schedule = { minute = "0" } })
  sim:unload "crontab.lua"
  t.equal(sim:get(kind "v1", "nightly").spec.schedule.minute, "0")
  t.raises(function() sim:get(kind "v1beta1", "nightly") end, "conversion webhook")
end)

t.chaos("its definition is established, whatever happens on the way", { seeds = 30 }, function(sim)
  sim:load "crontab.lua"
  sim:advance "5s"
  sim:restart()
  sim:settle()
  local crd = sim:get("apiextensions.k8s.io/v1/CustomResourceDefinition", "crontabs.stable.example.com")
  t.equal(#crd.spec.versions, 3)
  t.equal(crd.spec.conversion.strategy, "Webhook")
end)

t.chaos("whoever reads it in another version reads it whole, or not at all", { seeds = 30 }, function(sim)
  sim:load "crontab.lua"
  make(sim, "v1", { schedule = { minute = "7" }, suspend = true })
  local function read()
    local old = sim:get(kind "v1alpha1", "nightly")
    t.equal({ old.spec.cronSpec, old.metadata.annotations["example.com/suspended"] }, { "7 * * * *", "true" })
    return old
  end
  sim:retry(read)
  sim:restart()
  local old = sim:retry(read)
  sim:retry(function() return sim:patch(old, { spec = { cronSpec = "8 * * * *" } }) end)
  local newest = sim:get(kind "v1", "nightly")
  t.equal({ newest.spec.schedule.minute, newest.spec.suspend }, { "8", true })
end)
