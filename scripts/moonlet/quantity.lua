--- Kubernetes quantities ("500m", "1.5Gi", "2e3"): exact arithmetic on their text, results in
--- canonical form. A number of Lua stands for its decimal text.
--
-- A value is a sign and a count of nanos (10^-9) in limbs of seven digits, lowest first: Kubernetes
-- keeps nothing below a nano (it rounds away from zero) and nothing beyond 2^63-1 (it stays there).
local check = require "moonlet.check"

local M = {}

local BASE, DIGITS, NANO = 1e7, 7, 9
local MOST_DIGITS = 40 -- beyond 2^63-1 in nanos, and small enough to multiply exactly

---@alias moonlet.Quantity string|number

-- Counts: lists of limbs, lowest first, without leading zeros; {} is 0 -----------------------------

local function trimmed(limbs)
  while limbs[#limbs] == 0 do limbs[#limbs] = nil end
  return limbs
end

local function from_digits(digits)
  local limbs = {}
  for at = #digits, 1, -DIGITS do
    limbs[#limbs + 1] = tonumber(digits:sub(math.max(1, at - DIGITS + 1), at))
  end
  return trimmed(limbs)
end

local function to_digits(limbs)
  if #limbs == 0 then return "0" end
  local parts = { ("%d"):format(limbs[#limbs]) }
  for i = #limbs - 1, 1, -1 do parts[#parts + 1] = ("%07d"):format(limbs[i]) end
  return table.concat(parts)
end

local function compare_counts(a, b)
  if #a ~= #b then return #a < #b and -1 or 1 end
  for i = #a, 1, -1 do
    if a[i] ~= b[i] then return a[i] < b[i] and -1 or 1 end
  end
  return 0
end

local function add_counts(a, b)
  local out, carry = {}, 0
  for i = 1, math.max(#a, #b) do
    local sum = (a[i] or 0) + (b[i] or 0) + carry
    carry = sum >= BASE and 1 or 0
    out[i] = sum - carry * BASE
  end
  if carry > 0 then out[#out + 1] = carry end
  return out
end

local function subtract_counts(a, b) -- a >= b
  local out, borrow = {}, 0
  for i = 1, #a do
    local rest = a[i] - (b[i] or 0) - borrow
    borrow = rest < 0 and 1 or 0
    out[i] = rest + borrow * BASE
  end
  return trimmed(out)
end

local function multiply_counts(a, b)
  local out = {}
  for i = 1, #a + #b do out[i] = 0 end
  for i = 1, #a do
    local carry = 0
    for k = 1, #b do
      local sum = out[i + k - 1] + a[i] * b[k] + carry
      carry = math.floor(sum / BASE)
      out[i + k - 1] = sum - carry * BASE
    end
    out[i + #b] = out[i + #b] + carry
  end
  return trimmed(out)
end

local function divide_count(a, by) -- by < BASE; quotient, remainder
  local out, rest = {}, 0
  for i = #a, 1, -1 do
    local now = rest * BASE + a[i]
    out[i] = math.floor(now / by)
    rest = now - out[i] * by
  end
  return trimmed(out), rest
end

-- Drops `places` decimal digits, rounding up (away from zero, for the sign is elsewhere).
local function drop_digits(limbs, places)
  local digits = to_digits(limbs)
  local kept, lost = digits:sub(1, -places - 1), digits:sub(-places)
  if places == 0 then return limbs end
  local out = from_digits(kept == "" and "0" or kept)
  return lost:find "[1-9]" and add_counts(out, { 1 }) or out
end

local LARGEST = from_digits("9223372036854775807" .. ("0"):rep(NANO))

-- Text ---------------------------------------------------------------------------------------------

local DECIMAL = { n = -9, u = -6, m = -3, [""] = 0, k = 3, M = 6, G = 9, T = 12, P = 15, E = 18 }
local BINARY = { Ki = 1, Mi = 2, Gi = 3, Ti = 4, Pi = 5, Ei = 6 }
local SUFFIX, BINARY_SUFFIX = {}, {}
for suffix, exponent in pairs(DECIMAL) do SUFFIX[exponent] = suffix end
for suffix, power in pairs(BINARY) do BINARY_SUFFIX[power] = suffix end

local function cap(value)
  if compare_counts(value.count, LARGEST) > 0 then value.count = LARGEST end
  if #value.count == 0 then value.negative = false end
  return value
end

-- digits × 10^(exponent) in nanos.
local function scaled(digits, exponent)
  exponent = exponent + NANO
  digits = digits:gsub("^0+", "")
  if digits == "" then return {} end
  if #digits + exponent > MOST_DIGITS then return LARGEST end
  if exponent >= 0 then return from_digits(digits .. ("0"):rep(exponent)) end
  if -exponent > #digits then return { 1 } end -- below a nano
  return drop_digits(from_digits(digits), -exponent)
end

local POWER = {} -- of 1024
do
  local limbs = { 1 }
  for power = 1, 6 do
    limbs = multiply_counts(limbs, { 1024 })
    POWER[power] = limbs
  end
end

local function read(text)
  local sign, whole, fraction, suffix = text:match "^([+-]?)(%d*)%.?(%d*)(.*)$"
  if not whole or whole == "" and fraction == "" or #text > 400 then return nil end
  if text:find("..", 1, true) then return nil end
  local value = { negative = sign == "-", format = "decimal" }
  local digits = whole .. fraction
  local exponent = suffix:match "^[eE]([+-]?%d+)$"
  if exponent then
    value.format = "exponent"
    exponent = tonumber(exponent)
    value.count = scaled(digits, math.max(-1000, math.min(1000, exponent)) - #fraction)
  elseif BINARY[suffix] then
    value.format = "binary"
    local count = from_digits(digits)
    if #count > 12 then count = LARGEST end
    local product = multiply_counts(count, POWER[BINARY[suffix]])
    value.count = scaled(to_digits(product), -#fraction)
  elseif DECIMAL[suffix] then
    value.count = scaled(digits, DECIMAL[suffix] - #fraction)
  else
    return nil
  end
  return cap(value)
end

local function rejected(written)
  return nil, ('"%s" is not a quantity such as "500m" or "1Gi"'):format(tostring(written)), { code = "rejected" }
end

local function parse(written, what)
  check.argument(written, "string|number", what)
  if type(written) == "number" then
    if written ~= written or written == math.huge or written == -math.huge then
      check.misuse(what .. ": a number that is finite expected")
    end
    local text = ("%.15g"):format(written)
    if tonumber(text) ~= written then text = ("%.17g"):format(written) end
    local value = read(text)
    if value then value.format = "decimal" end
    return value
  end
  return read(written)
end

-- The shortest text: no fraction, the largest suffix that loses nothing.
local function decimal(value)
  local digits = to_digits(value.count)
  if digits == "0" then return "0" end
  local zeros = #digits:match "0*$"
  local exponent = math.min(18, zeros - NANO)
  exponent = exponent - exponent % 3
  digits = digits:sub(1, #digits - NANO - exponent)
  local suffix = SUFFIX[exponent]
  if value.format == "exponent" then suffix = exponent == 0 and "" or "e" .. exponent end
  return digits .. suffix
end

local function whole_of(count) -- the whole number, or nil when there is a fraction
  local digits = to_digits(count)
  if digits == "0" then return {} end
  if #digits <= NANO or digits:sub(-NANO):find "[1-9]" then return nil end
  return from_digits(digits:sub(1, -NANO - 1))
end

local function canonical(value)
  local sign = value.negative and "-" or ""
  local whole = value.format == "binary" and whole_of(value.count)
  if not whole or compare_counts(whole, { 1024 }) < 0 then
    if value.format == "binary" then value.format = "decimal" end
    return sign .. decimal(value)
  end
  local power = 0
  while power < 6 do
    local quotient, rest = divide_count(whole, 1024)
    if rest ~= 0 then break end
    whole, power = quotient, power + 1
  end
  return sign .. to_digits(whole) .. (BINARY_SUFFIX[power] or "")
end

-- Functions ----------------------------------------------------------------------------------------

local function both(a, b, what)
  local left = parse(a, what .. ": a")
  if not left then return rejected(a) end
  local right = parse(b, what .. ": b")
  if not right then return rejected(b) end
  return left, right
end

local function sum(a, b)
  local format = #a.count == 0 and b.format or a.format
  local out = { format = format, negative = a.negative }
  if a.negative == b.negative then
    out.count = add_counts(a.count, b.count)
  elseif compare_counts(a.count, b.count) >= 0 then
    out.count = subtract_counts(a.count, b.count)
  else
    out.count, out.negative = subtract_counts(b.count, a.count), b.negative
  end
  return canonical(cap(out))
end

--- The canonical form, as the API server writes it: "1000m" is "1", "0.5Gi" is "512Mi". Fails with
--- "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@return string? text, string? message, moonlet.ErrorInfo? info
function M.canonical(a)
  local value = parse(a, "quantity.canonical: a")
  if not value then return rejected(a) end
  return canonical(value)
end

--- a + b, in the format of a ("1Gi" + "512Mi" is "1536Mi"). Fails with "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@param b moonlet.Quantity
---@return string? text, string? message, moonlet.ErrorInfo? info
function M.add(a, b)
  local left, right, info = both(a, b, "quantity.add")
  if not left then return nil, right, info end
  return sum(left, right)
end

--- a - b, in the format of a. Fails with "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@param b moonlet.Quantity
---@return string? text, string? message, moonlet.ErrorInfo? info
function M.sub(a, b)
  local left, right, info = both(a, b, "quantity.sub")
  if not left then return nil, right, info end
  right.negative = not right.negative
  return sum(left, right)
end

--- a × factor, rounded away from zero at a nano. Fails with "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@param factor moonlet.Quantity
---@return string? text, string? message, moonlet.ErrorInfo? info
function M.mul(a, factor)
  local left, right, info = both(a, factor, "quantity.mul")
  if not left then return nil, right, info end
  return canonical(cap {
    format = left.format, negative = left.negative ~= right.negative,
    count = drop_digits(multiply_counts(left.count, right.count), NANO),
  })
end

--- -1, 0 or 1 as a is less than, equal to or more than b. Fails with "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@param b moonlet.Quantity
---@return integer? order, string? message, moonlet.ErrorInfo? info
function M.compare(a, b)
  local left, right, info = both(a, b, "quantity.compare")
  if not left then return nil, right, info end
  if left.negative ~= right.negative then return left.negative and -1 or 1 end
  local order = compare_counts(left.count, right.count)
  return left.negative and -order or order
end

--- The value as a number of Lua, the nearest there is: 0.5 of "500m". Fails with "rejected".
---@nodiscard
---@param a moonlet.Quantity
---@return number? value, string? message, moonlet.ErrorInfo? info
function M.number(a)
  local value = parse(a, "quantity.number: a")
  if not value then return rejected(a) end
  return tonumber((value.negative and "-" or "") .. to_digits(value.count) .. "e-9")
end

return M
