--- Comparing what an injector puts into a pod spec with what the API server made of it: the server fills in
--- defaults, writes quantities its own way and leaves out what is empty.
local core = require "moonlet.core"
local quantity = lazy "moonlet.quantity"

local M = {}

local DEFAULTS = {
  terminationMessagePath = "/dev/termination-log", terminationMessagePolicy = "File", protocol = "TCP",
  scheme = "HTTP", successThreshold = 1, failureThreshold = 3, periodSeconds = 10, timeoutSeconds = 1,
  defaultMode = 420, apiVersion = "v1", divisor = "0", expirationSeconds = 3600, volumeMode = "Filesystem",
  iscsiInterface = "default",
}
local ADMITTED_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount" -- the ServiceAccount plugin adds it
local EMPTY = { resources = true, metadata = true, securityContext = true, limits = true, requests = true,
  volumeMounts = true }

local function pull_policy(image)
  local name = tostring(image):match "[^/]*$"
  if name:find("@", 1, true) then return "IfNotPresent" end
  local tag = name:match ":(.*)$"
  return (tag == nil or tag == "latest") and "Always" or "IfNotPresent"
end

local function canonical(amount)
  return quantity.canonical(amount) or amount
end

local function is_zero(value, name)
  return value == false or value == "" or value == core.null or value == DEFAULTS[name]
    or (EMPTY[name] and type(value) == "table" and next(value) == nil)
end

-- `value` is ours to change.
local function normal(value, key)
  if type(value) ~= "table" then return value end
  if core.is_array(value) then
    local out = core.array {}
    for _, item in ipairs(value) do
      if not (key == "volumeMounts" and item.mountPath == ADMITTED_MOUNT) then out[#out + 1] = normal(item) end
    end
    return out
  end
  if value.reference ~= nil and value.pullPolicy == pull_policy(value.reference) then value.pullPolicy = nil end
  if value.image ~= nil and value.imagePullPolicy == pull_policy(value.image) then value.imagePullPolicy = nil end
  for name, one in pairs(core.copy(value)) do
    if (key == "limits" or key == "requests") or name == "sizeLimit" then
      one = canonical(one)
    else
      one = normal(one, name)
    end
    value[name] = not is_zero(one, name) and one or nil
  end
  return value
end

--- A short name of what an item says, the same before and after the server has stored it.
function M.hash(item)
  return core.sha256(core.json_encode(normal(core.copy(item)))):sub(1, 10)
end

--- Does `existing` say all that `wanted` says?
function M.contains(existing, wanted, key)
  if type(wanted) ~= "table" or type(existing) ~= "table" then
    if key == "quantity" then return canonical(existing) == canonical(wanted) end
    return core.equal(existing, wanted)
  end
  if core.is_array(wanted) or wanted[1] ~= nil then
    for i, item in ipairs(wanted) do
      local found = type(item) ~= "table" and #existing == #wanted and existing[i] == item
      for j = 1, type(item) == "table" and #existing or 0 do
        found = found or M.contains(existing[j], item)
      end
      if not found then return false end
    end
    return true
  end
  local inner = (key == "limits" or key == "requests") and "quantity" or nil
  for name, value in pairs(wanted) do
    if existing[name] == nil then
      if not is_zero(value, name) then return false end
    elseif not M.contains(existing[name], value, inner or name) then
      return false
    end
  end
  return true
end

--- The place of the item whose `key` is `value`.
function M.find(list, key, value)
  for i, item in ipairs(list or {}) do
    if item[key] == value then return i end
  end
end

return M
