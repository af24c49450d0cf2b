-- versions and convert of moonlet.resource: what is refused, the CRD, and walking the chain.
local t = require "moonlet.test"
local declare = require "moonlet.declare"
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local function text() return s.object { text = s.string() } end
local function lines() return s.object { lines = s.array(s.string()) } end
local function nothing() end

local function resource(versions, convert, more)
  local fields = { group = "example.com", kind = "Note", versions = versions, convert = convert }
  for name, value in pairs(more or {}) do fields[name] = value end
  return moonlet.resource(fields)
end
local function note(version, spec)
  return { apiVersion = "example.com/" .. version, kind = "Note", spec = spec,
    metadata = { name = "n", namespace = "ns", uid = "1", labels = { a = "b" } } }
end

t.case("versions that cannot be are refused with what to write", function()
  local v1, v2 = { storage = true, spec = text() }, { spec = lines() }
  for _, try in ipairs {
    { {}, nil, "none has storage = true" },
    { { v1 = { spec = text() } }, nil, "versions: none has storage = true" },
    { { v1 = v1, v2 = { storage = true } }, nil, "v1 and v2 both have storage = true" },
    { { v1 = v1, ["2"] = v2 }, nil, 'version "2" is not one such as "v1"' },
    { { v1 = { store = true } }, nil, 'versions.v1: unknown field "store", did you mean "storage"?' },
    { { v1 = v1, v2 = { deprecation_warning = "x" } }, nil, "needs deprecated = true" },
    { { v1 = v1, v2 = { spec = {} } }, nil, "spec is made with moonlet.schema" },
    { { v1 = v1, v2 = v2 }, nil,
      'v1 and v2 say different things; add convert = { ["v1->v2"] = function(obj) … end, ["v2->v1"]' },
    { { v1 = v1 }, {}, "there is one version; nothing is converted" },
    { { v1 = v1, v2 = v2 }, "non", "convert: a table expected" },
    { { v1 = v1, v2 = v2 }, { ["v1=>v2"] = nothing }, '"v1=>v2" is not a pair of versions such as "v1beta1->v1"' },
    { { v1 = v1, v2 = v2 }, { ["v1->v1"] = nothing }, "is not a pair" },
    { { v1 = v1, v2beta1 = v2 }, { ["v1->v2beta2"] = nothing },
      'there is no version v2beta2, did you mean "v2beta1"?' },
    { { v1 = v1, v2 = v2 }, { ["v1->v2"] = "x" }, 'convert["v1->v2"]: a function expected' },
    { { v1 = v1, v2 = v2 }, { ["v1->v2"] = nothing }, 'no way leads from v2 to v1; add ["v2->v1"]' },
  } do
    local problem = t.raises(function() resource(try[1], try[2]) end, try[3])
    t.match(tostring(problem), "^conversion_test.lua:%d+: moonlet.resource Note")
  end
  t.raises(function() resource({ v1 = v1 }, nil, { version = "v1" }) end, "version or versions, not both")
  t.raises(function() moonlet.resource { group = "example.com", kind = "Note" } end, "version is missing")
end)

local STEPS = {}
local Note = resource({
  v1alpha1 = { spec = text(), served = false },
  v1beta1 = { spec = text(), deprecated = true, deprecation_warning = "use v1", columns = { Text = ".spec.text" } },
  v1 = { storage = true, spec = lines(), status = s.any() },
}, {
  ["v1alpha1->v1beta1"] = function(obj) STEPS[#STEPS + 1] = obj.apiVersion end,
  ["v1beta1->v1alpha1"] = function(obj) return moonlet.copy(obj) end,
  ["v1beta1 -> v1"] = function(obj)
    STEPS[#STEPS + 1] = obj.apiVersion
    obj.spec = { lines = moonlet.array { obj.spec.text } }
    obj.metadata.annotations = { was = "text" }
  end,
  ["v1->v1beta1"] = function(obj) obj.spec = { text = obj.spec.lines[1] } end,
}, { short_names = { "nt" }, columns = { Lines = ".spec.lines" } })

t.case("the CRD lists every version and says that a webhook converts", function()
  local spec = Note.crd.spec
  t.equal(spec.conversion, { strategy = "Webhook", webhook = { conversionReviewVersions = { "v1" } } })
  local names = {}
  for i, one in ipairs(spec.versions) do names[i] = { one.name, one.served, one.storage } end
  t.equal(names, { { "v1", true, true }, { "v1alpha1", false, false }, { "v1beta1", true, false } })
  t.equal(spec.versions[1].additionalPrinterColumns[1].name, "Lines")
  t.equal(spec.versions[1].subresources, { status = {} })
  t.equal(spec.versions[3].additionalPrinterColumns[1].name, "Text")
  t.equal(spec.versions[3].subresources, nil)
  t.equal({ spec.versions[3].deprecated, spec.versions[3].deprecationWarning }, { true, "use v1" })
  t.equal(spec.names.shortNames, { "nt" })
end)

t.case("versions that say the same, or convert = none, need no webhook", function()
  local same = resource { v1 = { storage = true }, v2 = {} }
  t.equal(same.crd.spec.conversion, { strategy = "None" })
  local none = resource({ v1 = { storage = true, spec = text() }, v2 = { spec = lines() } }, "none")
  t.equal(none.crd.spec.conversion, { strategy = "None" })
  t.equal(#declare.declare(none, { file = "a.lua" }).definitions, 0)
end)

t.case("the resource stands for its stored version, in_version for another", function()
  t.equal(tostring(Note), "example.com/v1/Note")
  t.equal(tostring(Note:in_version "v1beta1"), "example.com/v1beta1/Note")
  t.raises(function() return Note:in_version "v1beta" end, 'Note has no version "v1beta", did you mean "v1beta1"?')
  local declared = declare.declare(moonlet.controller { name = "c", resource = Note,
    reads = { Note:in_version "v1beta1" }, reconcile = nothing }, { file = "a.lua" })
  t.equal(#declared.crds, 1)
  t.equal(declared.definitions[1].reads[1].kind, "example.com/v1beta1/Note")
  local conversion = declared.definitions[2]
  t.match(conversion.source, "^conversion_test.lua:%d+$")
  conversion.source = nil
  t.equal(conversion, { type = "conversion", name = "notes.example.com", crd = "notes.example.com",
    handlers = { "convert" } })
end)

t.case("the shortest chain is walked, in place or by what is returned", function()
  local out = t.convert(Note, note("v1alpha1", { text = "hi" }), "v1")
  t.equal(out.spec, { lines = { "hi" } })
  t.equal(out.apiVersion, "example.com/v1")
  t.equal(out.metadata.annotations, { was = "text" })
  t.equal(STEPS, { "example.com/v1alpha1", "example.com/v1beta1" })
  t.equal(t.convert(Note, note("v1", { lines = { "a" } }), "v1alpha1").spec, { text = "a" })
  t.equal(t.convert(Note, note("v1", { lines = { "a" } }), "v1"), note("v1", { lines = { "a" } }))
end)

t.case("a round trip that loses something names the version and the place", function()
  local lossy = moonlet.resource { group = "example.com", kind = "Note", versions = {
      v1 = { storage = true, spec = s.any() }, v2 = { spec = s.any() },
    }, convert = {
      ["v1->v2"] = function(obj) obj.spec = { text = obj.spec.text } end, ["v2->v1"] = function() end,
    } }
  t.round_trip(lossy, note("v1", { text = "a" }))
  t.raises(function() t.round_trip(lossy, note("v1", { text = "a", title = "b" })) end,
    'example.com/v1 to v2 and back: spec.title was "b", is nil')
  t.raises(function() t.round_trip(s.any(), {}) end, "t.round_trip: a moonlet.resource expected")
end)

local function broken(f)
  local one = resource({ v1 = { storage = true, spec = text() }, v2 = { spec = lines() } },
    { ["v1->v2"] = f, ["v2->v1"] = nothing })
  return function() return t.convert(one, note("v1", { text = "x" }), "v2") end
end

t.case("what a function may not do is an error that names the object", function()
  for _, try in ipairs {
    { function() error "boom" end, "conversion_test.lua:%d+: boom" },
    { function(obj) obj.metadata.name = "other" end, "Note ns/n: convert v1->v2: changed metadata; only labels and" },
    { function(obj) obj.metadata.finalizers = { "x" } end, "changed metadata" },
    { function(obj) obj.metadata = nil end, "changed metadata" },
    { function(obj) obj.kind = "Other" end, "changed kind" },
    { function() return 5 end, "returned 5; it returns nothing" },
  } do
    t.raises(broken(try[1]), try[2])
  end
  t.raises(function() return t.convert(Note, note("v9"), "v1") end, "Note ns/n: no conversion from example.com/v9")
  t.raises(function() return t.convert(Note, note("v1"), "v9") end,
    "no conversion from example.com/v1 to example.com/v9")
  t.raises(function() return t.convert({}, note("v1"), "v1") end, "a moonlet.resource expected")
end)

t.case("labels, annotations and a wrong apiVersion of a function do no harm", function()
  local out = broken(function(obj)
    obj.metadata.labels, obj.apiVersion = nil, "nonsense/v7"
  end)()
  t.equal({ out.apiVersion, out.metadata.labels }, { "example.com/v2" })
end)
