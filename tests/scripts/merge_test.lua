-- moonlet.merge.
local t = require "moonlet.test"
local merge = require "moonlet.merge"
local moonlet = require "moonlet"

t.case("a wrong type is raised at the caller's line", function()
  t.raises(function() return merge.deep({}, nil) end, "merge_test.lua:7: merge.deep: over: a table expected, not nil")
  t.raises(function() return merge.deep("a", {}) end, "merge.deep: base")
  t.raises(function() return merge.strategic({}, {}, { key = {} }) end, 'did you mean "keys"?')
end)

t.case("deep goes map by map, replaces lists, removes at null, and leaves its arguments", function()
  local base = { a = { b = 1, c = 2 }, list = { 1, 2 }, gone = "x" }
  local out = merge.deep(base, { a = { c = 3, d = { e = moonlet.null, f = 1 } }, list = { 9 }, gone = moonlet.null })
  t.equal(out, { a = { b = 1, c = 3, d = { f = 1 } }, list = { 9 } })
  t.equal(base, { a = { b = 1, c = 2 }, list = { 1, 2 }, gone = "x" })
  t.equal(merge.deep(nil, { a = 1 }), { a = 1 })
  t.equal(merge.deep({ a = "text" }, { a = { b = 1 } }), { a = { b = 1 } })
end)

t.case("strategic merges items by their key", function()
  local pod = { containers = {
    { name = "app", image = "a:1", env = { { name = "A", value = "1" } }, ports = { { containerPort = 80 } } },
    { name = "log", image = "l" } } }
  local out = merge.strategic(pod, { containers = {
    { name = "app", env = { { name = "B", value = "2" } }, ports = { { containerPort = 80, name = "web" } },
      args = { "x" } },
    { name = "log", ["$patch"] = "delete" },
    { name = "new", image = "n" } } })
  t.equal(out, { containers = {
    { name = "app", image = "a:1", env = { { name = "A", value = "1" }, { name = "B", value = "2" } },
      ports = { { containerPort = 80, name = "web" } }, args = { "x" } },
    { name = "new", image = "n" } } })
  t.equal(#pod.containers, 2)
end)

t.case("strategic replaces lists without keys and takes keys from options", function()
  t.equal(merge.strategic({ args = { "a" } }, { args = { "b" } }), { args = { "b" } })
  t.equal(merge.strategic({ rules = { { id = 1, a = 1 } } }, { rules = { { id = 1, b = 2 } } },
    { keys = { rules = "id" } }), { rules = { { id = 1, a = 1, b = 2 } } })
  t.equal(merge.strategic({ rules = { { id = 1 } } }, { rules = { { id = 2 } } }), { rules = { { id = 2 } } })
end)
