--- What a moonlet.injector puts in, read into one form: at load what is written down, at a call what a
--- function gave.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

local function texts(map, fault)
  local out = {}
  for key, value in pairs(map) do
    if type(key) ~= "string" or type(value) == "table" or type(value) == "function" then
      fault(("a map of texts such as { app = \"web\" }, not %s = %s"):format(tostring(key), check.describe(value)))
    end
    out[key] = tostring(value)
  end
  return out
end

-- A list of Kubernetes' own objects with distinct names.
local function named(list, fault, extra)
  local out, seen = core.array {}, {}
  for i, item in ipairs(list) do
    if type(item) ~= "table" or type(item.name) ~= "string" or item.name == "" then
      fault(("item %d has no name"):format(i))
    end
    if seen[item.name] then fault(('"%s" stands there twice'):format(item.name)) end
    seen[item.name] = true
    for key in pairs(item) do
      if type(key) ~= "string" or key:find("_", 1, true) then
        fault(('"%s": %s is not Kubernetes\' own spelling, as in volumeMounts'):format(item.name, check.describe(key)))
      end
    end
    if extra then extra(item) end
    out[i] = core.copy(item)
  end
  return out
end

local function containers(list, fault, fields)
  return named(list, fault, function(item)
    if item.image == nil and not fields.override then fault(('"%s": image is missing'):format(item.name)) end
  end)
end

local function volumes(list, fault)
  return named(list, fault, function(item)
    local sources = 0
    for key, value in pairs(item) do
      if key ~= "name" and value ~= core.null then sources = sources + 1 end
    end
    if sources ~= 1 then
      fault(('"%s": a volume has one source, as in { name = "%s", emptyDir = {} }'):format(item.name, item.name))
    end
  end)
end

-- The containers that an item is for: nil is all of the pod's own.
local function addressed(item, fault, what)
  local wanted = item.containers
  if wanted == nil or wanted == "*" then return nil end
  if type(wanted) == "string" then return { wanted } end
  if type(wanted) ~= "table" or wanted[1] == nil then
    fault(what .. ': containers is "*", a name, or a list of names')
  end
  local out = {}
  for i, name in ipairs(wanted) do
    if type(name) ~= "string" then fault(what .. ": containers: a list of names") end
    out[i] = name
  end
  return out
end

local MOUNT = { name = "string", path = "string", containers = "string|list?", read_only = "boolean?",
  sub_path = "string?", propagation = "string?" }

local function mounts(list, fault)
  local out = {}
  for i, item in ipairs(list) do
    local what = ("item %d"):format(i)
    local ok, problem = pcall(check.options, item, MOUNT, "", what)
    if not ok then fault(problem) end
    if item.path:sub(1, 1) ~= "/" then fault(('%s: path "%s" does not begin with /'):format(what, item.path)) end
    out[i] = { containers = addressed(item, fault, what), item = { name = item.name, mountPath = item.path,
      readOnly = item.read_only, subPath = item.sub_path, mountPropagation = item.propagation } }
  end
  return out
end

local ENV = { name = "string", value = "string|number|boolean?", valueFrom = "table?", containers = "string|list?" }

local function variable(item, fault)
  local what = type(item) == "table" and type(item.name) == "string" and ('"%s"'):format(item.name) or "env"
  local ok, problem = pcall(check.options, item, ENV, "", what)
  if not ok then fault(problem) end
  if item.value ~= nil and item.valueFrom ~= nil then fault(what .. ": value or valueFrom, not both") end
  if item.name == "" or item.name:find "[=%z]" then fault(what .. ": not a name of a variable") end
  local value = item.value
  if value == nil and not item.valueFrom then value = "" end
  return { containers = addressed(item, fault, what), item = { name = item.name,
    value = value ~= nil and tostring(value) or nil, valueFrom = core.copy(item.valueFrom) or nil } }
end

local function env(given, fault)
  local out, names = {}, {}
  if given[1] ~= nil then
    for i, item in ipairs(given) do out[i] = variable(item, fault) end
    return out
  end
  for name in pairs(given) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = given[name]
    local item = type(value) == "table" and core.copy(value) or { value = value }
    item.name = name
    out[i] = variable(item, fault)
  end
  return out
end

local function pull_secrets(list, fault)
  local out, seen = {}, {}
  for i, item in ipairs(list) do
    local name = type(item) == "table" and item.name or item
    if type(name) ~= "string" then fault(("item %d: the name of a Secret, or { name = … }"):format(i)) end
    if not seen[name] then out[#out + 1] = { name = name } end
    seen[name] = true
  end
  return out
end

local function tolerations(list, fault)
  local out = {}
  for i, item in ipairs(list) do
    if type(item) ~= "table" then fault(("item %d: a toleration is a table"):format(i)) end
    out[i] = core.copy(item)
  end
  return out
end

local READ = { containers = containers, init_containers = containers, volumes = volumes, mounts = mounts, env = env,
  labels = texts, annotations = texts, image_pull_secrets = pull_secrets, tolerations = tolerations }
M.NAMES = { "containers", "init_containers", "volumes", "mounts", "env", "labels", "annotations",
  "image_pull_secrets", "tolerations" }

--- One field in its one form. `fault(message)` raises.
function M.value(name, given, fields, fault)
  if given == nil or given == core.null then return {} end
  if type(given) ~= "table" then fault("a table expected, not " .. check.describe(given)) end
  if name == "env" and given[1] == nil or name == "labels" or name == "annotations" then
    return READ[name](given, fault, fields)
  end
  if next(given) ~= nil and given[1] == nil then fault("a list expected; one item is written { { … } }") end
  return READ[name](given, fault, fields)
end

--- At load: what is written down, and names that cannot stand together.
function M.check(reader, fields)
  local anything = fields.patch ~= nil
  local seen = {}
  for _, name in ipairs(M.NAMES) do
    local given = fields[name]
    anything = anything or given ~= nil
    if type(given) == "table" then
      local list = M.value(name, given, fields, function(message) reader:fault(name, message) end)
      if name == "containers" or name == "init_containers" then
        for _, item in ipairs(list) do
          if seen[item.name] then reader:fault(name, ('"%s" is in containers too'):format(item.name)) end
          seen[item.name] = true
        end
      end
    end
  end
  if not anything then
    check.fault(reader.at, reader.what .. ": does nothing; give it containers, init_containers, volumes, mounts, env, "
      .. "labels, annotations or a patch")
  end
end

return M
