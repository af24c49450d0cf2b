-- One child, which gets its name when it is made.
local t = require "moonlet.test"

local function create(sim, name, spec)
  sim:create { apiVersion = "mutants.example.com/v1", kind = "App", metadata = { name = name }, spec = spec or {} }
end

local function children(sim)
  return sim:list("v1/ConfigMap", { namespace = "default" })
end

local function body(file)
  return function(sim)
    sim:load(file)
    t.always(function() t.ok(#children(sim) <= 1, "there are two children") end)
    create(sim, "a")
    sim:settle()
    t.equal(#children(sim), 1)
  end
end

t.chaos("repeated-create: right", { seeds = 50 }, body "repeated-create.lua")
t.chaos("repeated-create: broken", { seeds = 1000 }, body "broken/repeated-create.lua")
