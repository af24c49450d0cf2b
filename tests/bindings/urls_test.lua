-- Which URLs a definition may call, and selectors as text.
local t = require "moonlet.test"
local urls = require "moonlet.core.urls"
local selectors = require "moonlet.core.selectors"

t.case("a prefix ends where a part of the URL ends", function()
  local yes = {
    { "https://a.example", "https://a.example" }, { "https://a.example", "https://a.example/v1?x=1" },
    { "https://A.example", "HTTPS://a.EXAMPLE/v1" }, { "https://a.example/v1", "https://a.example/v1/x" },
    { "https://a.example/v1", "https://a.example/v1?x" }, { "https://a.example/", "https://a.example/x" },
    { "https://a.example:8443", "https://a.example:8443/x" },
    { "http://unix:/run/d.sock", "http://unix:/run/d.sock:/v1/volumes" },
    { "https://a.example/v1", "https://a.example/v1/a..b/..." },
  }
  for _, pair in ipairs(yes) do t.ok(urls.fits(pair[1], pair[2]), pair[2]) end
end)

t.case("what only looks like the prefix is refused", function()
  local no = {
    { "https://a.example", "https://a.example.evil/x" }, { "https://a.example", "http://a.example/" },
    { "https://a.example", "https://a.example@evil/x" }, { "https://a.example", "https://a.example:x@evil/" },
    { "https://a.example", "https://a.example:8443/" }, { "https://a.example/v1", "https://a.example/v10" },
    { "https://a.example/v1", "https://a.example/v1/../admin" },
    { "https://a.example/v1", "https://a.example/v1/%2e%2E/admin" },
    { "https://a.example/v1", "https://a.example/v1%2f..%2fadmin" },
    { "https://a.example/v1", "https://a.example/v1/.." }, { "https://a.example", "https://a.example\\.evil" },
    { "https://a.example", "https://a.example /x" }, { "https://a.example", "https://a.example/\r\nX: y" },
    { "http://unix:/run/d.sock", "http://unix:/run/d.sock2:/v1" }, { "file:///etc", "file:///etc/passwd" },
    { "https://a.example", nil }, { "https://a.example", 5 }, { "https://", "https://x" },
  }
  for _, pair in ipairs(no) do t.ok(not urls.fits(pair[1], pair[2]), tostring(pair[2])) end
end)

t.case("an undeclared URL says what to add", function()
  t.raises(function() urls.check({ name = "app", http = { "https://b" } }, "https://a.example/x") end,
    'urls_test.lua:35: \'app\' may not call https://a.example/x: add http = { "https://a.example" }')
end)

t.case("selectors become the server's text", function()
  t.equal(selectors.labels { app = "web", tier = { "a", "b" }, x = true, y = false },
    "app=web,tier in (a,b),x,!y")
  t.equal(selectors.labels "a in (b)", "a in (b)")
  t.equal(selectors.labels(nil), nil)
  t.equal(selectors.fields { ["status.phase"] = "Running" }, "status.phase=Running")
  t.equal(selectors.both("a", nil), "a")
  t.equal(selectors.both("", "b"), "b")
  t.equal(selectors.both("a", "b"), "a,b")
end)

t.case("what has no selector text is evaluated on the object", function()
  local function fits(match, annotations, namespace)
    return selectors.fits(match, { metadata = { namespace = namespace, annotations = annotations } })
  end
  t.ok(fits({}, nil, "a") and fits({ namespaces = { "a" } }, nil, "a"))
  t.ok(not fits({ namespaces = { "b" } }, nil, "a") and not fits({ namespaces = { except = { "a" } } }, nil, "a"))
  local match = { annotations = { k = { "x", "y" }, p = true, n = false, v = "1" } }
  t.ok(fits(match, { k = "x", p = "", v = "1" }))
  t.ok(not fits(match, { k = "z", p = "", v = "1" }) and not fits(match, { k = "x", v = "1" }))
  t.ok(not fits(match, { k = "x", p = "", n = "", v = "1" }) and not fits(match, { k = "x", p = "", v = "2" }))
  t.ok(not fits(match, nil))
end)
