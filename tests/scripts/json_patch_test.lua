-- core.json_patch: RFC 6902 as the API server applies it.
local t = require "moonlet.test"
local json = require "moonlet.json"
local patch = require "moonlet.core.json_patch"

local function patched(document, operations)
  return patch(json.decode(document), json.decode(operations))
end

t.case("what cannot be applied leaves nothing changed and says why", function()
  local document = json.decode '{"a":[1]}'
  for operations, why in pairs {
    ['[{"op":"add","path":"/a/0","value":0},{"op":"test","path":"/a/0","value":1}]'] =
      "operation 2, test /a/0: the test fails",
    ['[{"op":"remove","path":"/b"}]'] = "operation 1, remove /b: it is not there",
    ['[{"op":"replace","path":"/a/1","value":1}]'] = "replace /a/1: it is not there",
    ['[{"op":"add","path":"/a/2","value":1}]'] = "add /a/2: beyond the end",
    ['[{"op":"add","path":"/x/y","value":1}]'] = "add /x/y: there is no x",
    ['[{"op":"add","path":"a","value":1}]'] = "is no JSON pointer",
    ['[{"op":"put","path":"/a"}]'] = "operation 1 is none of add",
    ['[5]'] = "operation 1 is none of add",
  } do
    local result, message = patch(document, json.decode(operations))
    t.equal(result, nil)
    t.match(message, why)
    t.equal(document, { a = { 1 } })
  end
end)

t.case("each operation does what the RFC says", function()
  for _, try in ipairs { -- RFC 6902, appendix A
    { '{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"baz":"qux","foo":"bar"}' },
    { '{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}' },
    { '{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc"]}]', '{"foo":["bar",["abc"]]}' },
    { '{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}' },
    { '{"foo":["a","b","c"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["a","c"]}' },
    { '{"foo":["a","b"]}', '[{"op":"replace","path":"/foo/0","value":"x"}]', '{"foo":["x","b"]}' },
    { '{"foo":["all","grass","cows","eat"]}', '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
      '{"foo":["all","cows","eat","grass"]}' },
    { '{"a":{"b":1},"c":{}}', '[{"op":"move","from":"/a/b","path":"/c/d"}]', '{"a":{},"c":{"d":1}}' },
    { '{"a":{"b":1}}', '[{"op":"copy","from":"/a","path":"/c"}]', '{"a":{"b":1},"c":{"b":1}}' },
    { '{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10},{"op":"remove","path":"/~1"}]', '{"~1":10}' },
    { '{"foo":null}', '[{"op":"test","path":"/foo","value":null}]', '{"foo":null}' },
    { '{"a":1}', '[{"op":"replace","path":"","value":{"b":2}}]', '{"b":2}' },
  } do
    t.equal(patched(try[1], try[2]), json.decode(try[3]), try[2])
  end
end)
