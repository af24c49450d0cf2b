-- The external network service: find by name before creating, so that nothing is made twice.
local http = require "moonlet.http"

local M = {}
M.__index = M

local function call(self, method, path, body)
  local response, message, info = http.request {
    url = self.url .. path, method = method, json = body, timeout = "5s", retries = 2,
    headers = { ["X-Auth-Token"] = self.token },
  }
  if not response then error({ code = info.code, message = "network service: " .. message }, 0) end
  if response.status == 404 and method ~= "POST" then return nil end
  if response.status >= 300 then
    error(("network service: %s %s: %d %s"):format(method, path, response.status, response.body), 0)
  end
  return response.body ~= "" and response:json() or {}
end

function M.new(url, token)
  return setmetatable({ url = url, token = token }, M)
end

local function find(self, kind, name)
  local found = call(self, "GET", ("/v2.0/%ss?name=%s"):format(kind, name))
  local list = found and found[kind .. "s"]
  return list and list[1] or nil
end

-- What the service can change in place; the rest of a subnet or router is made anew.
local CHANGEABLE = { gateway_ip = true }

-- The fields that differ, and whether all of them can be changed in place.
local function difference(existing, fields)
  local changes, in_place = {}, true
  for name, value in pairs(fields) do
    if existing[name] ~= value then
      changes[name] = value
      in_place = in_place and CHANGEABLE[name] == true
    end
  end
  return changes, in_place
end

--- The id of the network, subnet or router of that name: made when it is not there, brought to these
--- fields when it has others. A network stays as it was made, since others stand on it.
function M:ensure(kind, name, fields)
  local existing = find(self, kind, name)
  if existing then
    local changes, in_place = difference(existing, kind == "network" and {} or fields)
    if next(changes) == nil then return existing.id end
    local path = ("/v2.0/%ss/%s"):format(kind, existing.id)
    if in_place and call(self, "PUT", path, { [kind] = changes }) then return existing.id end
    call(self, "DELETE", path)
  end
  fields.name = name
  return call(self, "POST", ("/v2.0/%ss"):format(kind), { [kind] = fields })[kind].id
end

--- Removes it; fine when it is gone.
function M:remove(kind, name)
  local existing = find(self, kind, name)
  if existing then call(self, "DELETE", ("/v2.0/%ss/%s"):format(kind, existing.id)) end
end

return M
