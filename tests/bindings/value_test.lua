-- Values: what JSON text becomes in Lua and the other way round.
local t = require "moonlet.test"
local core = require "moonlet.core"
local encode, decode = core.json_encode, core.json_decode

t.case("cycles are reported with their path", function()
  local v = { spec = { list = { {}, {} } } }
  v.spec.list[2].back = v
  t.raises(function() encode(v) end, "spec.list[2].back: the table contains itself")
end)
t.case("what JSON has no form for is reported with its path", function()
  t.raises(function() encode { a = { b = print } } end, "a.b: a function has no JSON form")
  t.raises(function() encode { a = 0 / 0 } end, "a: not a finite number")
  t.raises(function() encode { a = { 1, 2, x = 3 } } end, "a: a table with both")
  t.raises(function() encode { a = { 1, nil, 3 } } end, "a: a list with holes")
  t.raises(function() encode { [true] = 1 } end, "a key that is neither")
  t.raises(function() encode(coroutine.create(print)) end, "a thread has no JSON form")
end)
t.case("depth is limited", function()
  local v = {}
  for _ = 1, 600 do v = { v } end
  t.raises(function() encode(v) end, "nested too deep")
  local value, message, info = decode(("["):rep(600) .. ("]"):rep(600))
  t.equal(value, nil)
  t.ok(message)
  t.equal(info.code, "rejected")
end)
t.case("decode says where a text is wrong", function()
  for _, text in ipairs { "", "{", "[1,]", '{"a":1,}', "tru", "1 2", '"\\ud800"', "01", "nul", "{1:2}" } do
    local value, message, info = decode(text)
    t.equal(value, nil, text)
    t.match(message, "byte")
    t.equal(info.code, "rejected")
  end
end)
t.case("null, empty arrays and objects keep their kind", function()
  for _, text in ipairs { "null", "[]", "{}", "[[]]", '{"a":[],"b":{},"c":null}', "[null,1]", '""',
    "true", "false", "0", "-1", "1.5", '"\\u0000x"', "9007199254740992", "-9007199254740992" } do
    t.equal(encode(decode(text)), text)
  end
  t.equal(encode {}, "{}")
  t.equal(encode(core.array {}), "[]")
  local list = decode "[1]"
  table.remove(list)
  t.equal(encode(list), "[]")
  t.equal(tostring(core.null), "null")
end)
t.case("integers print as integers, others exactly", function()
  t.equal(encode { 1, 2 ^ 53, -0.5, 1e300, 0.1 }, "[1,9007199254740992,-0.5,1e+300,0.1]")
end)
t.case("keys are sorted, so equal values give equal text", function()
  t.equal(encode { b = 1, a = { d = 1, c = 2 } }, '{"a":{"c":2,"d":1},"b":1}')
end)
t.case("pretty text has two spaces a level", function()
  t.equal(encode({ a = { 1 }, b = core.array {}, c = "x{[,:" }, true),
    '{\n  "a": [\n    1\n  ],\n  "b": [],\n  "c": "x{[,:"\n}')
end)
t.case("copy is deep and keeps shared parts shared", function()
  local part = { 1 }
  local v = { a = part, b = part }
  v.self = v
  local c = core.copy(v)
  t.ok(c.a == c.b and c.a ~= part and c.self == c)
end)
t.case("equal looks into tables and at the kind of list", function()
  t.ok(core.equal({ 1, { a = 2 } }, { 1, { a = 2 } }))
  t.ok(not core.equal({ 1 }, { 1, 2 }) and not core.equal({ a = 1 }, { a = 1, b = 2 }))
  t.ok(not core.equal(core.array {}, {}) and not core.equal(1, "1"))
end)
t.case("base64 and sha256", function()
  for text, code in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\0\255"] = "AP8=" } do
    t.equal(core.base64_encode(text), code)
    t.equal(core.base64_decode(code), text)
  end
  t.equal(core.base64_decode "Zm9\nv\n", "foo")
  for _, bad in ipairs { "Z", "Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9v!", "Zg=a" } do
    local value, _, info = core.base64_decode(bad)
    t.equal(value, nil, bad)
    t.equal(info.code, "rejected")
  end
  t.equal(core.sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
end)
t.case("YAML speaks of the same values", function()
  local value = core.yaml_decode "a: 1\nb: [x, yes, null]\nc: {}\nd: []\n"
  t.equal(encode(value), '{"a":1,"b":["x",true,null],"c":{},"d":[]}')
  t.equal(core.yaml_decode(core.yaml_encode(value)), value)
  t.equal(core.yaml_decode "", core.null)
  t.equal(encode(core.yaml_decode_all "a: 1\n---\n- 2\n"), '[{"a":1},[2]]')
  for _, bad in ipairs { "a: [", "a: 1\na: 2", ("["):rep(200), "a: .inf" } do
    local none, message, info = core.yaml_decode(bad)
    t.equal(none, nil, bad)
    t.match(message, "line")
    t.equal(info.code, "rejected")
  end
  t.raises(function() core.yaml_encode { print } end, "[1]: a function has no JSON form")
end)
t.case("durations and times", function()
  t.equal(core.duration "1h30m", 5400)
  t.equal(core.duration(5), 5)
  t.equal(core.duration "soon", nil)
  t.equal(core.duration(-1), nil)
  t.equal(core.format_time(0), "1970-01-01T00:00:00Z")
  t.equal(core.parse_time "1970-01-01T00:00:10Z", 10)
end)
t.case("the sandbox has what a controller needs and no more", function()
  for _, name in ipairs { "io", "ffi", "debug", "package", "dofile", "loadfile", "collectgarbage",
    "newproxy", "setfenv", "getfenv", "module", "jit", "gcinfo" } do
    t.equal(_G[name], nil, name)
  end
  t.equal(string.dump, nil)
  local os_names = {}
  for name in pairs(os) do os_names[#os_names + 1] = name end
  table.sort(os_names)
  t.equal(os_names, { "clock", "date", "difftime", "time" })
  t.equal(os.time(), 1767323045)
  t.equal(os.date "!%Y-%m-%d", "2026-01-02")
  t.equal(getmetatable "", false)
  t.raises(function() setmetatable(getmetatable(core.null) or {}, nil).x() end)
  t.equal(loadstring "\27LJ", nil)
  t.equal(load(function() return nil end)(), nil)
end)

t.case("few and many members are written in the order of their keys", function()
  for _, count in ipairs { 0, 1, 16, 17, 300 } do
    local value, parts = {}, {}
    for i = count, 1, -1 do value[("k%03d"):format(i)] = i end
    for i = 1, count do parts[i] = ('"k%03d":%d'):format(i, i) end
    t.equal(core.json_encode(value), "{" .. table.concat(parts, ",") .. "}")
  end
end)
