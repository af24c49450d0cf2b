-- A ref: an object, or { apiVersion =, kind =, name =, namespace = }.
local program = require "moonlet.core.program"
local raise = program.raise

local M = {}

local function text(value, what, field)
  if type(value) ~= "string" or value == "" then
    raise(("%s: %s is %s"):format(what, field, value == nil and "missing" or "not text"))
  end
  return value
end

--- { kind = "apps/v1/Deployment", ns =, name = } of an object or ref.
function M.of(object, what, nameless)
  if type(object) ~= "table" then
    raise(what .. ": an object or { apiVersion =, kind =, name =, namespace = } is expected, not "
      .. (object == nil and "nil" or type(object)))
  end
  local at = type(object.metadata) == "table" and object.metadata or object
  local name = at.name
  if not (nameless and name == nil and type(at.generateName) == "string") then
    text(name, what, "metadata.name")
  end
  if at.namespace ~= nil then text(at.namespace, what, "metadata.namespace") end
  return {
    kind = text(object.apiVersion, what, "apiVersion") .. "/" .. text(object.kind, what, "kind"),
    ns = at.namespace, name = name,
  }
end

--- { apiVersion =, kind =, namespace =, name =, uid = } for an Event.
function M.full(object, what)
  local ref = M.of(object, what)
  local at = type(object.metadata) == "table" and object.metadata or object
  return {
    apiVersion = object.apiVersion, kind = object.kind, namespace = ref.ns, name = ref.name,
    uid = at.uid,
  }
end

return M
