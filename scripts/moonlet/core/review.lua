--- One request to the API server as its webhooks see it, for moonlet.test: the mutating ones in order, then the
--- validating ones, each in a rehearsal.
local check = require "moonlet.check"
local core = require "moonlet.core"
local declare = require "moonlet.declare"
local labels = require "moonlet.labels"
local matchers = require "moonlet.core.matchers"
local rehearsal = require "moonlet.core.rehearsal"

local M = {}

local function plain(value)
  return value and core.json_decode(core.json_encode(value))
end

local function kind_of(object)
  local group, version = object.apiVersion:match "^(.*)/(.*)$"
  return { group = group or "", version = version or object.apiVersion, kind = object.kind }
end

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function namespace_labels(options, name)
  for _, object in ipairs(options.cache or {}) do
    if object.kind == "Namespace" and object.metadata.name == name then return object.metadata.labels or {} end
  end
  return { ["kubernetes.io/metadata.name"] = name }
end

-- Does the API server call this webhook? What is said in CEL by the test's author is taken as true.
local function is_called(webhook, match, request, object, old, options)
  local kind = request.kind
  local text = (kind.group ~= "" and kind.group .. "/" or "") .. kind.version .. "/" .. kind.kind
  if webhook.resource.kind ~= text or not contains(webhook.operations, request.operation) then return false end
  if request.subResource then
    if not contains(webhook.subresources or {}, request.subResource) then return false end
  elseif webhook.subresources then
    return false
  end
  local selects = false
  for _, one in ipairs { object or old, old } do
    selects = selects or not match.labels or labels.matches(match.labels, one.metadata.labels or {})
  end
  local namespaces = match.namespaces
  if namespaces and namespaces.labels
    and not labels.matches(namespaces.labels, namespace_labels(options, request.namespace)) then
    return false
  end
  return selects and matchers.fits(match, object or old)
end

local function request_of(options)
  local object = options.object or options.old
  local operation = options.operation or (not options.object and "DELETE" or options.old and "UPDATE" or "CREATE")
  local user = options.user or { username = "tester", groups = { "system:authenticated" } }
  if type(user) == "string" then user = { username = user } end
  return {
    uid = "review", kind = kind_of(object), requestKind = kind_of(object), subResource = options.subresource,
    name = object.metadata.name, namespace = object.metadata.namespace, operation = operation,
    userInfo = plain(user), options = plain(options.options) or {}, dryRun = options.dry_run == true,
  }
end

-- As the host does, on an object of our own.
local function apply(object, changes)
  for _, change in ipairs(changes or {}) do
    local path, at = change.path, object
    if #path == 0 then return change.value end
    for i = 1, #path - 1 do at = at[path[i]] end
    at[path[#path]] = change.value
  end
  return object
end

-- One handler's word on the request as it is now.
local function ask(program, place, webhook, state, options)
  local handler = webhook.handler
  local run = rehearsal.run({ value = program.value, file = program.file, at = program.at, handler = handler,
    find = function(definitions) return place, definitions[place] end, resources = program.resources },
    { object = state.object or state.old, old = state.old, event = state.request.operation,
      request = core.json_encode(state.request) },
    { cache = options.cache, answers = options.answers, config = program.config, now = options.now })
  local outcome = state.outcome
  for _, line in ipairs(run.log) do outcome.log[#outcome.log + 1] = line end
  for _, one in ipairs(run.requests) do outcome.requests[#outcome.requests + 1] = one end
  outcome.called[#outcome.called + 1] = handler
  if run.error then
    outcome.error = run.error
    if webhook.failure_policy == "Ignore" then return true end
    outcome.allowed, outcome.message, outcome.code = false, tostring(run.error), 500
    return false
  end
  local answer = plain(run.answer)
  for _, text in ipairs(answer.warnings or {}) do outcome.warnings[#outcome.warnings + 1] = text end
  for key, value in pairs(answer.audit or {}) do outcome.audit[key] = value end
  if not answer.allowed then
    outcome.allowed, outcome.message = false, answer.message
    outcome.code, outcome.reason = answer.code, answer.reason
    return false
  end
  state.object = apply(state.object, answer.changes)
  return true
end

--- Runs the request through all webhooks of `program.value` and returns the outcome.
---@param program { value: any, file: string, resources: table[] }
function M.run(program, options, at)
  local declared, functions = declare.declare(program.value, { file = program.file, config = program.config })
  local state = { object = plain(options.object), old = plain(options.old), request = request_of(options) }
  local outcome = { allowed = true, warnings = core.array {}, audit = {}, log = {}, requests = {}, called = {} }
  state.outcome = outcome
  local any = false
  for _, handler in ipairs { "mutate", "validate" } do
    for place, definition in ipairs(declared.definitions) do
      local asked = options.name == nil or options.name == definition.name
      for i, webhook in ipairs(asked and definition.webhooks or {}) do
        any = true
        if outcome.allowed and webhook.handler == handler and is_called(webhook, functions[place].matches[i],
          state.request, state.object, state.old, options) then
          ask(program, place, webhook, state, options)
        end
      end
    end
  end
  if not any then check.fault(at, "t.review: there is no such webhook, injector or initializer") end
  outcome.object = state.object
  return outcome
end

return M
