-- The globals of controller files and of the library, and the two `require`s.
-- Runs once per isolate with (core, _G of the bare state); returns env, library_require.
local core, lua = ...
local waits = core.library_chunk("moonlet.core.waits", lua)(core, lua.coroutine)

local type, pairs, error, pcall, select = type, pairs, error, pcall, select
local fill, next = core.base.fill, lua.next

local function copy_into(to, from)
  for name, value in pairs(from) do to[name] = value end
  return to
end

-- xpcall over pcall: waits pass through it, and a handler cannot run while the guard's error is
-- on its way (R19, R20).
local function after(handler, ok, ...)
  if ok then return true, ... end
  local handled, value = pcall(handler, (...))
  return false, value, not handled or nil
end
local function xpcall(f, handler, ...)
  return after(handler, pcall(f, ...))
end

local function check_walked(t)
  if type(t) == "table" then return end
  error("bad argument #1 to 'pairs' (table expected, got " .. (t == nil and "nil" or type(t)) .. ")", 3)
end

local function checked_pairs(t)
  check_walked(t)
  return next, fill(t), nil
end

-- LuaJIT numbers strings by chance, and pairs() follows the numbers. In simulation a run must be repeatable.
local function before(a, b)
  if type(a) == type(b) then return (type(a) == "string" or type(a) == "number") and a < b end
  return type(a) == "number" or (type(a) == "string" and type(b) ~= "number")
end

local function sorted_keys(t)
  local keys, n, strings = {}, 0, 0
  for key in next, fill(t) do
    n = n + 1
    keys[n] = key
    if type(key) == "string" then strings = strings + 1 end
  end
  if strings > 1 then core.tables.sort(keys, before) end
  return keys
end

local function ordered_pairs(t)
  check_walked(t)
  local keys, at = sorted_keys(t), 0
  return function()
    local key, value
    repeat
      at = at + 1
      key = keys[at]
      if key ~= nil then value = lua.rawget(t, key) end
    until key == nil or value ~= nil
    return key, value
  end, t, nil
end

local function text_of(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = lua.tostring((select(i, ...))) end
  return lua.table.concat(parts, "\t")
end

-- The library's format would call a __tostring from C, which a script could nest without end.
local format, tostring = lua.string.format, lua.tostring
local function text_arguments(n, ...)
  local arguments = { ... }
  for i = 1, n do
    local kind = type(arguments[i])
    if kind == "table" or kind == "userdata" then arguments[i] = tostring(arguments[i]) end
  end
  return core.base.unpack(arguments, 1, n)
end
local function checked_format(pattern, ...)
  local n = select("#", ...)
  for i = 1, n do
    local kind = type((select(i, ...)))
    if kind == "table" or kind == "userdata" then return format(pattern, text_arguments(n, ...)) end
  end
  return format(pattern, ...)
end

local function make(env)
  for _, name in lua.ipairs { "assert", "error", "pcall", "ipairs", "rawequal", "select", "tonumber",
    "tostring", "type", "_VERSION" } do
    env[name] = lua[name]
  end
  copy_into(env, core.base).fill = nil
  env.pairs, env.xpcall = core.ordered and ordered_pairs or checked_pairs, xpcall
  env.string = copy_into(copy_into({}, lua.string), core.strings)
  env.string.dump, env.string.format = nil, checked_format
  env.table = copy_into({}, core.tables)
  env.math = copy_into({}, lua.math)
  env.bit = copy_into({}, lua.bit)
  env.coroutine = copy_into({}, waits.coroutine)
  env.os = {
    time = function(t)
      if t == nil then return lua.math.floor(core.now()) end
      return lua.os.time { -- read here: C would run a metamethod
        year = t.year, month = t.month, day = t.day, hour = t.hour, min = t.min, sec = t.sec,
        isdst = t.isdst,
      }
    end,
    date = function(pattern, at)
      return lua.os.date(pattern or "%c", at or lua.math.floor(core.now()))
    end,
    clock = core.mono,
    difftime = function(a, b) return a - b end,
  }
  env.print = function(...) core.log("info", text_of(...)) end
  env.load = function(chunk, name, _, globals)
    if type(chunk) == "function" then -- collected here: the parser would hide a stop from the guard
      local parts = {}
      for part in chunk do
        if part == "" then break end
        if type(part) ~= "string" then return nil, "reader function must return a string" end
        parts[#parts + 1] = part
      end
      chunk = core.tables.concat(parts)
      name = name or "=(load)"
    end
    return lua.load(chunk, name, "t", globals or env)
  end
  env.loadstring = function(text, name)
    if type(text) ~= "string" then
      error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
    end
    return lua.load(text, name, "t", env)
  end
  env._G = env
  return env
end

local library_env = make {}
local requirer = core.library_chunk("moonlet.core.modules", lua)()

local library_require = requirer(
  { ["moonlet.core"] = core, ["moonlet.core.waits"] = waits },
  function(name) return core.library_chunk(name, library_env) end,
  function(name) return "module '" .. name .. "' is not part of the library" end)
library_env.require = library_require

-- A module of the library that few files need: it is loaded when something of it is used.
library_env.lazy = function(name)
  return lua.setmetatable({}, { __index = function(self, field)
    local value = library_require(name)[field]
    self[field] = value
    return value
  end })
end

local PRIVATE = { ["moonlet.core"] = true, ["moonlet.ctx"] = true, ["moonlet.declare"] = true }
local env = make {}
env.require = requirer({}, function(name)
  if name == "moonlet" or lua.string.sub(name, 1, 8) == "moonlet." then
    if PRIVATE[name] or lua.string.sub(name, 1, 13) == "moonlet.core." then return nil end
    if not core.library_chunk(name, library_env) then return nil end
    return { value = library_require(name) }
  end
  return core.source_chunk(name)
end, function(name)
  local own = core.source_modules()
  return "module '" .. name .. "' not found: a controller can require moonlet's modules"
    .. (own == "" and "" or " and those beside it (" .. own .. ")")
end)

return env, library_require
