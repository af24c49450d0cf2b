-- The stand-ins, with time that the test passes.
local t = require "moonlet.test"

local function template(app, more)
  local spec = { containers = { { name = "a", image = "a:1" } } }
  for key, value in pairs(more or {}) do spec[key] = value end
  return { metadata = { labels = { app = app } }, spec = spec }
end

local function deployment(replicas)
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
    spec = { replicas = replicas, selector = { matchLabels = { app = "web" } }, template = template "web" } }
end

local function images(sim)
  local out = {}
  for i, pod in ipairs(sim:list "v1/Pod") do out[i] = pod.spec.containers[1].image end
  return out
end

local NEW_IMAGE = { spec = { template = { spec = { containers = { { name = "a", image = "a:2" } } } } } }

t.case("a Deployment has so many ready pods, and a rollout replaces them", function(sim)
  sim:load "stand-ins"
  sim:create(deployment(2))
  sim:settle()
  t.equal(sim:get("apps/v1/Deployment", "web").status.readyReplicas, 2)
  sim:patch("apps/v1/Deployment", "web", NEW_IMAGE, "strategic")
  sim:settle()
  t.equal(images(sim), { "a:2", "a:2" })
  t.equal(#sim:list "apps/v1/ReplicaSet", 2)
end)

t.case("a pod has a name that none had before", function(sim)
  sim:load "stand-ins"
  sim:create(deployment(1))
  sim:create { apiVersion = "apps/v1", kind = "DaemonSet", metadata = { name = "each" },
    spec = { selector = { matchLabels = { app = "each" } }, template = template "each" } }
  sim:create { apiVersion = "batch/v1", kind = "Job", metadata = { name = "once" },
    spec = { template = template("once", { restartPolicy = "Never" }), suspend = false,
      completions = 1 } }
  local had = {}
  for _ = 1, 3 do
    sim:settle()
    local pods = sim:list "v1/Pod"
    t.equal(#pods, 3)
    for _, each in ipairs(pods) do
      local name = each.metadata.name
      t.ok(name:match "^each%-%w+$" or name:match "^web%-%w+%-%w+$" or name:match "^once%-%w+$")
      if not name:match "^once" then
        t.equal(had[name], nil)
        sim:delete("v1/Pod", name)
      end
      had[name] = true
    end
  end
end)

t.chaos("there are so many pods in the end, whatever gets lost", { seeds = 20 }, function(sim)
  sim:load "stand-ins"
  sim:create(deployment(3))
  for _ = 1, 3 do
    sim:advance "20s"
    for _, each in ipairs(sim:list "v1/Pod") do pcall(sim.delete, sim, "v1/Pod", each.metadata.name) end
  end
  sim:settle()
  t.equal(#sim:list "v1/Pod", 3)
  t.equal(sim:get("apps/v1/Deployment", "web").status.readyReplicas, 3)
end)

t.case("a pod with a readiness gate waits for its condition", function(sim)
  sim:load "stand-ins"
  sim:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p" },
    spec = template("p", { readinessGates = { { conditionType = "example.com/ok" } } }).spec }
  sim:settle()
  local function ready()
    for _, condition in ipairs(sim:get("v1/Pod", "p").status.conditions) do
      if condition.type == "Ready" then return condition.status end
    end
  end
  t.equal(ready(), "False")
  local conditions = sim:get("v1/Pod", "p").status.conditions
  conditions[#conditions + 1] = { type = "example.com/ok", status = "True" }
  sim:set_status("v1/Pod", "p", { conditions = conditions })
  sim:settle()
  t.equal(ready(), "True")
end)

t.case("a StatefulSet makes its pods one after the other and removes the last first", function(sim)
  sim:load "stand-ins"
  sim:create { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "db" },
    spec = { replicas = 3, serviceName = "db", selector = { matchLabels = { app = "db" } }, template = template "db" } }
  sim:settle()
  t.equal(#sim:list "v1/Pod", 3)
  sim:patch("apps/v1/StatefulSet", "db", { spec = { replicas = 1 } })
  sim:settle()
  t.equal(#sim:list "v1/Pod", 1)
  t.ok(sim:get("v1/Pod", "db-0"))
end)

-- Nodes and the scheduler.

local function pod(name, more)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = template(name, more).spec }
end

local function node(name, more)
  return { apiVersion = "v1", kind = "Node", metadata = { name = name, labels = { disk = name } }, spec = more }
end

local function scheduled(sim, name)
  for _, condition in ipairs(sim:get("v1/Pod", name).status.conditions) do
    if condition.type == "PodScheduled" then return condition end
  end
end

t.case("a pod that fits no node says so, and is bound when one fits", function(sim)
  sim:load "stand-ins"
  sim:create(pod("p", { nodeSelector = { disk = "fast" } }))
  sim:create(pod("other", { schedulerName = "mine" }))
  sim:settle()
  local why = scheduled(sim, "p")
  t.equal({ why.status, why.reason, why.message }, { "False", "Unschedulable", "0/1 nodes are available" })
  for _, each in ipairs { node("slow"), node("fast", { unschedulable = true }) } do sim:create(each) end
  sim:settle()
  t.equal(sim:get("v1/Pod", "p").spec.nodeName, nil)
  sim:patch("v1/Node", "fast", { spec = { unschedulable = false,
    taints = { { key = "a", value = "b", effect = "NoSchedule" } } } })
  sim:settle()
  t.equal(sim:get("v1/Pod", "p").spec.nodeName, nil)
  sim:patch("v1/Node", "fast", { spec = { taints = { { key = "a", effect = "PreferNoSchedule" } } } })
  sim:settle()
  t.equal(sim:get("v1/Pod", "p").spec.nodeName, "fast")
  t.equal(scheduled(sim, "p").status, "True")
  t.equal(sim:get("v1/Pod", "p").status.phase, "Running")
  t.equal(sim:get("v1/Pod", "other").spec.nodeName, nil)
end)

t.case("a taint is tolerated by key, value and effect, or by all", function(sim)
  sim:load "stand-ins"
  sim:settle()
  sim:patch("v1/Node", "stand-in", { spec = { taints = { { key = "a", value = "b", effect = "NoExecute" } } } })
  sim:settle()
  local tolerations = {
    none = {}, key = { { key = "a", operator = "Exists" } }, value = { { key = "a", value = "b" } },
    all = { { operator = "Exists" } },
    another = { { key = "a", value = "c" } }, weaker = { { key = "a", value = "b", effect = "NoSchedule" } },
  }
  for name, list in pairs(tolerations) do sim:create(pod(name, { tolerations = list })) end
  sim:settle()
  for name, expected in pairs { key = "stand-in", value = "stand-in", all = "stand-in" } do
    t.equal(sim:get("v1/Pod", name).spec.nodeName, expected)
  end
  for _, name in ipairs { "none", "another", "weaker" } do t.equal(sim:get("v1/Pod", name).spec.nodeName, nil) end
end)

t.case("what becomes of a Deployment is told by Events", function(sim)
  sim:load "stand-ins"
  sim:create { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" }, spec = { replicas = 1,
    selector = { matchLabels = { a = "b" } }, template = { metadata = { labels = { a = "b" } },
      spec = { containers = { { name = "c", image = "i" } } } } } }
  sim:settle()
  local name, told = sim:list("v1/Pod")[1].metadata.name, {}
  for _, event in ipairs(sim:list "v1/Event") do told[event.reason] = event.message or event.note end
  t.equal(told.Scheduled, "Successfully assigned default/" .. name .. " to stand-in")
  t.equal(told.SuccessfulCreate, "Created pod: " .. name)
  t.match(told.ScalingReplicaSet, "^Scaled up replica set web%-%w+ from 0 to 1$")
end)

t.case("a node's taint follows its condition; others stay", function(sim)
  local function taints(name)
    local keys = {}
    for i, taint in ipairs(sim:get("v1/Node", name).spec.taints or {}) do keys[i] = taint.key end
    return table.concat(keys, " ")
  end
  local function ready(name, status)
    sim:patch("v1/Node", name, { status = { conditions = { { type = "Ready", status = status } } } })
    sim:settle()
  end
  local own = node "a"
  own.spec = { taints = { { key = "own", effect = "NoSchedule" } } }
  sim:create(own)
  t.equal(taints "a", "own node.kubernetes.io/not-ready")
  sim:load "stand-ins"
  sim:settle()
  t.equal(taints "a", "own")
  ready("a", "False")
  t.equal(taints "a", "own node.kubernetes.io/not-ready")
  ready("a", "Unknown")
  t.equal(taints "a", "own node.kubernetes.io/unreachable")
  ready("a", "True")
  t.equal(taints "a", "own")
end)

t.case("a gated pod waits; pods spread over the nodes there are", function(sim)
  sim:create(node "a")
  sim:create(node "b")
  sim:load "stand-ins"
  sim:create(pod("gated", { schedulingGates = { { name = "example.com/gate" } } }))
  for i = 1, 6 do sim:create(pod("p" .. i)) end
  sim:settle()
  local count = {}
  for _, each in ipairs(sim:list "v1/Pod") do
    local name = each.spec.nodeName or "none"
    count[name] = (count[name] or 0) + 1
  end
  t.equal(count, { a = 3, b = 3, none = 1 })
  t.equal(sim:get("v1/Node", "stand-in"), nil)
  sim:patch("v1/Pod", "gated", { spec = { schedulingGates = require("moonlet").null } })
  sim:settle()
  t.equal(sim:get("v1/Pod", "gated").status.phase, "Running")
  t.equal(sim:requests({ verb = "bind" }).total, 7)
end)

-- CronJobs. A case begins at midnight.

local function cron(more, annotations)
  local job = template("tick", { restartPolicy = "Never" })
  job.metadata.annotations = annotations
  local spec = { schedule = "*/10 * * * *", jobTemplate = { metadata = { labels = { of = "tick" } },
    spec = { template = job } } }
  for key, value in pairs(more or {}) do spec[key] = value end
  return { apiVersion = "batch/v1", kind = "CronJob", metadata = { name = "tick" }, spec = spec }
end

local function times(sim)
  local out = {}
  for i, job in ipairs(sim:list "batch/v1/Job") do
    out[i] = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]:sub(12, 16)
  end
  return out
end

local WAITS = { ["moonlet.dev/stand-in"] = "wait" }

t.case("a schedule that cannot be read is an Event, and no Job", function(sim)
  sim:load "stand-ins"
  sim:create(cron { schedule = "0 0 30 2 *" })
  sim:advance "1h"
  t.equal({ #times(sim), sim:events(cron())[1].reason }, { 0, "UnparseableSchedule" })
end)

t.case("a Job at each time; the last three that succeeded stay", function(sim)
  sim:load "stand-ins"
  sim:create(cron())
  sim:advance "9m"
  t.equal(times(sim), {})
  sim:advance "42m"
  sim:settle()
  t.equal(times(sim), { "00:30", "00:40", "00:50" })
  local status = sim:get("batch/v1/CronJob", "tick").status
  t.equal({ status.lastScheduleTime, status.active }, { "2026-01-01T00:50:00Z", nil })
  t.equal(status.lastSuccessfulTime:sub(1, 16), "2026-01-01T00:50")
  t.equal(sim:list("batch/v1/Job")[1].metadata.labels.of, "tick")
  sim:delete("batch/v1/CronJob", "tick")
  sim:settle()
  t.equal(times(sim), {})
end)

t.case("what fails is kept once, and what it keeps can be said", function(sim)
  sim:load "stand-ins"
  local failing = cron({ failedJobsHistoryLimit = 2 }, { ["moonlet.dev/stand-in"] = "fail" })
  failing.spec.jobTemplate.spec.backoffLimit = 0
  sim:create(failing)
  sim:advance "45m"
  sim:settle()
  t.equal(times(sim), { "00:30", "00:40" })
  t.equal(sim:get("batch/v1/CronJob", "tick").status.lastSuccessfulTime, nil)
end)

t.case("a Job that goes on is let alone, waited for or replaced, as the policy says", function(sim)
  sim:load "stand-ins"
  local expected = { Allow = { "00:10", "00:20", "00:30" }, Forbid = { "00:10" }, Replace = { "00:30" } }
  for policy in pairs(expected) do
    local one = cron({ concurrencyPolicy = policy }, WAITS)
    one.metadata.name = policy:lower()
    sim:create(one)
  end
  sim:advance "31m"
  for policy, want in pairs(expected) do
    local got = {}
    for _, job in ipairs(sim:list "batch/v1/Job") do
      if job.metadata.name:find("^" .. policy:lower()) then
        got[#got + 1] = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]:sub(12, 16)
      end
    end
    t.equal(got, want, policy)
    t.equal(#sim:get("batch/v1/CronJob", policy:lower()).status.active, #want, policy)
  end
end)

t.case("while it is suspended nothing starts; afterwards the last time missed, unless it is too late", function(sim)
  sim:load "stand-ins"
  sim:create(cron { suspend = true })
  sim:advance "35m"
  t.equal(times(sim), {})
  sim:patch("batch/v1/CronJob", "tick", { spec = { suspend = false } })
  sim:settle()
  t.equal(times(sim), { "00:30" })
  sim:patch("batch/v1/CronJob", "tick", { spec = { suspend = true, startingDeadlineSeconds = 60 } })
  sim:advance "20m" -- 00:55
  sim:patch("batch/v1/CronJob", "tick", { spec = { suspend = false } })
  sim:settle()
  t.equal(times(sim), { "00:30" })
end)

t.case("a schedule is in its time zone, and survives the host", function(sim)
  sim:load "stand-ins"
  sim:create(cron { schedule = "30 1 * * *", timeZone = "Europe/Berlin" })
  sim:restart()
  sim:advance "31m"
  t.equal(times(sim), { "00:30" })
end)

local NO_SKEW = { "refused", "reset", "lost_answer", "status", "conflict", "cut", "short", "stall", "lag", "early_end",
  "error_event", "gone", "compaction", "duplicate", "client_restart" }

t.chaos("each time has its Job, once", { seeds = 10, faults = NO_SKEW }, function(sim)
  sim:load "stand-ins"
  sim:create(cron { successfulJobsHistoryLimit = 10 })
  sim:advance "30m"
  sim:restart()
  sim:calm()
  sim:advance "31m"
  sim:settle()
  local got = times(sim)
  t.equal({ got[#got - 2], got[#got - 1], got[#got] }, { "00:40", "00:50", "01:00" })
end)

t.chaos("a rollout comes to its end under faults", { seeds = 10 }, function(sim)
  sim:load "stand-ins"
  sim:create(deployment(3))
  sim:advance "5s"
  sim:patch("apps/v1/Deployment", "web", NEW_IMAGE, "strategic")
  sim:settle()
  t.equal(images(sim), { "a:2", "a:2", "a:2" })
end)
