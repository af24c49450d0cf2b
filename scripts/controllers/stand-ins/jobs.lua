-- Job -> Pod: until enough have succeeded, or too many failed.
local conditions = require "moonlet.conditions"
local moonlet = require "moonlet"
local time = require "moonlet.time"
local util = require "stand-ins.util"

local function finished(job)
  local list = job.status and job.status.conditions
  return conditions.is(list, "Complete") or conditions.is(list, "Failed")
end

-- Old ones go, if the job says when.
local function expire(job, ctx)
  local ttl, list = job.spec.ttlSecondsAfterFinished, job.status.conditions
  if not ttl then return end
  local done = conditions.get(list, "Complete") or conditions.get(list, "Failed")
  local left = time.parse(done.lastTransitionTime) + ttl - ctx:now()
  if left > 0 then return ctx:requeue(left) end
  ctx:delete(job, { propagation = "Background" })
end

-- So many pods are to run now.
local function wanted(job, succeeded, failed)
  local parallel, completions = job.spec.parallelism or 1, job.spec.completions
  if job.spec.suspend or failed > (job.spec.backoffLimit or 6) then return 0 end
  if completions then return math.max(math.min(parallel, completions - succeeded), 0) end
  return succeeded > 0 and 0 or parallel
end

local function ended(job, succeeded, failed, active)
  local completions = job.spec.completions
  if failed > (job.spec.backoffLimit or 6) then return "Failed" end
  if completions and succeeded >= completions then return "Complete" end
  return not completions and succeeded > 0 and active == 0 and "Complete" or nil
end

local END = {
  Complete = { reason = "CompletionsReached", message = "enough pods have succeeded" },
  Failed = { reason = "BackoffLimitExceeded", message = "too many pods have failed" },
}

local function status(job, ctx, numbers)
  local before = job.status or {}
  local list = before.conditions
  local now = time.format(math.floor(ctx:now()))
  if job.spec.suspend or conditions.get(list, "Suspended") then
    list = conditions.set(list, { type = "Suspended", status = job.spec.suspend and "True" or "False",
      reason = job.spec.suspend and "JobSuspended" or "JobResumed" })
  end
  local how = ended(job, numbers.succeeded, numbers.failed, numbers.active)
  if how then
    local before_end = how == "Complete" and "SuccessCriteriaMet" or "FailureTarget"
    for _, kind in ipairs { before_end, how } do
      list = conditions.set(list, { type = kind, status = "True", reason = END[how].reason,
        message = END[how].message })
    end
  end
  numbers.conditions = list
  numbers.startTime = before.startTime or not job.spec.suspend and now or nil
  numbers.completionTime = how == "Complete" and (before.completionTime or now) or nil
  return util.compact(numbers)
end

return { moonlet.controller {
  name = "stand-in-jobs",
  resource = "batch/v1/Job",
  owns = { "v1/Pod" },
  writes = { { "batch/v1/Job", verbs = { "delete" } } },

  reconcile = function(job, ctx)
    if util.leaving(job) or job.spec.managedBy then return end
    if finished(job) then return expire(job, ctx) end
    local all = ctx:owned "v1/Pod"
    local pods = util.active(all)
    local succeeded = util.count(all, function(pod) return util.phase(pod) == "Succeeded" end)
    local failed = util.count(all, function(pod) return util.phase(pod) == "Failed" end)
    local target = wanted(job, succeeded, failed)
    if not job.spec.completions and succeeded > 0 then target = #pods end -- the others may finish
    for _ = #pods + 1, target do pods[#pods + 1] = ctx:create(util.pod(job)) end
    if #pods > target then
      util.sort_expendable(pods)
      util.delete_pods(ctx, pods, #pods - target)
    end
    ctx:set_status(status(job, ctx, {
      active = target, ready = math.min(util.count(pods, util.ready), target),
      succeeded = succeeded, failed = failed,
    }))
  end,
} }
