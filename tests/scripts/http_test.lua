-- moonlet.http: what it refuses before anything is sent, and what a handler gets.
local t = require "moonlet.test"
local moonlet = require "moonlet"
local http = require "moonlet.http"

local function call(f, answer)
  return t.call(moonlet.startup { name = "job", http = { "https://a.example.com/v1" }, run = f }, "run",
    { answers = { http = answer } })
end

t.case("a wrong request is raised at the caller's line", function()
  for _, try in ipairs {
    { nil, "a URL or { url = …, … } expected, not nil" },
    { {}, "http.get: url is missing" },
    { { url = "https://a", timeot = 1 }, 'unknown field "timeot", did you mean "timeout"?' },
    { { url = "https://a", timeout = "soon" }, "timeout: a duration" },
    { { url = "https://a", retries = 0.5 }, "retries is a whole number" },
    { { url = "https://a", body = "x", json = 1 }, "body or json, not both" },
    { { url = "https://a", method = "POST" }, "http.get sends GET" },
    { { url = "https://a", headers = { ["a b"] = "c" } }, '"a b" is not a header\'s name' },
    { { url = "https://a", headers = { a = "b\r\nc: d" } }, "the value of header a is one line" },
  } do
    t.raises(function() return http.get(try[1]) end, try[2])
    t.raises(function() return http.get(try[1]) end, "http_test.lua:24: http.get")
  end
  t.raises(function() return http.request { url = "https://a", method = "get it" } end, "a method is written")
  t.raises(function() return http.post { url = "https://a", json = { f = print } } end,
    "f: a function has no JSON form")
end)

t.case("a URL that is not declared is refused with the line to add", function()
  t.match(tostring(call(function() return http.get "https://b.example.com/v1" end).error),
    'add http = { "https://b.example.com" } to it')
  t.match(tostring(call(function() return http.get "https://a.example.com/v11" end).error), "may not call")
end)

t.case("without an answer it gives nil, message, info", function()
  local run = call(function()
    local answer, message, info = http.put "https://a.example.com/v1/x"
    t.equal(answer, nil)
    t.equal(message, "no route")
    t.equal(info.code, "unavailable")
  end, t.refuse("unavailable", "no route"))
  t.equal(run.error, nil)
end)

t.case("any answer is an answer; its body is read as JSON on demand", function()
  local run = call(function()
    local answer = http.request { url = "https://a.example.com/v1", method = "DELETE" }
    t.equal(answer.status, 500)
    local value, message, info = answer:json()
    t.ok(value == nil and message and info.code == "rejected")
    t.raises(function() return answer.json() end, "call it with a colon")
    t.equal(http.patch({ url = "https://a.example.com/v1", body = "x" }):json(), { a = 1 })
    t.equal(http.delete("https://a.example.com/v1?x").status, 204)
  end, { { status = 500, body = "oops" }, { json = { a = 1 } }, { status = 204 } })
  t.equal(run.error, nil)
  t.equal(run.requests[1].method, "DELETE")
  t.equal(run.requests[2].body, "x")
end)
