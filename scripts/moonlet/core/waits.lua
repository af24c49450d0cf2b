-- Waiting for the host from any coroutine (R20). Runs once per isolate with (core, coroutine).
--
-- A wait yields core.wait_mark and the id of what was submitted (a list of ids from parallel). The
-- wrapped coroutine library hands such a yield on to its own resumer, until the engine has it; the
-- engine resumes with (id, ok, value), which goes down the same way.
local core, raw = ...
local create, resume, yield, running = raw.create, raw.resume, raw.yield, raw.running
local WAIT = core.wait_mark
local type, error = type, error
local MAX_DEPTH = 150 -- each level of resume is a C frame

local weak = { __mode = "k" }
local depth = setmetatable({}, weak)    -- coroutine -> levels of resume below the run
local closed = setmetatable({}, weak)   -- coroutine -> true: something below it cannot yield
local waiting = setmetatable({}, weak)  -- coroutine -> true while a host wait is inside
local of_user = setmetatable({}, weak)  -- coroutine -> true: made by the script, may yield itself

local M = { coroutine = {} }

--- May the running code wait? Not inside a sort comparator or gsub callback, at any level.
function M.allowed()
  local here = running()
  return here ~= nil and core.can_wait() and not closed[here]
end

local function below(co)
  local here = running()
  local level = (here and depth[here] or 0) + 1
  if level > MAX_DEPTH then return false end
  depth[co] = level
  closed[co] = not M.allowed() or nil
  return true
end

--- Waits until what has `id` is answered.
---@return boolean ok, any value
function M.await(id)
  local _, ok, value = yield(WAIT, id)
  return ok, value
end

local go_on
local function pass(co, ok, mark, ...)
  if ok and mark == WAIT then
    waiting[co] = true
    return go_on(co, yield(WAIT, ...))
  end
  return ok, mark, ...
end
function go_on(co, ...)
  waiting[co] = nil
  return pass(co, resume(co, ...))
end

local function user_resume(co, ...)
  if waiting[co] then return false, "cannot resume a coroutine that waits" end
  if not below(co) then return false, "stack overflow (coroutines inside coroutines)" end
  return pass(co, resume(co, ...))
end

function M.coroutine.create(f)
  if type(f) ~= "function" then
    error("bad argument #1 to 'create' (function expected, got " .. type(f) .. ")", 2)
  end
  local co = create(f)
  of_user[co] = true
  return co
end

function M.coroutine.resume(co, ...)
  if type(co) ~= "thread" then
    error("bad argument #1 to 'resume' (coroutine expected)", 2)
  end
  return user_resume(co, ...)
end

function M.coroutine.yield(...)
  local here = running()
  if not here or not of_user[here] then error("attempt to yield from outside a coroutine", 2) end
  return yield(...)
end

local function unwrap(ok, ...)
  if ok then return ... end
  error((...), 0)
end

function M.coroutine.wrap(f)
  local co = M.coroutine.create(f)
  return function(...) return unwrap(user_resume(co, ...)) end
end

function M.coroutine.running()
  local here = running()
  return here and of_user[here] and here or nil
end

function M.coroutine.status(co)
  if type(co) ~= "thread" then
    error("bad argument #1 to 'status' (coroutine expected)", 2)
  end
  return waiting[co] and "normal" or raw.status(co)
end

--- Runs functions at once, each up to its next wait in turn. Returns the list of their first
--- results, and the first error as { value } when one or more failed; always after all have ended.
function M.parallel(functions)
  local results, failed, owner, fresh, left = {}, nil, {}, {}, 0
  local function after(branch, ok, mark, ids)
    if ok and mark == WAIT then
      if type(ids) ~= "table" then ids = { ids } end
      for i = 1, #ids do
        owner[ids[i]] = branch
        fresh[#fresh + 1] = ids[i]
      end
      return
    end
    left = left - 1
    if ok then
      results[branch.at] = mark
    elseif not failed then
      failed = { mark }
    end
  end
  for i = 1, #functions do
    local branch = { at = i, co = create(functions[i]) }
    left = left + 1
    if below(branch.co) then
      after(branch, resume(branch.co))
    else
      after(branch, false, "stack overflow (parallel inside parallel)")
    end
  end
  while left > 0 do
    local ids = fresh
    fresh = {}
    local id, ok, value = yield(WAIT, ids)
    local branch = owner[id]
    owner[id] = nil
    after(branch, resume(branch.co, id, ok, value))
  end
  return results, failed
end

return M
