-- The cases of a test file: written down while the file is loaded, run one by one afterwards, each as a
-- call of its own that waits for what it asks of its simulation.
local check = require "moonlet.check"
local core = require "moonlet.core"
local simulation = require "moonlet.core.simulation"

local M = {}

local list = {}     -- { sentence, f, at, chaos, seeds, faults, replicas, config }
local of_file = {}  -- invariants that the file declares outside of its cases
local current       -- the run in progress: { case, sim, always, problem }
local last_error    -- what the last rehearsed handler raised, said when its case fails

--- Writes a case down.
function M.add(case)
  if current then check.fault(case.at, "t.case: a case cannot declare another") end
  for _, other in ipairs(list) do
    if other.sentence == case.sentence then
      check.fault(case.at, ("t.case: %q is declared twice, first in %s"):format(case.sentence, other.at))
    end
  end
  list[#list + 1] = case
end

--- An invariant: of the case that runs, or else of all cases of the file.
function M.always(f)
  local to = current and current.always or of_file
  to[#to + 1] = f
end

--- What a rehearsed handler has raised, or nil.
function M.handler_raised(text)
  last_error = text
end

--- The cases as the host reads them.
function M.describe()
  local out = core.array {}
  for i, case in ipairs(list) do
    out[i] = { sentence = case.sentence, at = case.at, chaos = case.chaos, seeds = case.seeds,
      faults = case.faults, replicas = case.replicas, config = case.config }
  end
  return out
end

-- "file:line: what was wrong"; the line is the case's when the error names none.
local function describe(problem, at)
  problem = tostring(problem)
  if not problem:find "^[^%s:]+%.lua:%d+: " or problem:find "^moonlet/" then
    problem = at .. ": " .. problem
  end
  if last_error then problem = ("%s (the handler raised: %s)"):format(problem, last_error) end
  return problem
end

-- A failure of an invariant or of a stand-in for a service is the case's.
local function blame(problem)
  current.problem = current.problem or describe(problem, current.case.at)
end

local function run(case)
  last_error = nil
  current = { case = case, always = {}, sim = simulation.new() }
  local ok, problem = pcall(case.f, current.sim)
  if not ok then blame(problem) end
  problem = current.problem
  current = nil
  return { sentence = case.sentence, ok = problem == nil, problem = problem }
end

local function invariants()
  if not current or current.problem then return end
  for _, of in ipairs { of_file, current.always } do
    for _, f in ipairs(of) do
      local ok, problem = pcall(f, current.sim)
      if not ok then
        blame(problem)
        return
      end
    end
  end
end

local function as_answer(answer)
  if type(answer) ~= "table" then
    error("sim:http: the handler returns { status =, headers =, body = or json = }, not " .. check.describe(answer), 0)
  end
  local body = answer.body
  if answer.json ~= nil then body = core.json_encode(answer.json) end
  return { status = answer.status or 200, headers = answer.headers, body = body or "" }
end

local function serve(request)
  local handler = current and current.sim:handler_of(request.handler)
  if not handler then return { status = 503, body = "the case is over" } end
  request.handler = nil
  function request.json() return core.json_decode(request.body) end
  local ok, answer = pcall(function() return as_answer(handler(request)) end)
  if ok then return answer end
  blame(answer)
  return { status = 500, body = tostring(answer) }
end

--- Runs what the host calls: a case by its place, the invariants, or a stand-in for a service.
function M.start(call)
  if call.handler == "test.case" then
    math.randomseed(core.json_decode(call.event).seed)
    return run(list[call.definition])
  elseif call.handler == "test.always" then
    invariants()
    return current and current.problem and { problem = current.problem } or nil
  end
  return serve(core.json_decode(call.event))
end

--- Runs them all here and now, where nothing can wait.
---@return { sentence: string, ok: boolean, problem?: string }[]
function M.run_all()
  local out = {}
  for i, case in ipairs(list) do out[i] = run(case) end
  return out
end

return M
