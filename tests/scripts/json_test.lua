-- moonlet.json, yaml, base64, sha256: refusals first, then what goes in comes out.
local t = require "moonlet.test"
local moonlet = require "moonlet"
local base64, json = require "moonlet.base64", require "moonlet.json"
local sha256, yaml = require "moonlet.sha256", require "moonlet.yaml"

t.case("a wrong type is raised at the caller's line", function()
  t.raises(function() return json.decode(5) end, "json_test.lua:8: json.decode: text: a string expected, not 5")
  t.raises(function() return json.encode() end, "json_test.lua:9: json.encode: a value expected")
  t.raises(function() return json.encode({}, { prety = true }) end, 'unknown field "prety", did you mean "pretty"?')
  t.raises(function() return json.encode({ spec = { f = print } }) end, "spec.f: a function has no JSON form")
  t.raises(function() return yaml.decode() end, "yaml.decode: text")
  t.raises(function() return yaml.decode_all {} end, "yaml.decode_all: text")
  t.raises(function() return yaml.encode() end, "yaml.encode: a value expected")
  t.raises(function() return base64.encode(1) end, "base64.encode: bytes")
  t.raises(function() return base64.decode() end, "base64.decode: text")
  t.raises(function() return sha256.hex() end, "sha256.hex: bytes")
  t.raises(function() return sha256.of() end, "sha256.of: a value")
end)

t.case("text that cannot be read gives nil, message, info", function()
  for _, try in ipairs {
    { json.decode, "{" }, { json.decode, "" }, { json.decode, "[1,]" }, { yaml.decode, "a: [" },
    { yaml.decode_all, "a: b: c" }, { base64.decode, "a$==" }, { base64.decode, "abc" },
  } do
    local value, message, info = try[1](try[2])
    t.equal(value, nil, try[2])
    t.equal(type(message), "string")
    t.equal(info.code, "rejected")
  end
end)

t.case("null, empty arrays and large numbers keep their kind", function()
  local text = '{"big":18446744073709551616,"empty":[],"map":{},"none":null}'
  local value = json.decode(text)
  t.ok(value.none == moonlet.null)
  t.equal(json.encode(value), text)
  t.equal(json.encode(moonlet.array {}), "[]")
  t.equal(json.encode({ a = 1 }, { pretty = true }), '{\n  "a": 1\n}')
end)

t.case("YAML has the values of JSON", function()
  t.equal(yaml.decode "a: 1\nb: [x, null]\n", { a = 1, b = moonlet.array { "x", moonlet.null } })
  t.equal(yaml.decode(yaml.encode { a = { "x", true } }), { a = { "x", true } })
  t.equal(yaml.decode_all "a: 1\n---\nb: 2\n", { { a = 1 }, { b = 2 } })
end)

t.case("base64 and SHA-256 are those of RFC 4648 and FIPS 180", function()
  for plain, coded in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\0\255"] = "AP8=" } do
    t.equal(base64.encode(plain), coded)
    t.equal(base64.decode(coded), plain)
  end
  t.equal(sha256.hex "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  t.equal(sha256.of { a = 1, b = 2 }, sha256.of { b = 2, a = 1 })
  t.ok(sha256.of { a = 1 } ~= sha256.of { a = 2 })
end)
