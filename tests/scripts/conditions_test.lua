-- moonlet.conditions.
local t = require "moonlet.test"
local conditions = require "moonlet.conditions"

local old = { { type = "Ready", status = "False", reason = "Starting", lastTransitionTime = "2020-01-01T00:00:00Z" } }

t.case("what is no condition is raised at the caller's line", function()
  t.raises(function() return conditions.set(old, { type = "Ready" }) end,
    "conditions_test.lua:8: conditions.set: status is missing")
  t.raises(function() return conditions.set(old, { type = "Ready", status = "true" }) end,
    '"True", "False" or "Unknown"')
  t.raises(function() return conditions.set(old, { type = "Ready", status = true, reson = "x" }) end,
    'did you mean "reason"?')
  t.raises(function() return conditions.get({ conditions = old }, "Ready") end, "as in obj.status.conditions")
  t.raises(function() return conditions.get(old) end, "conditions.get: type")
end)

t.case("lastTransitionTime changes only when the status does", function()
  local list, changed = conditions.set(old, { type = "Ready", status = "False", reason = "Pulling" })
  t.ok(changed)
  t.equal(list[1].lastTransitionTime, "2020-01-01T00:00:00Z")
  t.equal(list[1].reason, "Pulling")
  t.equal(old[1].reason, "Starting") -- the list given is not changed
  local again, twice = conditions.set(list, { type = "Ready", status = false, reason = "Pulling" })
  t.equal(twice, false)
  t.equal(again, list)
  local ready, turned = conditions.set(list, { type = "Ready", status = true })
  t.ok(turned and ready[1].lastTransitionTime ~= "2020-01-01T00:00:00Z")
  t.equal(ready[1].reason, nil)
end)

t.case("set adds, get and is find, remove removes", function()
  local unknown = { type = "Ready", status = "Unknown", lastTransitionTime = "2021-01-01T00:00:00Z" }
  local list, changed = conditions.set(nil, unknown)
  t.equal(list, { unknown })
  t.ok(changed)
  list = conditions.set(list, { type = "Synced", status = true })
  t.equal(#list, 2)
  t.equal(conditions.get(list, "Synced").status, "True")
  t.equal(conditions.get(nil, "Synced"), nil)
  t.ok(conditions.is(list, "Synced") and conditions.is(list, "Ready", "Unknown") and not conditions.is(list, "Ready"))
  local rest, removed = conditions.remove(list, "Ready")
  t.ok(removed and #rest == 1 and #list == 2)
  t.equal(select(2, conditions.remove(rest, "Ready")), false)
end)
