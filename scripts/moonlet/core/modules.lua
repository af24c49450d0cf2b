-- `require`, over what finds a module. bindings/core.c knows the function made here by its file and its
-- first local: a mistake below it, with no line of a file in between, is of the module `name`.
local type, error, pcall = type, error, pcall

local LOADING = {}

local function requirer(loaded, find, describe)
  return function(name)
    if type(name) ~= "string" then
      error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
    end
    local value = loaded[name]
    if value == LOADING then error("module '" .. name .. "' requires itself", 2) end
    if value ~= nil then return value end
    local chunk = find(name)
    if not chunk then error(describe(name), 2) end
    if type(chunk) == "function" then
      loaded[name] = LOADING
      local ok, result = pcall(chunk, name)
      if not ok then
        loaded[name] = nil
        error(result, 0)
      end
      value = result == nil and true or result
    else
      value = chunk.value
    end
    loaded[name] = value
    return value
  end
end

return requirer
