-- moonlet.strings.
local t = require "moonlet.test"
local strings = require "moonlet.strings"

t.case("a wrong type or an empty separator is raised at the caller's line", function()
  t.raises(function() return strings.split("a", "") end, "strings_test.lua:6: strings.split: the separator is empty")
  t.raises(function() return strings.split("a") end, "strings.split: separator: a string expected, not nil")
  t.raises(function() return strings.trim(1) end, "strings.trim: s")
  t.raises(function() return strings.starts_with("a") end, "strings.starts_with: prefix")
  t.raises(function() return strings.ends_with(nil, "a") end, "strings.ends_with: s")
end)

t.case("split keeps empty parts and takes the separator as plain text", function()
  t.equal(strings.split("a,,b", ","), { "a", "", "b" })
  t.equal(strings.split("", ","), { "" })
  t.equal(strings.split("a.b", "."), { "a", "b" })
  t.equal(strings.split("a--b-", "--"), { "a", "b-" })
end)

t.case("trim takes white space at both ends", function()
  t.equal(strings.trim "  a b\t\n", "a b")
  t.equal(strings.trim " \n ", "")
  t.equal(strings.trim "", "")
end)

t.case("prefixes and suffixes are plain text", function()
  t.ok(strings.starts_with("a.b", "a."))
  t.ok(not strings.starts_with("ab", "a."))
  t.ok(strings.ends_with("a.b", ".b") and strings.ends_with("a", ""))
  t.ok(not strings.ends_with("b", "ab"))
end)
