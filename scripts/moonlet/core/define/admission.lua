--- moonlet.webhook, moonlet.injector and moonlet.initializer in a declaration: their fields, checked, as
--- webhooks of the form that host/addon/declaration.h documents.
local check = require "moonlet.check"
local controller = lazy "moonlet.core.define.controller"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local initializer = lazy "moonlet.core.initializer"
local injector = lazy "moonlet.core.injector"
local injector_fields = lazy "moonlet.core.injector_fields"
local label_selector = lazy "moonlet.core.label_selector"
local matchers = lazy "moonlet.core.matchers"

-- Fields of each type, beside those of every definition.
local ADMISSION = {
  webhook = {
    resource = "string|table", mutate = "function?", validate = "function?", operations = "list?",
    subresources = "list?", failure_policy = "string?", reinvocation = "string?", match_conditions = "list?",
  },
  injector = {
    into = "string|table", containers = "list|function?", init_containers = "list|function?", position = "string?",
    volumes = "list|function?", mounts = "list|function?", env = "table|function?", labels = "table|function?",
    annotations = "table|function?", image_pull_secrets = "list|function?", tolerations = "list|function?",
    patch = "function?", override = "boolean?", on_conflict = "string?", failure_policy = "string?",
    reinvocation = "string?", match_conditions = "list?",
  },
  initializer = {
    labels = "string|table?", annotations = "table?", namespaces = "table?", fields = "string|table?",
    when = "function|table?", deadline = "string|number?", on_deadline = "string?", initialize = "function",
    failure_policy = "string?", match_conditions = "list?", concurrency = "number?", retry = "table?",
  },
}

local OPERATIONS = { CREATE = true, UPDATE = true, DELETE = true, CONNECT = true }
local DEFAULT_OPERATIONS = { "CREATE", "UPDATE" }

local function refuse_writes(fields, at, what)
  if fields.writes ~= nil then
    check.fault(at, what .. ".writes: a webhook does not write: its answer is all it does, and a dry run calls it "
      .. "too. Let a moonlet.controller in the same file write")
  end
end

local function one_of(reader, value, field, default, ...)
  if value == nil then return default end
  local names = { ... }
  for _, name in ipairs(names) do
    if value == name then return value end
  end
  reader:fault(field, ('"%s" expected, not %s'):format(table.concat(names, '" or "'), check.describe(value)))
end

local function operations(reader, list)
  local out, seen = core.array {}, {}
  for i, name in ipairs(list or DEFAULT_OPERATIONS) do
    if not OPERATIONS[name] then
      local near = type(name) == "string" and check.nearest(name:upper(), OPERATIONS)
      reader:fault(("operations[%d]"):format(i), ("CREATE, UPDATE, DELETE or CONNECT, not %s%s")
        :format(check.describe(name), near and (', did you mean "%s"?'):format(near) or ""))
    end
    if not seen[name] then out[#out + 1] = name end
    seen[name] = true
  end
  if #out == 0 then reader:fault("operations", "an empty list would never be called") end
  return out
end

local function conditions(reader, list, match)
  local out, names = core.array {}, {}
  for _, one in ipairs(matchers.conditions(match.annotations, match.fields)) do out[#out + 1] = one end
  for i, one in ipairs(list or {}) do
    local place = ("%s.match_conditions[%d]"):format(reader.what, i)
    check.options(one, { name = "string", expression = "string" }, reader.at, place)
    if not one.name:find "^[%w][%w._-]*$" or one.name:find "[._-]$" or #one.name > 63 then
      check.fault(reader.at, ('%s: the name "%s" has letters, digits, dots, - and _, up to 63'):format(place, one.name))
    end
    if names[one.name] then check.fault(reader.at, ('%s: "%s" stands there twice'):format(place, one.name)) end
    names[one.name] = true
    out[#out + 1] = { name = one.name, expression = one.expression }
  end
  if #out > 64 then reader:fault("match_conditions", "the API server takes up to 64") end
  return #out > 0 and out or nil
end

local READY = {
  spec_changed = function(new, old) return old == nil or not core.equal(new.spec, old.spec) end,
  labels_changed = function(new, old)
    return old == nil or not core.equal(new.metadata.labels, old.metadata.labels)
  end,
  annotations_changed = function(new, old)
    return old == nil or not core.equal(new.metadata.annotations, old.metadata.annotations)
  end,
}

-- `when` of a match, as a function(new, old).
local function filter(reader, written, field)
  local ready = definition.predicate_name(written)
  if not ready then return written end
  if not READY[ready] then
    reader:fault(field .. ".when", ("moonlet.when.%s is not known at admission; the server counts it up afterwards. "
      .. "Write moonlet.when.spec_changed"):format(ready))
  end
  return READY[ready]
end

-- One webhook over one match. `options`: handler, operations, failure_policy, timeout, reinvocation...
local function webhook(reader, out, match, options)
  out.webhooks = out.webhooks or core.array {}
  local functions = reader.functions
  functions.matches = functions.matches or {}
  for _, name in ipairs { "metadata_only", "managed_fields" } do
    if match[name] then reader:fault(options.field, ("`%s` is for what is watched"):format(name)) end
  end
  local objects, why = label_selector.of_labels(match.labels)
  if match.labels and not objects then reader:fault(options.field .. ".labels", why) end
  local namespaces, reason = label_selector.of_namespaces(match.namespaces)
  if match.namespaces and not namespaces then reader:fault(options.field .. ".namespaces", reason) end
  out.webhooks[#out.webhooks + 1] = {
    handler = options.handler, resource = { kind = match.kind },
    object_selector = objects, namespace_selector = namespaces,
    subresources = options.subresources, operations = options.operations,
    failure_policy = options.failure_policy, timeout = options.timeout,
    reinvocation = options.handler == "mutate" and options.reinvocation or nil,
    match_conditions = conditions(reader, options.match_conditions, match),
  }
  functions.matches[#out.webhooks] = match
end

-- A match whose `when` runs here and not in an informer.
local function read_match(reader, written, field, where)
  local options = type(written) == "table" and written[1] ~= nil and written or { written }
  if options.when ~= nil then
    check.type(options.when, "function|table", reader.at, ("%s.%s.when"):format(reader.what, field))
    reader.functions.webhook_when = reader.functions.webhook_when or {}
    local kept = {}
    for name, value in pairs(options) do kept[name] = value end
    kept.when = nil
    local match = reader:match(kept, field, field)
    reader.functions.webhook_when[where or match.kind] = filter(reader, options.when, field)
    return match
  end
  return reader:match(options, field, field)
end

local function whole_seconds(reader, seconds)
  if seconds == nil then return 5 end
  if seconds < 1 or seconds > 30 or seconds % 1 ~= 0 then
    reader:fault("timeout", "the API server waits whole seconds, from 1s to 30s")
  end
  return seconds
end

local function is_subresource(text)
  return text:find "^%l+$" ~= nil
end

local READ = {}

function READ.webhook(reader, fields, out)
  local match = read_match(reader, fields.resource, "resource", "*")
  local options = {
    field = "resource", operations = operations(reader, fields.operations),
    timeout = whole_seconds(reader, out.timeout),
    subresources = reader:texts(fields.subresources, "subresources", is_subresource, '"status"'),
    failure_policy = one_of(reader, fields.failure_policy, "failure_policy", "Fail", "Fail", "Ignore"),
    reinvocation = one_of(reader, fields.reinvocation, "reinvocation", "Never", "Never", "IfNeeded"),
    match_conditions = fields.match_conditions,
  }
  if fields.reinvocation and not fields.mutate then reader:fault("reinvocation", "only a mutate is called again") end
  out.handlers, out.timeout = core.array {}, options.timeout
  for _, handler in ipairs { "mutate", "validate" } do
    if fields[handler] then
      out.handlers[#out.handlers + 1] = handler
      reader.functions[handler] = fields[handler]
      options.handler = handler
      webhook(reader, out, match, options)
    end
  end
  if #out.handlers == 0 then
    check.fault(reader.at, reader.what .. ": does nothing; give it a mutate or a validate")
  end
end

-- One kind, one { kind, option = … }, or a list of these.
local function as_list(into)
  if type(into) ~= "table" or into[1] == nil then return { into } end
  for name in pairs(into) do
    if type(name) ~= "number" then return { into } end
  end
  return into
end

function READ.injector(reader, fields, out)
  injector_fields.check(reader, fields)
  local options = {
    handler = "mutate", timeout = whole_seconds(reader, out.timeout), match_conditions = fields.match_conditions,
    failure_policy = one_of(reader, fields.failure_policy, "failure_policy", "Fail", "Fail", "Ignore"),
    reinvocation = one_of(reader, fields.reinvocation, "reinvocation", "IfNeeded", "Never", "IfNeeded"),
  }
  one_of(reader, fields.position, "position", nil, "first", "last")
  one_of(reader, fields.on_conflict, "on_conflict", nil, "deny", "skip")
  local seen = {}
  for i, written in ipairs(as_list(fields.into)) do
    local field = ("into[%d]"):format(i)
    local match = read_match(reader, written, field)
    local how = injector.operations(match.kind)
    if not how then
      reader:fault(field, match.kind .. " has no Pods in it; an injector works on " .. injector.KINDS)
    end
    if seen[match.kind] then reader:fault(field, match.kind .. " stands there twice") end
    seen[match.kind] = true
    options.field, options.operations = field, core.array(core.copy(how))
    webhook(reader, out, match, options)
  end
  out.type, out.handlers, out.timeout = "webhook", core.array { "mutate" }, options.timeout
  reader.functions.mutate = injector.handler(fields, reader.at)
end

function READ.initializer(reader, fields, out)
  local match = { "v1/Pod", labels = fields.labels, annotations = fields.annotations,
    namespaces = fields.namespaces, fields = fields.fields, when = fields.when }
  local options = {
    initialize = fields.initialize, deadline = reader:seconds(fields.deadline, "deadline") or 60,
    release = one_of(reader, fields.on_deadline, "on_deadline", "hold", "hold", "release") == "release",
  }
  if options.deadline < 1 then reader:fault("deadline", "1s or more") end
  local gate = "moonlet.dev/" .. fields.name
  local initialize, gone = initializer.handlers(gate, options)
  local selected = read_match(reader, match, "match", "*")
  match.when = nil
  controller.read(reader, { resource = match, concurrency = fields.concurrency, retry = fields.retry,
    initialize = initialize, gone = gone }, out)
  out.type, out.timeout, options.retry = "controller", math.min(out.timeout or 60, options.deadline), out.retry
  reader.functions.mutate = initializer.mutate(gate)
  webhook(reader, out, selected, {
    field = "match", handler = "mutate", operations = core.array { "CREATE" }, timeout = 5, reinvocation = "Never",
    failure_policy = one_of(reader, fields.failure_policy, "failure_policy", "Fail", "Fail", "Ignore"),
    match_conditions = fields.match_conditions,
  })
end

local function definition_of(name, refuse)
  return { shape = ADMISSION[name], later = {}, refuse = refuse, read = READ[name] }
end

return {
  webhook = definition_of("webhook", refuse_writes), injector = definition_of("injector", refuse_writes),
  initializer = definition_of "initializer",
}
