-- What the loaded file declares, and what that allows.
local core = require "moonlet.core"

local M = {
  definitions = {}, -- of the declaration, by place
  functions = {},   -- place -> path ("reconcile", "watches.1.map", ...) -> function; .config
}
local access = {}   -- place -> kind -> { read = true, write = true | verbs, feeds = { KIND... } }

--- Raises `message` at the line of the controller that called the library.
function M.raise(message, code)
  local at = core.caller(1)
  if at ~= "" then message = at .. ": " .. message end
  if not code then error(message, 0) end
  error(setmetatable({ code = code, message = message }, core.error_metatable), 0)
end

local function entry(of, kind)
  of[kind] = of[kind] or { feeds = {} }
  return of[kind]
end

local ALL = { get = true, list = true, create = true, update = true, patch = true, delete = true }
local PRIMARY = { get = true, list = true, update = true, patch = true }

local function add_verbs(to, verbs)
  to.write = to.write or {}
  for verb in pairs(verbs) do to.write[verb] = true end
end

local function access_of(definition)
  local of = {}
  local function feed(spec)
    local e = entry(of, spec.kind)
    e.read = true
    e.feeds[#e.feeds + 1] = spec
    return e
  end
  if definition.resource then add_verbs(feed(definition.resource), PRIMARY) end
  for _, spec in ipairs(definition.owns or {}) do
    local e = feed(spec)
    e.owned = true
    add_verbs(e, ALL)
  end
  for _, spec in ipairs(definition.watches or {}) do feed(spec) end
  for _, spec in ipairs(definition.reads or {}) do feed(spec) end
  for _, spec in ipairs(definition.writes or {}) do
    local verbs = ALL
    if spec.verbs then
      verbs = {}
      for _, verb in ipairs(spec.verbs) do verbs[verb] = true end
    end
    add_verbs(entry(of, spec.kind), verbs)
  end
  return of
end

--- Runs the file and has what it returns checked. Returns the declaration; of a test file, its cases.
function M.load(chunk, file, config)
  local value = chunk()
  if value == nil and file:find "_test%.lua$" then
    return { definitions = core.array {}, crds = core.array {}, tests = require("moonlet.core.cases").describe() }
  end
  local declaration, functions = require("moonlet.declare").declare(value, {
    file = file, config = config,
  })
  M.definitions, M.functions = declaration.definitions, functions
  for i, definition in ipairs(M.definitions) do access[i] = access_of(definition) end
  return declaration
end

--- The one feed of `kind`, when there is just one: its match limits what ctx:list shows.
function M.match_of(place, kind)
  local feeds = access[place][kind].feeds
  return #feeds == 1 and feeds[1] or {}
end

function M.check_kind(kind)
  kind = type(kind) == "table" and tostring(kind) or kind
  if type(kind) ~= "string" or not kind:find("/", 1, true) then
    M.raise('a kind is written "v1/Pod" or "apps/v1/Deployment", not ' .. tostring(kind))
  end
  return kind
end

--- Raises unless the definition reads `kind` from the cache.
function M.check_read(place, kind)
  local e = access[place][kind]
  if e and e.read then return end
  M.raise(('%s is not declared: add reads = { "%s" } to \'%s\''):format(kind, kind,
    M.definitions[place].name), "forbidden")
end

--- Raises unless the definition may do one of the verbs on `kind` at the server.
function M.check_write(place, kind, ...)
  local e = access[place][kind]
  for i = 1, select("#", ...) do
    local verb = select(i, ...)
    if e and e.write and (e.write[verb] or e.write["*"]) then return e end
    if e and e.read and (verb == "get" or verb == "list") then return e end
  end
  local name = M.definitions[place].name
  if not ALL[...] then
    M.raise(('\'%s\' may not %s %s: add { "%s", verbs = { "%s" } } to its writes'):format(name, (...), kind, kind,
      (...)), "forbidden")
  end
  if e and e.write and not e.owned and M.definitions[place].resource
    and M.definitions[place].resource.kind ~= kind then
    M.raise(('\'%s\' may not %s %s: add "%s" to the verbs of { "%s", verbs = … } in its writes')
      :format(name, (...), kind, (...), kind), "forbidden")
  end
  M.raise(('\'%s\' may not %s %s: add writes = { "%s" }, or owns = { "%s" } for what it creates')
    :format(name, (...), kind, kind, kind), "forbidden")
end

function M.owns(place, kind)
  local e = access[place][kind]
  return e ~= nil and e.owned == true
end

return M
