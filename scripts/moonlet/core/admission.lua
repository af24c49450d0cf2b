--- One admission request: what a handler of a webhook gets as `req`, and what its answer says to the
--- host. Knows nothing of the cluster; moonlet.ctx calls it.
local core = require "moonlet.core"
local fill = core.base.fill

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
local notes = setmetatable({}, { __mode = "k" }) -- req -> { warnings =, bytes =, audit = }

-- At most `limit` bytes, cut between characters, without what an HTTP header cannot carry.
local function header_text(text, limit)
  text = tostring(text):gsub("%c+", " ")
  if #text <= limit then return text end
  while limit > 0 and text:byte(limit + 1) >= 0x80 and text:byte(limit + 1) < 0xC0 do limit = limit - 1 end
  return text:sub(1, limit)
end

function Request:warn(text)
  local said = notes[self] or error("call it with a colon, as in req:warn(…)", 2)
  text = header_text(text, MAX_WARNING)
  if text == "" or said.bytes + #text > MAX_WARNINGS then return end
  for _, one in ipairs(said.warnings) do
    if one == text then return end
  end
  said.bytes = said.bytes + #text
  said.warnings[#said.warnings + 1] = text
end

function Request:audit(key, value)
  local said = notes[self] or error("call it with a colon, as in req:audit(…)", 2)
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

function M.request(review, old)
  local info = review.userInfo or {}
  local req = setmetatable({
    uid = review.uid, operation = review.operation, kind = kind_text(review.kind),
    subresource = filled(review.subResource), name = filled(review.name), namespace = filled(review.namespace),
    user = { username = info.username, uid = info.uid, groups = info.groups or core.array {},
      extra = info.extra or {} },
    old = old, options = review.options, dry_run = review.dryRun == true,
  }, Request)
  notes[req] = { warnings = core.array {}, bytes = 0, audit = {}, keys = 0 }
  return req
end

-- The answer -------------------------------------------------------------------------------------

local function answer(req, out)
  local said = notes[req]
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

local function is_object(value)
  return type(value) == "table" and not core.is_array(value)
end

local function below(path, key)
  local deeper = { unpack(path) }
  deeper[#deeper + 1] = key
  return core.array(deeper)
end

-- Appends { path =, value = } for each member that makes `after` of `before`, without a value where it goes. A
-- list that differs is one value.
local function compare(path, before, after, out)
  fill(before)
  for key in pairs(fill(after)) do
    if type(key) ~= "string" then -- no JSON: said so when it is written
      out[#out + 1] = { path = core.array(path), value = after }
      return
    end
  end
  for key, value in pairs(after) do
    local was = rawget(before, key)
    if was == nil or not core.equal(was, value) then
      if is_object(was) and is_object(value) then
        compare(below(path, key), was, value, out)
      else
        out[#out + 1] = { path = below(path, key), value = value }
      end
    end
  end
  for key in pairs(before) do
    if rawget(after, key) == nil then out[#out + 1] = { path = below(path, key) } end
  end
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
  local out = core.array {}
  compare({}, before, object, out)
  if #out == 0 then return nil end
  if object.kind ~= before.kind or object.apiVersion ~= before.apiVersion then
    wrong(definition, ("mutate made %s/%s of %s/%s; a webhook cannot change what an object is"):format(
      tostring(object.apiVersion), tostring(object.kind), tostring(before.apiVersion), tostring(before.kind)))
  end
  return out
end

--- Calls a webhook's handler and returns the table that the host answers with.
---@param call table handler, request, object, old
---@param functions table of the definition, by path
function M.review(call, definition, functions, ctx)
  local review, object, old = call.request, call.object, call.old
  if object == nil then object = old end -- DELETE: what is deleted
  local req = M.request(review, old)
  local filters = functions.webhook_when or {}
  local when = filters[req.kind] or filters["*"]
  if when and not when(object, old) then return { allowed = true } end
  local before = call.handler == "mutate" and core.copy(object) or nil
  local result = functions[call.handler](object, req, ctx)
  if M.is_denial(result) then
    return answer(req, { allowed = false, code = result.code, reason = result.reason, message = result.message })
  end
  local out = { allowed = true }
  if call.handler == "mutate" then
    local said = changes(definition, object, before, result)
    if review.operation ~= "DELETE" then out.changes = said end
  elseif result ~= nil then
    wrong(definition, ("validate returned %s; it returns nothing to allow, or moonlet.deny(…)")
      :format(described(result)))
  end
  return answer(req, out)
end

-- ctx for a webhook --------------------------------------------------------------------------------

local WRITES = { "apply", "create", "update", "patch", "delete", "set_status", "evict", "scale", "token", "event",
  "requeue" }

--- The class of a ctx that only reads, made of the class of a whole one (R27).
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
  Reading.__index = Reading
  return Reading
end

return M
