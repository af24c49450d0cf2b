-- moonlet.test as the runner gives it to *_test.lua files: cases and comparisons.
local core, report = ...
local T = {}

local function text(value, depth)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  if (depth or 0) > 4 then return "{…}" end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do
    parts[i] = tostring(key) .. " = " .. text(value[key], (depth or 0) + 1)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Runs one case; a sentence says what it shows.
function T.case(sentence, f)
  local ok, problem = pcall(f)
  report(sentence, ok, ok and "" or tostring(problem))
end

--- Deep equality.
function T.equal(actual, expected, what)
  if core.equal(actual, expected) then return end
  error((what and what .. ": " or "") .. "expected " .. text(expected) .. ", got " .. text(actual), 2)
end

function T.ok(value, what)
  if not value then error(what or "expected something true, got " .. tostring(value), 2) end
end

--- Does the text contain the pattern (plain when it has no magic that matches)?
function T.match(actual, pattern)
  if type(actual) == "string" and (actual:find(pattern, 1, true) or actual:match(pattern)) then return end
  error("expected " .. text(pattern) .. " in " .. text(actual), 2)
end

--- Calls f, which must raise; its error must contain the pattern. Returns the error.
function T.raises(f, pattern)
  local ok, problem = pcall(f)
  if ok then error("expected an error with " .. text(pattern), 2) end
  local message = tostring(problem)
  if pattern and not (message:find(pattern, 1, true) or message:match(pattern)) then
    error("expected an error with " .. text(pattern) .. ", got " .. text(message), 2)
  end
  return problem
end

return T
