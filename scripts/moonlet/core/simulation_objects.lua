-- The objects of `sim`: requests of the test's author to the API server, without faults.
local check = require "moonlet.check"
local core = require "moonlet.core"
local resource = require "moonlet.resource"
local selectors = require "moonlet.core.selectors"

---@param Sim table the class
---@param host { try: function, refuse: function, state: table }
return function(Sim, host)

local function escape(text)
  return (text:gsub("[^%w._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function read(self, path)
  return host.try("call", { method = "GET", url = path })
end

-- What the server says of the group's kinds: kind -> { plural, namespaced }.
local function discover(self, group_version)
  local root = group_version:find("/", 1, true) and "/apis/" or "/api/"
  local answer = read(self, root .. group_version)
  local found = { root = root .. group_version, kinds = {} }
  for _, one in ipairs(answer and answer.resources or {}) do
    if not one.name:find("/", 1, true) then
      found.kinds[one.kind] = { plural = one.name, namespaced = one.namespaced }
    end
  end
  return found
end

local function known(self, what, kind)
  if type(kind) == "table" and not resource.is(kind) then
    check.misuse(("%s: a kind is written \"v1/Pod\" or \"apps/v1/Deployment\", or is a moonlet.resource"):format(what))
  end
  local text = tostring(kind)
  local group_version, name = text:match "^([^/]+/?[^/]*)/([^/]+)$"
  if not name then
    check.misuse(('%s: a kind is written "v1/Pod" or "apps/v1/Deployment", not %s'):format(what, check.describe(kind)))
  end
  local kinds = host.state[self].kinds
  local group = kinds[group_version]
  if not group or not group.kinds[name] then
    group = discover(self, group_version)
    kinds[group_version] = group
  end
  local found = group.kinds[name]
  if found then return group.root, found end
  local near = check.nearest(name, group.kinds)
  host.refuse(core.caller(1), what, { code = "not_found", status = 404, reason = "NotFound",
    message = ("the server has no kind %s%s"):format(text, near and (", did you mean %s/%s?"):format(group_version,
      near) or "; load the file that declares its CRD first") })
end

local function path_of(self, what, kind, ns, name, subresource)
  local root, found = known(self, what, kind)
  local path = root
  if found.namespaced and ns ~= "" then path = path .. "/namespaces/" .. escape(ns or "default") end
  path = path .. "/" .. found.plural
  if name then path = path .. "/" .. escape(name) end
  return subresource and path .. "/" .. subresource or path
end

-- An object, or { apiVersion =, kind =, name =, namespace = }: its kind, namespace and name.
local function of(object, what, nameless)
  if type(object) ~= "table" or type(object.apiVersion) ~= "string" or type(object.kind) ~= "string" then
    check.misuse(("%s: an object with apiVersion and kind is expected, not %s"):format(what, check.describe(object)))
  end
  local at = type(object.metadata) == "table" and object.metadata or object
  if type(at.name) ~= "string" and not (nameless and type(at.generateName) == "string") then
    check.misuse(what .. ": metadata.name is missing")
  end
  return object.apiVersion .. "/" .. object.kind, at.namespace, at.name
end

-- (object, …) or (kind, name, …): kind, namespace, name and the rest.
local function target(what, first, second, ...)
  if type(first) == "string" or resource.is(first) then
    check.argument(second, "string", what .. ": name")
    return first, nil, second, ...
  end
  local kind, ns, name = of(first, what)
  return kind, ns, name, second, ...
end

local function send(what, kind, name, request)
  local answer, problem = host.try("call", request)
  if answer == false then
    host.refuse(core.caller(1), ("%s %s %s"):format(what, tostring(kind):match "[^/]+$", name or ""), problem)
  end
  return answer
end

--- Creates the object; its namespace is "default" unless it says another. Returns it as it is stored.
---@param object table
---@return table
function Sim:create(object)
  local kind, ns, name = of(object, "sim:create", true)
  return send("sim:create", kind, name, { method = "POST", body = object,
    url = path_of(self, "sim:create", kind, ns) .. "?fieldManager=test" })
end

--- Applies the object on the server side, under the field manager "test".
---@param object table
---@return table
function Sim:apply(object)
  local kind, ns, name = of(object, "sim:apply")
  return send("sim:apply", kind, name, { method = "PATCH", body = object,
    url = path_of(self, "sim:apply", kind, ns, name) .. "?fieldManager=test&force=true" })
end

--- Replaces the object; one that was read before and has changed since is a conflict.
---@param object table
---@return table
function Sim:update(object)
  local kind, ns, name = of(object, "sim:update")
  return send("sim:update", kind, name, { method = "PUT", body = object,
    url = path_of(self, "sim:update", kind, ns, name) .. "?fieldManager=test" })
end

local PATCHES = { merge = true, json = true, strategic = true }

--- Patches an object: sim:patch(ref, patch, type?) or sim:patch(kind, name, patch, type?); "merge", "json" or
--- "strategic".
---@return table
function Sim:patch(...)
  local kind, ns, name, patch, how = target("sim:patch", ...)
  check.argument(patch, "table", "sim:patch: patch")
  how = how or "merge"
  if not PATCHES[how] then check.misuse 'sim:patch: the type is "merge", "json" or "strategic"' end
  return send("sim:patch", kind, name, { method = "PATCH", body = patch, patch_type = how,
    url = path_of(self, "sim:patch", kind, ns, name) .. "?fieldManager=test" })
end

--- Sets fields of an object's status: sim:set_status(ref, status) or sim:set_status(kind, name, status).
---@return table
function Sim:set_status(...)
  local kind, ns, name, status = target("sim:set_status", ...)
  check.argument(status, "table", "sim:set_status: status")
  return send("sim:set_status", kind, name, { method = "PATCH", body = { status = status }, patch_type = "merge",
    url = path_of(self, "sim:set_status", kind, ns, name, "status") .. "?fieldManager=test" })
end

local DELETE = { propagation = "string?", grace = "number?" }

--- Deletes an object: sim:delete(ref, options?) or sim:delete(kind, name, options?). False when it is not there.
---@return boolean
function Sim:delete(...)
  local kind, ns, name, options = target("sim:delete", ...)
  options = check.options(options or {}, DELETE, core.caller(1), "sim:delete")
  local answer, problem = host.try("call", { method = "DELETE", url = path_of(self, "sim:delete", kind, ns, name),
    body = { apiVersion = "v1", kind = "DeleteOptions", propagationPolicy = options.propagation,
      gracePeriodSeconds = options.grace } })
  if answer ~= false then return true end
  if problem.code == "not_found" then return false end
  host.refuse(core.caller(1), ("sim:delete %s %s"):format(tostring(kind):match "[^/]+$", name), problem)
end

--- The object, or nil: sim:get(kind, name, namespace?) or sim:get(ref).
---@return table?
function Sim:get(...)
  local kind, ns, name, other = target("sim:get", ...)
  local answer, problem = read(self, path_of(self, "sim:get", kind, other or ns, name))
  if answer ~= false then return answer end
  if problem.code == "not_found" then return nil end
  host.refuse(core.caller(1), ("sim:get %s %s"):format(tostring(kind):match "[^/]+$", name), problem)
end

local LIST = { namespace = "string?", labels = "string|table?", fields = "string|table?" }

--- The objects of a kind, of all namespaces unless one is said, by namespace and name.
---@return table[]
function Sim:list(kind, options)
  options = check.options(options or {}, LIST, core.caller(1), "sim:list")
  local path, query = path_of(self, "sim:list", kind, options.namespace or ""), {}
  if options.labels then query[1] = "labelSelector=" .. escape(selectors.labels(options.labels)) end
  if options.fields then query[#query + 1] = "fieldSelector=" .. escape(selectors.fields(options.fields)) end
  if #query > 0 then path = path .. "?" .. table.concat(query, "&") end
  local items = send("sim:list", kind, nil, { method = "GET", url = path }).items
  local group_version, name = tostring(kind):match "^(.+)/([^/]+)$"
  for _, item in ipairs(items) do item.apiVersion, item.kind = item.apiVersion or group_version, item.kind or name end
  return items
end

--- The Events, of one object when a ref is given, the oldest first: { type, reason, message, count, about }.
---@param ref? table
---@return table[]
function Sim:events(ref)
  local _, ns, name
  if ref ~= nil then _, ns, name = of(ref, "sim:events") end
  local out = {}
  for _, event in ipairs(self:list("v1/Event", { namespace = ref and (ns or "default") or nil })) do
    local about = event.involvedObject
    if not ref or (about.name == name and about.kind == ref.kind) then
      out[#out + 1] = { type = event.type, reason = event.reason, message = event.message, count = event.count,
        about = { kind = about.kind, namespace = about.namespace, name = about.name },
        at = event.lastTimestamp or event.eventTime, name = event.metadata.name }
    end
  end
  table.sort(out, function(a, b)
    if a.at ~= b.at then return tostring(a.at) < tostring(b.at) end
    return a.name < b.name
  end)
  return out
end

end
