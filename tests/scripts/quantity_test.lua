-- moonlet.quantity: what it refuses, the canonical form, exact arithmetic.
local t = require "moonlet.test"
local quantity = require "moonlet.quantity"

t.case("text that is no quantity is rejected, by every function", function()
  for _, text in ipairs { "", "m", "1.2.3", "1..2", ".", "1e", "1e1.5", "1KiB", "1 Gi",
    "0x10", "1K", "--1", "1mi", "abc" } do
    for _, name in ipairs { "canonical", "number" } do
      local value, message, info = quantity[name](text)
      t.equal(value, nil, text)
      t.match(message, '"' .. text .. '" is not a quantity')
      t.equal(info.code, "rejected")
    end
    for _, name in ipairs { "add", "sub", "mul", "compare" } do
      t.equal(quantity[name](text, "1"), nil)
      t.equal(quantity[name]("1", text), nil)
    end
  end
end)

t.case("a wrong type is raised at the caller's line", function()
  t.raises(function() return quantity.add(nil, "1") end,
    "quantity_test.lua:22: quantity.add: a: a string or number expected, not nil")
  t.raises(function() return quantity.canonical(0 / 0) end, "finite")
  t.raises(function() return quantity.number {} end, "a table")
end)

t.case("the canonical form is the API server's", function()
  for text, want in pairs {
    ["0"] = "0", ["0m"] = "0", ["-0"] = "0", ["00.50"] = "500m", ["1000m"] = "1", ["1500m"] = "1500m",
    ["1.5"] = "1500m",
    ["0.5Gi"] = "512Mi", ["1.5Gi"] = "1536Mi", ["1024Mi"] = "1Gi", ["1024"] = "1024", ["1000"] = "1k",
    ["10000"] = "10k",
    ["100"] = "100", ["1e3"] = "1e3", ["12E6"] = "12e6", ["1E"] = "1E", ["0.1Ki"] = "102400m", ["1Ki"] = "1Ki",
    ["0.5Ki"] = "512",
    ["-2000k"] = "-2M", ["+3"] = "3", [".5"] = "500m", ["5."] = "5", ["1n"] = "1n", ["0.1n"] = "1n", ["-0.1n"] = "-1n",
    ["1e-3"] = "1e-3", ["100e-3"] = "100e-3", ["1e-1"] = "100e-3", ["1025Ki"] = "1025Ki",
    ["9223372036854775807"] = "9223372036854775807", ["9223372036854775808"] = "9223372036854775807",
    ["1e1000"] = "9223372036854775807", ["1e-1000"] = "1e-9", ["123456789.123456789"] = "123456789123456789n",
    ["8Ei"] = "9223372036854775807", ["7Ei"] = "7Ei",
  } do
    local got = quantity.canonical(text)
    t.equal(got, want, text)
  end
  t.equal(quantity.canonical(0.1), "100m")
  t.equal(quantity.canonical(1e21), "9223372036854775807")
  t.equal(quantity.canonical(-2), "-2")
end)

t.case("sums are exact and keep the format of the first", function()
  t.equal(quantity.add("1Gi", "512Mi"), "1536Mi")
  t.equal(quantity.add("500m", "500m"), "1")
  t.equal(quantity.add("0", "1Gi"), "1Gi")
  t.equal(quantity.add("1", "1Gi"), "1073741825")
  t.equal(quantity.add("0.1", "0.2"), "300m")
  t.equal(quantity.add("9223372036854775806", "1"), "9223372036854775807")
  t.equal(quantity.add("9007199254740993", "1n"), "9007199254740993000000001n")
  t.equal(quantity.sub("1Gi", "1Gi"), "0")
  t.equal(quantity.sub("1", "1500m"), "-500m")
  t.equal(quantity.sub("-1", "-3"), "2")
  t.equal(quantity.add("-1", "3"), "2")
  t.equal(quantity.sub("1Gi", "1"), "1073741823")
end)

t.case("products are exact down to a nano", function()
  t.equal(quantity.mul("100m", 3), "300m")
  t.equal(quantity.mul("1Gi", 1.5), "1536Mi")
  t.equal(quantity.mul("1Gi", 0.1), "107374182400m")
  t.equal(quantity.mul("-2", "3"), "-6")
  t.equal(quantity.mul("1n", "0.5"), "1n")
  t.equal(quantity.mul("0", 7), "0")
  t.equal(quantity.mul("3037000500", "3037000500"), "9223372036854775807")
end)

t.case("quantities compare by value, not by text", function()
  t.equal(quantity.compare("1000m", "1"), 0)
  t.equal(quantity.compare("1Gi", "1G"), 1)
  t.equal(quantity.compare("-1", "1m"), -1)
  t.equal(quantity.compare("-2", "-1"), -1)
  t.equal(quantity.compare("0", "-0"), 0)
  t.equal(quantity.compare("9223372036854775807", "9223372036854775806"), 1)
end)

t.case("a quantity as a number", function()
  t.equal(quantity.number "500m", 0.5)
  t.equal(quantity.number "-1Ki", -1024)
  t.equal(quantity.number "1e3", 1000)
  t.equal(quantity.number(3), 3)
end)
