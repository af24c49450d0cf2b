--- One admission request: what a handler of a webhook gets as `req`, and what its answer says to the
--- host. Knows nothing of the cluster; moonlet.ctx calls it.
local core = require "moonlet.core"

local M = {}

local MAX_WARNING, MAX_WARNINGS = 256, 4096 -- bytes: the API server cuts one, and drops what is beyond all
local MAX_AUDIT = 64

-- Refusing ---------------------------------------------------------------------------------------

local Deny = {}
Deny.__tostring = function(self) return "denied: " .. self.message end
local REASONS = { [400] = "BadRequest", [403] = "Forbidden", [404] = "NotFound", [409] = "Conflict",
  [422] = "Invalid", [429] = "TooManyRequests" }

function M.deny(message, options)
  local code = options.code or 403
  return setmetatable({ message = message, code = code, reason = options.reason or REASONS[code] }, Deny)
end

function M.is_denial(value)
  return type(value) == "table" and getmetatable(value) == Deny
end

-- The request ------------------------------------------------------------------------------------

local Request = {}
Request.__index = Request
local notes = setmetatable({}, { __mode = "k" }) -- req -> { warnings =, bytes =, audit = }, of one that said something

-- What `req` has said so far.
local function said_by(req, call)
  local said = notes[req]
  if said then return said end
  if type(req) ~= "table" or not req.uid or getmetatable(req) ~= Request then
    error("call it with a colon, as in req:" .. call, 3)
  end
  said = { warnings = core.array {}, bytes = 0, audit = {}, keys = 0 }
  notes[req] = said
  return said
end

-- At most `limit` bytes, cut between characters, without what an HTTP header cannot carry.
local function header_text(text, limit)
  text = tostring(text):gsub("%c+", " ")
  if #text <= limit then return text end
  while limit > 0 and text:byte(limit + 1) >= 0x80 and text:byte(limit + 1) < 0xC0 do limit = limit - 1 end
  return text:sub(1, limit)
end

function Request:warn(text)
  local said = said_by(self, "warn(…)")
  text = header_text(text, MAX_WARNING)
  if text == "" or said.bytes + #text > MAX_WARNINGS then return end
  for _, one in ipairs(said.warnings) do
    if one == text then return end
  end
  said.bytes = said.bytes + #text
  said.warnings[#said.warnings + 1] = text
end

function Request:audit(key, value)
  local said = said_by(self, "audit(…)")
  if type(key) ~= "string" or not key:find "^%w[%w._-]*$" or #key > 63 then
    error("req:audit(key, value): the key has up to 63 letters, digits, dots, - and _", 2)
  end
  if said.audit[key] == nil then
    if said.keys >= MAX_AUDIT then error("req:audit: more than " .. MAX_AUDIT .. " keys", 2) end
    said.keys = said.keys + 1
  end
  said.audit[key] = tostring(value)
end

local function kind_text(kind)
  if type(kind) ~= "table" then return nil end
  local group = kind.group or ""
  return (group ~= "" and group .. "/" or "") .. tostring(kind.version) .. "/" .. tostring(kind.kind)
end
M.kind_text = kind_text

local function filled(text)
  if text ~= "" then return text end
end

local function fill(req, review, old)
  local info = review.userInfo or {}
  req.uid, req.operation, req.kind = review.uid, review.operation, kind_text(review.kind)
  req.subresource, req.name, req.namespace = filled(review.subResource), filled(review.name), filled(review.namespace)
  req.user = { username = info.username, uid = info.uid, groups = info.groups or core.array {},
    extra = info.extra or {} }
  req.old, req.options, req.dry_run = old, review.options, review.dryRun == true
  setmetatable(req, Request)
end

--- `review` is the AdmissionRequest in JSON, read when the handler asks for something of it.
---@param review string
function M.request(review, old)
  return core.deferred(function(req) fill(req, core.json_decode(review), old) end)
end

-- The answer -------------------------------------------------------------------------------------

local function answer(req, out)
  local said = notes[req]
  if not said then return out end
  if #said.warnings > 0 then out.warnings = said.warnings end
  if said.keys > 0 then out.audit = said.audit end
  return out
end

local function described(value)
  return type(value) == "string" and ("%q"):format(value) or type(value) == "table" and "a table" or tostring(value)
end

local function wrong(definition, message)
  error(("%s: '%s': %s"):format(definition.source, definition.name, message), 0)
end

-- What mutate did: a list of changes to the object as it was, or nil.
local function changes(definition, object, before, result)
  if result ~= nil then
    if type(result) ~= "table" or type(result.metadata) ~= "table" or type(result.kind) ~= "string" then
      wrong(definition, ("mutate returned %s; it returns nothing (edit the object in place), an object, or "
        .. "moonlet.deny(…)"):format(described(result)))
    end
    object = result
  end
  if object == nil then return nil end
  if before == nil then wrong(definition, "there is no object to change") end
  local out = core.changes(before, object)
  if #out == 0 then return nil end
  if object.kind ~= before.kind or object.apiVersion ~= before.apiVersion then
    wrong(definition, ("mutate made %s/%s of %s/%s; a webhook cannot change what an object is"):format(
      tostring(object.apiVersion), tostring(object.kind), tostring(before.apiVersion), tostring(before.kind)))
  end
  return out
end

--- Calls a webhook's handler and returns the table that the host answers with.
---@param call table handler, event, request, object, old
---@param functions table of the definition, by path
function M.review(call, definition, functions, ctx)
  local object, old = call.object, call.old
  if object == nil then object = old end -- DELETE: what is deleted
  local req = M.request(call.request, old)
  local filters = functions.webhook_when
  local when = filters and (filters[req.kind] or filters["*"])
  if when and not when(object, old) then return { allowed = true } end
  local before = call.handler == "mutate" and core.copy(object) or nil
  local result = functions[call.handler](object, req, ctx)
  if M.is_denial(result) then
    return answer(req, { allowed = false, code = result.code, reason = result.reason, message = result.message })
  end
  local out = { allowed = true }
  if call.handler == "mutate" then
    local said = changes(definition, object, before, result)
    if call.event ~= "DELETE" then out.changes = said end
  elseif result ~= nil then
    wrong(definition, ("validate returned %s; it returns nothing to allow, or moonlet.deny(…)")
      :format(described(result)))
  end
  return answer(req, out)
end

-- ctx for a webhook --------------------------------------------------------------------------------

local WRITES = { "apply", "create", "update", "patch", "delete", "set_status", "evict", "bind", "scale", "token",
  "event", "requeue" }

--- The methods of a ctx that only reads, made of those of a whole one (R27).
function M.reading(Ctx, raise)
  local Reading = {}
  for name, method in pairs(Ctx) do Reading[name] = method end
  for _, name in ipairs(WRITES) do
    Reading[name] = function()
      raise(name == "requeue" and "ctx:requeue: a webhook answers once; there is no later call"
        or ("ctx:%s: a webhook does not write: its answer is all it does, and a dry run calls it too")
          :format(name), "invalid")
    end
  end
  return Reading
end

return M
