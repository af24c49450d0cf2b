-- moonlet.diff.
local t = require "moonlet.test"
local diff = require "moonlet.diff"
local moonlet = require "moonlet"

t.case("a wrong type is raised at the caller's line", function()
  t.raises(function() return diff.merge_patch({}) end, "diff_test.lua:7: diff.merge_patch: new: a table expected")
  t.raises(function() return diff.format "x" end, "diff.format: differences")
end)

t.case("equal values have no differences", function()
  t.equal(diff.compare({ a = { 1, 2 } }, { a = { 1, 2 } }), {})
  t.equal(diff.merge_patch({ a = { b = 1 } }, { a = { b = 1 } }), {})
  t.equal(diff.compare(nil, nil), {})
end)

t.case("differences name path, old and new, in order", function()
  local old = { spec = { size = 1, image = "a", ports = { { port = 80 } } }, ["a.b/c"] = 1 }
  local new = { spec = { size = 2, ports = { { port = 81 }, { port = 90 } }, x = true }, ["a.b/c"] = 2 }
  local out = diff.compare(old, new)
  t.equal(out, {
    { op = "change", path = '["a.b/c"]', old = 1, new = 2 },
    { op = "remove", path = "spec.image", old = "a" },
    { op = "change", path = "spec.ports[1].port", old = 80, new = 81 },
    { op = "add", path = "spec.ports[2]", new = { port = 90 } },
    { op = "change", path = "spec.size", old = 1, new = 2 },
    { op = "add", path = "spec.x", new = true },
  })
  t.equal(diff.format(out), table.concat({ '["a.b/c"]: 1 -> 2', 'spec.image: removed "a"',
    "spec.ports[1].port: 80 -> 81", 'spec.ports[2]: added {"port":90}',
    "spec.size: 1 -> 2", "spec.x: added true" }, "\n"))
  t.equal(diff.format(diff.compare(1, 2)), "1 -> 2")
end)

t.case("a merge patch makes the new of the old", function()
  local patch = diff.merge_patch({ a = { b = 1, c = 2 }, l = { 1 }, gone = 1 },
    { a = { b = 1, c = 3 }, l = { 2 }, n = {} })
  t.equal(patch, { a = { c = 3 }, l = { 2 }, gone = moonlet.null, n = {} })
end)
