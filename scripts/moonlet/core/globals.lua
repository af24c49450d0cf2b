-- Globals that a file reads and nobody sets: a typo that would otherwise wait for the line to run.
local check = require "moonlet.check"
local core = require "moonlet.core"

local ABSENT = {}
for name in ([[io debug package dofile loadfile collectgarbage newproxy setfenv getfenv module jit ffi
  gcinfo]]):gmatch "%a+" do
  ABSENT[name] = true
end

local function fault(one, known)
  if ABSENT[one.name] then
    check.fault(one.at, ("there is no global '%s': the sandbox leaves it out"):format(one.name))
  end
  local near = check.nearest(one.name, known)
  check.fault(one.at, ("there is no global '%s'%s"):format(one.name,
    near and (", did you mean '%s'?"):format(near) or "; is it a local of another place?"))
end

--- Raises for the first such name in the file's chunk and in the modules beside it.
---@param chunk function
---@param env table what the sandbox has
return function(chunk, env)
  local all, known = {}, {}
  local function scan(one)
    for _, use in ipairs(core.globals(one) or {}) do
      if use.set then known[use.name] = true else all[#all + 1] = use end
    end
  end
  for name in pairs(env) do known[name] = true end
  scan(chunk)
  for name in core.source_modules():gmatch "[^,%s]+" do
    local ok, module = pcall(core.source_chunk, name)
    if ok and module then scan(module) end -- what does not parse says so when it is required
  end
  for _, use in ipairs(all) do
    if not known[use.name] then fault(use, known) end
  end
end
