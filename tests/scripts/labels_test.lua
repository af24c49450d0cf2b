-- moonlet.labels.
local t = require "moonlet.test"
local labels = require "moonlet.labels"

t.case("a broken selector gives nil, message, info; a wrong type is raised", function()
  for _, text in ipairs { "a in b", "a=b=c", "a,,b", "=x", "a in (b", "!", "a b",
    "a<=1", "a>x", "-a=b", "a=b c", "a=-" } do
    local parsed, message, info = labels.parse(text)
    t.equal(parsed, nil, text)
    t.match(message, 'selector "' .. text .. '": ')
    t.equal(info.code, "rejected")
    t.equal(labels.matches(text, {}), nil)
  end
  t.equal(labels.parse { matchExpressions = { { key = "a", operator = "Has" } } }, nil)
  t.equal(labels.parse { matchExpressions = { { key = "a", operator = "In" } } }, nil)
  t.equal(labels.parse { ["a b"] = "c" }, nil)
  t.raises(function() return labels.parse() end, "labels_test.lua:17: labels.parse: selector")
  t.raises(function() return labels.matches("a", "b") end, "labels.matches: labels")
end)

t.case("each operator matches as the API server's", function()
  local have = { app = "web", tier = "3", ["x.io/y"] = "" }
  for _, yes in ipairs { "", " ", "app", "app=web", "app==web", "app!=db", "none!=x", "!none", "app in (db, web)",
    "app notin (db)", "none notin (a)", "tier>2", "tier<4", "x.io/y=", "app=web,!none", "app in (web),tier in (3)" } do
    t.equal(labels.matches(yes, have), true, yes)
  end
  for _, no in ipairs { "none", "app=db", "app!=web", "!app", "app in (db)", "app notin (web)", "tier>3", "app>1",
    "none=x", "app=web,none" } do
    t.equal(labels.matches(no, have), false, no)
  end
  t.equal(labels.matches("app", nil), false)
end)

t.case("maps and LabelSelectors say the same", function()
  local have = { app = "web", tier = "3" }
  t.equal(labels.matches({ app = { "db", "web" }, tier = true, none = false }, have), true)
  t.equal(labels.matches({ tier = 3 }, have), true)
  t.equal(labels.matches({ matchLabels = { app = "web" }, matchExpressions = {
    { key = "tier", operator = "In", values = { "3" } }, { key = "x", operator = "DoesNotExist" },
    { key = "app", operator = "NotIn", values = { "db" } }, { key = "app", operator = "Exists" } } }, have), true)
  t.equal(labels.matches({ matchLabels = { app = "db" } }, have), false)
end)

t.case("a selector as text", function()
  t.equal(labels.format { app = { "a", "b" }, tier = true, none = false, x = "y" }, "app in (a,b),!none,tier,x=y")
  t.equal(labels.format " a in ( b , c ), !d,e == f ", "a in (b,c),!d,e=f")
  local parsed = labels.parse "a=b"
  t.equal(labels.format(parsed), "a=b")
  t.equal(labels.matches(parsed, { a = "b" }), true)
end)
