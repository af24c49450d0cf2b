-- CronJob -> Job: at the times of its schedule, and no more finished ones than it wants to keep.
local conditions = require "moonlet.conditions"
local moonlet = require "moonlet"
local time = require "moonlet.time"
local util = require "stand-ins.util"

local JOB = "batch/v1/Job"
local SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"

local function outcome(job)
  local list = job.status and job.status.conditions
  return conditions.is(list, "Complete") and "succeeded" or conditions.is(list, "Failed") and "failed" or "active"
end

-- The Jobs by outcome, each list with the oldest first.
local function sort_jobs(jobs)
  local out = { active = {}, succeeded = {}, failed = {} }
  for _, job in ipairs(jobs) do
    if not util.leaving(job) then table.insert(out[outcome(job)], job) end
  end
  for _, list in pairs(out) do
    table.sort(list, function(a, b)
      local made_a, made_b = a.metadata.creationTimestamp, b.metadata.creationTimestamp
      if made_a ~= made_b then return made_a < made_b end
      return a.metadata.name < b.metadata.name
    end)
  end
  return out
end

local function delete(ctx, job)
  ctx:delete(job, { propagation = "Background", precondition = { uid = job.metadata.uid } })
end

local function forget(ctx, finished, most)
  for i = 1, #finished - most do delete(ctx, finished[i]) end
end

-- The last time of the schedule after `from` and up to now, or nil: looked for in ever larger pieces of the past.
local function last_time(cron, from, now)
  local piece = 60
  while true do
    local start = math.max(from, now - piece)
    local at = time.next(cron.spec.schedule, start, cron.spec.timeZone)
    if at and at <= now then
      local later = time.next(cron.spec.schedule, at, cron.spec.timeZone)
      while later and later <= now do
        at, later = later, time.next(cron.spec.schedule, later, cron.spec.timeZone)
      end
      return at
    end
    if start == from then return nil end
    piece = 2 * piece
  end
end

-- The time that is due and was not served yet, or nil.
local function due(cron, now)
  local from = time.parse(cron.status and cron.status.lastScheduleTime or cron.metadata.creationTimestamp)
  local deadline = cron.spec.startingDeadlineSeconds
  if deadline then from = math.max(from, now - deadline) end
  return last_time(cron, from, now)
end

local function make_job(cron, ctx, at)
  local template = cron.spec.jobTemplate
  local metadata = moonlet.copy(template.metadata or {})
  metadata.name = ("%s-%d"):format(cron.metadata.name, math.floor(at / 60))
  metadata.annotations = metadata.annotations or {}
  metadata.annotations[SCHEDULED] = time.format(at)
  local made, job = pcall(ctx.create, ctx, { apiVersion = "batch/v1", kind = "Job", metadata = metadata,
    spec = moonlet.copy(template.spec) })
  if made then return job end
  if type(job) ~= "table" or job.code ~= "exists" then error(job, 0) end -- else an earlier call has made it
end

-- Starts what is due. Returns the time that was served, or nil.
local function start(cron, ctx, jobs, now)
  local at = due(cron, now)
  if not at then return nil end
  local policy = cron.spec.concurrencyPolicy or "Allow"
  if policy == "Forbid" and #jobs.active > 0 then
    ctx:event("Normal", "JobAlreadyActive", "not started: the last Job is still active")
    return nil
  end
  if policy == "Replace" then
    for _, job in ipairs(jobs.active) do delete(ctx, job) end
    jobs.active = {}
  end
  jobs.active[#jobs.active + 1] = make_job(cron, ctx, at)
  return at
end

local function status(cron, jobs, served)
  local before, active = cron.status or {}, {}
  for i, job in ipairs(jobs.active) do
    active[i] = { apiVersion = "batch/v1", kind = "Job", name = job.metadata.name, uid = job.metadata.uid,
      namespace = job.metadata.namespace }
  end
  local succeeded = before.lastSuccessfulTime
  for _, job in ipairs(jobs.succeeded) do
    local at = job.status.completionTime
    if at and (not succeeded or at > succeeded) then succeeded = at end
  end
  return { active = #active > 0 and moonlet.array(active) or nil, lastSuccessfulTime = succeeded,
    lastScheduleTime = served and time.format(served) or before.lastScheduleTime }
end

return { moonlet.controller {
  name = "stand-in-cronjobs",
  resource = "batch/v1/CronJob",
  owns = { JOB },

  reconcile = function(cron, ctx)
    if util.leaving(cron) then return end
    local jobs, now, served = sort_jobs(ctx:owned(JOB)), ctx:now(), nil
    forget(ctx, jobs.succeeded, cron.spec.successfulJobsHistoryLimit or 3)
    forget(ctx, jobs.failed, cron.spec.failedJobsHistoryLimit or 1)
    local following, problem = time.next(cron.spec.schedule, now, cron.spec.timeZone)
    if not following then
      ctx:event("Warning", "UnparseableSchedule", problem)
    elseif not cron.spec.suspend then
      served = start(cron, ctx, jobs, now)
      ctx:requeue(following - now)
    end
    ctx:set_status(status(cron, jobs, served))
  end,
} }
