--- Conversion between the versions of a resource: the pairs that its file gives, the shortest chain of them,
--- and what a chain must leave alone.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

local function sorted(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- { from = { to = function } } of { ["v1->v2"] = function }.
local function read_pairs(convert, versions, at, what)
  local out = {}
  for name in pairs(versions) do out[name] = {} end
  for key, f in pairs(convert) do
    local from, to
    if type(key) == "string" then from, to = key:match "^%s*(%w+)%s*%->%s*(%w+)%s*$" end
    if not from or from == to then
      check.fault(at, ('%s.convert: %s is not a pair of versions such as "v1beta1->v1"')
        :format(what, check.describe(key)))
    end
    for _, name in ipairs { from, to } do
      if not versions[name] then
        local near = check.nearest(name, versions)
        check.fault(at, ('%s.convert["%s"]: there is no version %s%s'):format(what, key, name,
          near and (', did you mean "%s"?'):format(near) or ""))
      end
    end
    check.type(f, "function", at, ('%s.convert["%s"]'):format(what, key))
    out[from][to] = f
  end
  return out
end

-- The versions on the shortest way from `from` to `to`, both included; of equal ways the first by name.
local function way(steps, from, to)
  local before, queue = { [from] = from }, { from }
  for _, version in ipairs(queue) do
    for _, after in ipairs(sorted(steps[version] or {})) do
      if not before[after] then
        before[after] = version
        queue[#queue + 1] = after
      end
    end
  end
  if not before[to] then return nil end
  local out = { to }
  while out[1] ~= from do table.insert(out, 1, before[out[1]]) end
  return out
end

--- Reads `convert`; every version must be reachable from every other. Raises at `at`.
function M.new(resource, convert, versions, at, what)
  check.type(convert, "table", at, what .. ".convert")
  local steps, ways = read_pairs(convert, versions, at, what), {}
  for _, from in ipairs(sorted(versions)) do
    for _, to in ipairs(sorted(versions)) do
      local path = way(steps, from, to)
      if not path then
        check.fault(at, ('%s.convert: no way leads from %s to %s; add ["%s->%s"] = function(obj) … end')
          :format(what, from, to, from, to))
      end
      ways[from .. "->" .. to] = path
    end
  end
  return { steps = steps, ways = ways, group = resource.group, kind = resource.kind }
end

local function key_of(object)
  local metadata = type(object.metadata) == "table" and object.metadata or {}
  local ns = metadata.namespace
  return ("%s %s"):format(tostring(object.kind), (ns and ns .. "/" or "") .. tostring(metadata.name))
end

local function fixed(metadata)
  local out = core.copy(metadata or {})
  out.labels, out.annotations = nil, nil
  return out
end

local function step(self, f, object, from, to)
  local name, before, kind = key_of(object), fixed(object.metadata), object.kind
  local function fault(message)
    error(("%s: convert %s->%s: %s"):format(name, from, to, message), 0)
  end
  local ok, result = pcall(f, object)
  if not ok then
    if type(result) == "table" and result.code == "cancelled" then error(result, 0) end
    fault(tostring(result))
  end
  if result == nil then result = object end
  if type(result) ~= "table" then
    fault("returned " .. check.describe(result) .. "; it returns nothing (edit the object in place) or an object")
  end
  if result.kind ~= kind then fault("changed kind") end
  if not core.equal(fixed(result.metadata), before) then
    fault("changed metadata; only labels and annotations may change")
  end
  result.apiVersion = self.group .. "/" .. to
  return result
end

--- `object` in the version of `desired` ("group/version"); it may be changed on the way.
function M.convert(self, object, desired)
  local group, to = tostring(desired):match "^(.-)/([^/]+)$"
  local from = type(object.apiVersion) == "string" and object.apiVersion:match "^.*/([^/]+)$"
  local path = group == self.group and from and self.ways[from .. "->" .. to]
  if not path or object.kind ~= self.kind then
    error(("%s: no conversion from %s to %s"):format(key_of(object), tostring(object.apiVersion), tostring(desired)), 0)
  end
  for i = 2, #path do
    object = step(self, self.steps[path[i - 1]][path[i]], object, path[i - 1], path[i])
  end
  return object
end

--- The names of all versions, sorted.
function M.versions(self)
  return sorted(self.steps)
end

--- What the host reads of a resource that converts, and the functions it calls.
function M.declaration(resource)
  local name = resource.crd.metadata.name
  return { type = "conversion", name = name, crd = name, source = resource.at, handlers = core.array { "convert" } },
    { convert = function(object, desired) return M.convert(resource.conversion, object, desired) end }
end

return M
