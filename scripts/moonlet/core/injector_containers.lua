--- The part of an injection that is about containers: adding them, and what goes into those of the pod.
local core = require "moonlet.core"
local items = require "moonlet.core.items"

return function(Injection, tools)

local function is_sidecar(container)
  return container.restartPolicy == "Always"
end

-- Items for containers of the definition itself are part of these; the rest is returned.
local function bake(containers, list, field, name)
  local rest = {}
  for _, one in ipairs(list) do
    local names = one.containers and {} or nil
    for _, wanted in ipairs(one.containers or {}) do
      local at = items.find(containers, "name", wanted)
      local container = at and containers[at]
      if not container then
        names[#names + 1] = wanted
      elseif not items.find(container[field], name, one.item[name]) then
        container[field] = container[field] or core.array {}
        table.insert(container[field], core.copy(one.item))
      end
    end
    if not names or #names > 0 then rest[#rest + 1] = { item = one.item, containers = names } end
  end
  return rest
end

-- The ports that a container of the pod will have when all is put in.
function Injection:ports_of(container, prefix)
  local known, ports = self.record[prefix .. container.name], container.ports or {}
  local at = items.find(self.injected, "name", container.name)
  if not at then return ports end
  local wanted = self.injected[at].ports or {}
  if known and items.hash(container) == known then return wanted end
  if not self.fields.override then return ports end
  local out = core.copy(ports)
  for _, port in ipairs(wanted) do out[#out + 1] = port end
  return out
end

local function port_text(port)
  return ("%s/%s"):format(tostring(port.containerPort), port.protocol or "TCP")
end

-- What runs beside `container` and listens on one of its ports, if anything does.
function Injection:port_taken(container)
  local taken = {}
  for _, port in ipairs(container.ports or {}) do taken[port_text(port)] = true end
  if next(taken) == nil then return nil end
  local function look(list, prefix)
    for _, other in ipairs(list or {}) do
      if other.name ~= container.name and (prefix == "container/" or is_sidecar(other)) then
        for _, port in ipairs(self:ports_of(other, prefix)) do
          if taken[port_text(port)] then return port_text(port), other.name end
        end
      end
    end
  end
  local text, name = look(self.spec.containers, "container/")
  if text then return text, name end
  return look(self.spec.initContainers, "init/")
end

function Injection:may_listen(container, init)
  if init and not is_sidecar(container) then return true end
  local port, other = self:port_taken(container)
  return not port
    or self:conflict(("container \"%s\" listens on %s, as \"%s\" does"):format(container.name, port, other))
end

-- Like meet, of a container: what counts is a stranger's as it was before our mounts and env, with which it may
-- say what we want to say.
function Injection:meet_container(list, at, key, wanted)
  local existing, bare = list[at], core.copy(list[at])
  local mounts, env = ("mount/%s/"):format(wanted.name), ("env/%s/"):format(wanted.name)
  bare.volumeMounts = self:drop(bare.volumeMounts, mounts, "mountPath", {})
  bare.env = self:drop(bare.env, env, "name", {})
  list[at] = bare
  local met = self:meet(list, at, key, wanted, true)
  if list[at] == bare then
    list[at] = existing
    return met
  end
  for part in pairs(core.copy(self.record)) do -- they are put in again
    if part:sub(1, #mounts) == mounts or part:sub(1, #env) == env then self.record[part] = nil end
  end
  return met
end

function Injection:add_containers(field, prefix, wanted, first, other_field)
  local list = self.spec[field] or core.array {}
  for i, container in ipairs(wanted) do
    local key, name = prefix .. container.name, container.name
    local at = items.find(list, "name", name)
    local known = self.record[key]
    local ours = not at or known and items.hash(list[at]) == known
    if items.find(self.spec[other_field], "name", name) then
      self:conflict(("container \"%s\" is there already, among the %s"):format(name, other_field))
    elseif ours and not self:may_listen(container, prefix == "init/") then
      self.kept[key] = at and known or nil
    elseif not at then
      tools.insert(list, container, wanted, i, "name", first)
      self.spec[field] = list
      self.kept[key] = items.hash(container)
    elseif not self:meet_container(list, at, key, container) then
      self.own[name] = true
      self:conflict(("container \"%s\" is there already and says something else"):format(name))
    end
    if self.fields.override and not self.kept[key] then self.own[name] = true end
  end
end

-- One item into one container of the pod.
function Injection:add_part(container, field, prefix, name, item)
  local key = ("%s%s/%s"):format(prefix, container.name, item[name])
  if self.wanted[key] then return end -- said twice: the first counts
  self.wanted[key] = true
  local list = container[field] or core.array {}
  local at = items.find(list, name, item[name])
  if not at then
    container[field] = list
    table.insert(list, core.copy(item))
    self.kept[key] = items.hash(item)
  elseif not self:meet(list, at, key, item, false) and prefix == "mount/" then
    self:conflict(("container \"%s\" has something else at %s"):format(container.name, item[name]))
  end
end

-- Mounts or env for the pod's own containers: all regular ones, or those named, init containers too.
function Injection:add_parts(field, prefix, name, list)
  local ours = {}
  for _, one in ipairs(self.injected) do ours[one.name] = not self.own[one.name] end
  local function each(containers, f)
    for _, container in ipairs(containers or {}) do
      if not ours[container.name] then f(container) end
    end
  end
  self.wanted = {}
  for _, one in ipairs(list) do
    if not (prefix == "mount/" and self.skipped["volume/" .. one.item.name]) then
      local named = one.containers and {}
      for _, wanted in ipairs(one.containers or {}) do named[wanted] = true end
      local function add(container)
        local meant = not self.foreign[container.name]
        if named then meant = named[container.name] end
        if meant then self:add_part(container, field, prefix, name, one.item) end
      end
      each(self.spec.containers, add)
      if named then each(self.spec.initContainers, add) end
    end
  end
  local function drop(container)
    container[field] = self:drop(container[field], ("%s%s/"):format(prefix, container.name), name, self.wanted)
  end
  each(self.spec.containers, drop)
  each(self.spec.initContainers, drop)
end

function Injection:containers(wanted)
  local all = {}
  for _, list in ipairs { wanted.containers, wanted.init_containers } do
    for _, container in ipairs(list) do all[#all + 1] = container end
  end
  self.injected, self.own = all, {}
  local mounts = bake(all, wanted.mounts, "volumeMounts", "mountPath")
  local env = bake(all, wanted.env, "env", "name")
  local position, spec = self.fields.position, self.spec
  spec.containers = self:drop(spec.containers, "container/", "name",
    tools.keys_of(wanted.containers, "container/", "name"))
  spec.initContainers = self:drop(spec.initContainers, "init/", "name",
    tools.keys_of(wanted.init_containers, "init/", "name"))
  self:add_containers("containers", "container/", wanted.containers, position == "first", "initContainers")
  self:add_containers("initContainers", "init/", wanted.init_containers, position ~= "last", "containers")
  self:add_parts("volumeMounts", "mount/", "mountPath", mounts)
  self:add_parts("env", "env/", "name", env)
end

end
