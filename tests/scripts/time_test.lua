-- moonlet.time.
local t = require "moonlet.test"
local time = require "moonlet.time"

t.case("a wrong type is raised, bad text gives nil, message, info", function()
  t.raises(function() return time.parse(1) end, "time_test.lua:6: time.parse: text: a string expected")
  t.raises(function() return time.format "x" end, "time.format: seconds")
  t.raises(function() return time.format(1, { micro = true }) end, 'did you mean "micros"?')
  t.raises(function() return time.format(0 / 0) end, "seconds since 1970")
  t.raises(function() return time.duration {} end, "time.duration: duration")
  t.raises(function() return time.format_duration(-1) end, "seconds from 0")
  for _, try in ipairs { { time.parse, "2026-02-30T00:00:00Z" }, { time.parse, "now" }, { time.since, "" },
    { time.duration, "soon" }, { time.duration, "1" }, { time.duration, -1 } } do
    local value, message, info = try[1](try[2])
    t.equal(value, nil)
    t.match(message, tostring(try[2]))
    t.equal(info.code, "rejected")
  end
end)

t.case("points in time are RFC 3339", function()
  t.equal(time.format(0), "1970-01-01T00:00:00Z")
  t.equal(time.format(0.25, { micros = true }), "1970-01-01T00:00:00.250000Z")
  t.equal(time.parse "1970-01-01T01:00:00+01:00", 0)
  t.equal(time.parse(time.format(1700000000)), 1700000000)
  t.equal(time.format(), time.format(time.now()))
  t.ok(math.abs(time.since(time.format())) <= 1)
end)

t.case("durations both ways", function()
  t.equal(time.duration "1h30m", 5400)
  t.equal(time.duration(2), 2)
  for seconds, text in pairs { [0] = "0s", [5400] = "1h30m", [0.25] = "250ms", [61.5] = "1m1s500ms" } do
    t.equal(time.format_duration(seconds), text)
    t.equal(time.duration(text), seconds)
  end
end)

t.case("the next time of a cron expression", function()
  t.equal({ time.next "61 * * * *" }, { nil, 'cron: "61" is not a minute (0-59)', { code = "rejected" } })
  t.raises(function() time.next("* * * * *", "now") end, "time.next: after")
  local from = time.parse "2026-01-31T12:00:30Z"
  t.equal(time.format(time.next("*/5 * * * *", from)), "2026-01-31T12:05:00Z")
  t.equal(time.format(time.next("@daily", from, "+02:00")), "2026-01-31T22:00:00Z")
  t.equal(time.next("0 0 30 2 *", from), nil)
  t.ok(time.next "* * * * *" > time.now())
end)
