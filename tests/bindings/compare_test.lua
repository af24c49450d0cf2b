-- luacheck: globals view
-- core.changes: what makes `after` of `before` is found, no more, on views and on plain tables.
local t = require "moonlet.test"
local core = require "moonlet.core"

local JSON = '{"kind":"Pod","metadata":{"name":"web","labels":{"a":"1","b":"2"},"empty":{},"none":null},'
  .. '"spec":{"n":3,"list":[3,{"k":1}],"no":[],"deep":{"x":{"y":"z"}},"big":12345678901234567890,'
  .. '"numbers":[1.5,9007199254740993,1.00000000000000000001,-3,1e400],"yes":true}}'

-- { "path=value", ... } in order
local function said(changes)
  local lines = {}
  for i, change in ipairs(changes) do
    lines[i] = table.concat(change.path, ".") .. (change.value ~= nil and "=" .. core.json_encode(change.value) or "")
  end
  table.sort(lines)
  return lines
end

local edits = {
  { "nothing", function() end, {} },
  { "reading", function(o) return o.spec.deep.x.y, #o.spec.list, o.metadata.labels.a end, {} },
  { "the same numbers", function(o)
    o.spec.numbers = { 1.5, core.json_decode "9007199254740993", 1, -3, core.json_decode "1e400" }
  end, {} },
  { "a number next to one that is kept as text", function(o) o.spec.numbers[2] = 9007199254740992 end,
    { "spec.numbers=[1.5,9007199254740992,1,-3,1e400]" } },
  { "text for a number", function(o) o.spec.n = "3" end, { 'spec.n="3"' } },
  { "false for true", function(o) o.spec.yes = false end, { "spec.yes=false" } },
  { "an empty object for an empty list", function(o) o.spec.no = {} end, { "spec.no={}" } },
  { "a shorter list", function(o) o.spec.list[2] = nil end, { "spec.list=[3]" } },
  { "a longer list", function(o) o.spec.list[3] = 1 end, { 'spec.list=[3,{"k":1},1]' } },
  { "the same again", function(o) o.metadata.labels = { a = "1", b = "2" } o.spec.list = { 3, { k = 1 } } end, {} },
  { "a value", function(o) o.metadata.labels.a = "9" end, { 'metadata.labels.a="9"' } },
  { "a new one", function(o) o.metadata.labels.c = "3" end, { 'metadata.labels.c="3"' } },
  { "one that goes", function(o) o.metadata.labels.b = nil end, { "metadata.labels.b" } },
  { "a level", function(o) o.metadata.annotations = { x = "y" } end, { 'metadata.annotations={"x":"y"}' } },
  { "a level that goes", function(o) o.spec.deep = nil end, { "spec.deep" } },
  { "an object for a list", function(o) o.spec.list = { a = 1 } end, { 'spec.list={"a":1}' } },
  { "a list for an object", function(o) o.spec.deep = { 1 } end, { "spec.deep=[1]" } },
  { "within a list", function(o) o.spec.list[2].k = 2 end, { 'spec.list=[3,{"k":2}]' } },
  { "an empty list for an empty object", function(o) o.metadata.empty = core.array {} end, { "metadata.empty=[]" } },
  { "null for a value", function(o) o.spec.n = core.null end, { "spec.n=null" } },
  { "a value for null", function(o) o.metadata.none = 1 end, { "metadata.none=1" } },
  { "a part moved", function(o) o.spec.copy = o.spec.deep end, { 'spec.copy={"x":{"y":"z"}}' } },
  { "two", function(o) o.kind = "Pods" o.spec.n = 4 end, { 'kind="Pods"', "spec.n=4" } },
  { "an odd key", function(o) o.metadata.labels[1] = "x" end, nil },
}

for _, edit in ipairs(edits) do
  for name, make in pairs { view = view, table = core.json_decode } do
    t.case(edit[1] .. " on a " .. name, function()
      local object = make(JSON)
      local before = core.copy(object)
      edit[2](object)
      local changes = core.changes(before, object)
      if edit[3] then
        t.equal(said(changes), edit[3])
      else
        t.equal(changes[1].path, { "metadata", "labels" })
      end
    end)
  end
end

t.case("an object that contains itself ends in an error", function()
  local object = core.json_decode(JSON)
  local before = core.copy(object)
  before.metadata.labels = before
  object.metadata.labels = object
  t.raises(function() core.changes(before, object) end, "nested too deep")
end)

t.case("changes wants two tables", function()
  t.raises(function() core.changes({}, nil) end, "table expected")
end)
