-- luacheck: globals view
-- R18: a view behaves as a plain table for every library function, and what was not touched is
-- written back as it came.
local t = require "moonlet.test"
local core = require "moonlet.core"
local json = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","labels":{"a":"1","b":"2"},'
  .. '"empty":{}},"spec":{"n":3,"list":[3,1,2],"words":["x","y"],"none":null,"no":[],"deep":'
  .. '{"x":{"y":{"z":[{"k":1},{"k":2}]}}},"f":1.5,"neg":-7,"yes":true}}'

local function sorted(keys)
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end
local function keys_of(v)
  local keys = {}
  for key in pairs(v) do keys[#keys + 1] = key end
  return sorted(keys)
end
local function get(root, path)
  for part in path:gmatch "[^.]+" do root = root[tonumber(part) or part] end
  return root
end

-- Each operation gets a table and returns what can be seen of it.
local operations = {
  pairs = function(v)
    local keys = {}
    for key, value in pairs(v) do keys[#keys + 1] = key t.ok(value ~= nil) end
    return sorted(keys)
  end,
  next = function(v) return (next(v) ~= nil) end,
  next_loop = function(v)
    local keys = {}
    for key in next, v do keys[#keys + 1] = key end
    return sorted(keys)
  end,
  next_by_hand = function(v)
    local keys, key = {}, next(v)
    while key ~= nil do keys[#keys + 1] = key key = next(v, key) end
    return sorted(keys)
  end,
  ipairs = function(v) local n = 0 for i in ipairs(v) do n = i end return n end,
  length = function(v) return #v end,
  unpack = function(v) return select("#", unpack(v)) end,
  rawget = function(v) return { rawget(v, "n") or rawget(v, 1) or rawget(v, "name") or false } end,
  rawget_absent = function(v) return rawget(v, "absent") == nil end,
  rawset = function(v) rawset(v, "new", 1) return { v.new, keys_of(v) } end,
  rawset_nil = function(v) rawset(v, "name", nil) rawset(v, "n", nil) return { v.name, v.n, v } end,
  assign = function(v) v.other = 5 return v end,
  assign_nil = function(v) v.name = nil v.n = nil return { v.name == nil, v } end,
  insert = function(v) table.insert(v, "end") return v end,
  insert_front = function(v) table.insert(v, 1, "first") return v end,
  remove = function(v) return { table.remove(v) or false, v } end,
  remove_first = function(v) return { table.remove(v, 1) or false, v } end,
  concat = function(v) local ok, s = pcall(table.concat, v, ",") return ok and s or false end,
  sort = function(v) pcall(table.sort, v) return v end,
  sort_by = function(v) pcall(table.sort, v, function(a, b) return b < a end) return v end,
  maxn = function(v) return table.maxn(v) end,
  getn = function(v) return table.getn(v) end,
  foreach = function(v) local n = 0 table.foreach(v, function() n = n + 1 end) return n end,
  foreachi = function(v) local n = 0 table.foreachi(v, function(i) n = n + i end) return n end,
  type = function(v) return type(v) end,
  getmetatable = function(v) return getmetatable(v) == nil end,
  setmetatable = function(v)
    local mt = { __index = { fallback = "f" } }
    t.ok(setmetatable(v, mt) == v and getmetatable(v) == mt)
    return { v.fallback, v }
  end,
  as_index = function(v)
    local heir = setmetatable({}, { __index = v })
    return { heir.name or false, heir.n or false, heir[1] or false }
  end,
  tostring = function(v) return tostring(v):match "^table: " ~= nil end,
  rawequal = function(v) return rawequal(v, v) and v == v end,
  select = function(v) return (select(2, 1, v)) == v end,
  pcall = function(v) return select(2, pcall(function() return v.absent == nil end)) end,
  decode = function(v) return core.json_decode(core.json_encode(v)) end,
  copy = function(v) local c = core.copy(v) t.ok(not rawequal(c, v)) return c end,
  equal = function(v) return core.equal(v, core.copy(v)) end,
  is_array = function(v) return core.is_array(v) end,
  gsub = function(v) return (("name"):gsub("%w+", function(k) return v[k] and "has" or nil end)) end,
  format = function(v) return ("%s"):format(v):match "^table: " ~= nil end,
}

local paths = { "metadata", "metadata.labels", "metadata.empty", "spec", "spec.list", "spec.words",
  "spec.no", "spec.deep", "spec.deep.x.y", "spec.deep.x.y.z", "spec.deep.x.y.z.1" }
local names = {}
for name in pairs(operations) do names[#names + 1] = name end
table.sort(names)

for _, name in ipairs(names) do
  t.case(name .. " sees a view as a plain table", function()
    for _, path in ipairs(paths) do
      local lazy, plain = get(view(json), path), get(core.json_decode(json), path)
      t.equal(operations[name](lazy), operations[name](plain), path)
      t.equal(operations[name](lazy), operations[name](plain), path .. " again")
      t.equal(lazy, plain, path .. " afterwards")
    end
  end)
end

t.case("random operations in a row leave view and plain table equal", function()
  local seed = 7
  local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end
  for _ = 1, 300 do
    local lazy, plain = view(json), core.json_decode(json)
    for _ = 1, 6 do
      local name, path = names[random(#names)], paths[random(#paths)]
      if name ~= "setmetatable" then
        local ok, a, b = pcall(function() return get(lazy, path), get(plain, path) end)
        if ok and type(a) == "table" and type(b) == "table" then
          local left, x = pcall(operations[name], a)
          local right, y = pcall(operations[name], b)
          t.equal(left, right, name .. " of " .. path)
          if left then t.equal(x, y, name .. " of " .. path) end
        end
      end
    end
    t.equal(lazy, plain)
  end
end)

t.case("an untouched view is written as it came", function()
  local v = view '{"z":1.50,"a":{"y":1e2,"x":18446744073709551616}}'
  t.equal(core.json_encode(v), '{"z":1.50,"a":{"y":1e2,"x":18446744073709551616}}')
  v.z = 2
  t.equal(core.json_encode(v), '{"a":{"y":1e2,"x":18446744073709551616},"z":2}')
end)

t.case("views that differ in the order of members alone are equal, and have one digest", function()
  local a, b = view '{"x":{"p":1,"q":[1,2]},"y":2}', view '{"y":2,"x":{"q":[1,2],"p":1}}'
  t.ok(core.equal(a, b))
  t.ok(core.equal(a.x, b.x))
  t.ok(not core.equal(a, view '{"y":2,"x":{"q":[2,1],"p":1}}'))
  local sha256 = require "moonlet.sha256"
  t.equal(sha256.of(view '{"x":1,"y":2}'), sha256.of(view '{"y":2,"x":1}'))
  t.equal(sha256.of(view '{"y":2,"x":1}'), sha256.of { x = 1, y = 2 })
end)

t.case("two views of one object are separate copies", function()
  local a = view(json)
  local b = core.copy(a)
  a.metadata.labels.a = "changed"
  t.equal(b.metadata.labels.a, "1")
end)

t.case("a view knows that it came from the cache; a copy and a part of it do not (R3)", function()
  local v = view(json)
  t.ok(core.from_cache(v))
  v.spec = nil
  t.ok(core.from_cache(v))
  t.ok(not core.from_cache(core.copy(v)) and not core.from_cache(v.metadata))
end)

t.case("metadata-only views name the line to change (R23)", function()
  local v = view(json, true)
  t.equal(v.metadata.name, "web")
  t.raises(function() return v.spec end, 'view_test.lua:')
  t.raises(function() return v.spec.n end, '{ "v1/Pod", metadata_only = true }')
  t.equal(keys_of(v), { "apiVersion", "kind", "metadata" })
  t.equal(core.json_decode(core.json_encode(view(json, true))).spec, nil)
  v.status = 1
  t.equal(v.status, 1)
end)

t.case("numbers larger than 2^53 keep their text and compare", function()
  local v = view '{"big":9007199254740993,"huge":123456789012345678901234567890,"neg":-9223372036854775808}'
  t.equal(tostring(v.big), "9007199254740993")
  t.equal(v.big .. "!", "9007199254740993!")
  t.ok(v.big - 1 > 5 and v.huge > v.big and v.neg < v.big and -v.neg > 0)
  t.equal(core.json_encode { v.big, v.neg }, "[9007199254740993,-9223372036854775808]")
  t.equal(tostring(core.json_decode("9007199254740993")), "9007199254740993")
end)

t.case("a deferred table is filled once, by whatever touches it first", function()
  local class = { hello = function(self) return "hello " .. self.name end }
  class.__index = class
  for name, touch in pairs {
    index = function(v) return v.name end, method = function(v) return v:hello() end,
    pairs = function(v) return pairs(v)(v) end, next = function(v) return (next(v)) end,
    rawget = function(v) return rawget(v, "name") end, assign = function(v) v.other = nil end,
    encode = function(v) return core.json_encode(v) end, equal = function(v) return core.equal(v, {}) end,
    copy = function(v) return core.copy(v) end, setmetatable = function(v) return setmetatable(v, nil) end,
  } do
    local filled = 0
    local v = core.deferred(function(new)
      filled = filled + 1
      new.name = "web"
      setmetatable(new, class)
    end)
    t.equal(filled, 0)
    touch(v)
    t.equal(filled, 1, name)
    t.equal({ v.name, core.json_encode(v), filled }, { "web", '{"name":"web"}', 1 })
  end
end)

t.case("a deferred table whose filling fails is empty", function()
  local v = core.deferred(function() error "no" end)
  t.raises(function() return v.name end, "no")
  t.equal(next(v), nil)
end)
