-- core.globals: what a chunk reads and sets, with lines, whatever else its bytecode holds.
local t = require "moonlet.test"
local core = require "moonlet.core"

local function globals(text)
  local out = {}
  for _, use in ipairs(core.globals(assert(load(text, "@f.lua")))) do
    out[#out + 1] = ("%s%s %s"):format(use.set and "=" or "", use.name, use.at)
  end
  table.sort(out)
  return out
end

t.case("names are told from fields and locals", function()
  t.equal(globals "local x = y.z; x.a = 1; z = x", { "=z f.lua:1", "y f.lua:1" })
  t.equal(globals "local function f(a) return a end; return f", {})
  t.equal(globals "function f() return g end", { "=f f.lua:1", "g f.lua:1" })
end)

t.case("constants of every type are passed over", function()
  t.equal(globals [[
local a = { 1, 2.5, "x", true, nil, k = "v", [3] = 1e300, [false] = -1, n = {} }
local b = 123456789012345678
local c = 12345678901234567890ULL
local d = 2i
return function() return function() return a, b, c, d, deep, ("s"):rep(2) end end]], { "deep f.lua:5" })
end)

t.case("lines are right in chunks of any length", function()
  for _, before in ipairs { 0, 254, 255, 300, 65534, 65536, 70000 } do
    local text = ("\n"):rep(before) .. "local a = 1\nreturn name"
    t.equal(globals(text), { ("name f.lua:%d"):format(before + 2) })
    local inside = "return function()" .. ("\n"):rep(before) .. "return name end"
    t.equal(globals(inside), { ("name f.lua:%d"):format(before + 1) })
  end
end)

t.case("many constants and instructions", function()
  local lines = {}
  for i = 1, 3000 do lines[i] = ("f%d('text %d', %d.5)"):format(i, i, i) end
  t.equal(#globals(table.concat(lines, "\n")), 3000)
end)
