-- Network against a service that is a function: nothing is made twice, a failure shows in status.
local t = require "moonlet.test"
local controller = require "network"
local json = require "moonlet.json"

local function net(deleting, spec)
  return { apiVersion = "net.example.com/v1", kind = "Network", spec = spec or { cidr = "10.0.0.0/24", tenant = "a" },
    metadata = { name = "n", namespace = "default", uid = "1", deletionTimestamp = deleting } }
end

-- A service that keeps what it has by kind.
local function service()
  local has, calls, made = {}, {}, 0
  return has, calls, function(request)
    calls[#calls + 1] = request.method
    local kind = request.url:match "/v2.0/(%l+)s"
    local sent = request.body and json.decode(request.body)[kind]
    if request.method == "POST" then
      made = made + 1
      has[kind], sent.id = sent, ("%s-%d"):format(kind, made)
      return { status = 201, json = { [kind] = sent } }
    elseif request.method == "PUT" then
      for name, value in pairs(sent) do has[kind][name] = value end
      return { json = { [kind] = has[kind] } }
    elseif request.method == "DELETE" then
      has[kind] = nil
      return { status = 204 }
    end
    return { json = { [kind .. "s"] = { has[kind] } } }
  end
end

local tenant = { apiVersion = "net.example.com/v1", kind = "Tenant", metadata = { name = "a" }, spec = {} }
local secret = { ["network-service/token"] = "s3cret" }

t.case("a service that does not answer is Failed, and is tried again", function()
  local run = t.call(controller, "reconcile", net(),
    { cache = { tenant }, answers = { secret = secret, http = t.refuse("unavailable", "down") } })
  t.match(tostring(run.error), "down")
  t.equal(run.status.state, "Failed")
  t.equal(#run.applied, 0)
end)

t.case("without its tenant nothing is called", function()
  local run = t.call(controller, "reconcile", net(), { answers = { secret = secret } })
  t.match(run.status.message, "there is no tenant a")
  t.equal(#run.requests, 0)
end)

t.case("network, subnet and router are made once, the token is sent, then the DNS server", function()
  local has, calls, answer = service()
  local run = t.call(controller, "reconcile", net(),
    { cache = { tenant }, answers = { secret = secret, http = answer } })
  t.equal(run.error, nil)
  t.equal(run.status, { state = "Active", networkID = "network-1", subnetID = "subnet-2", routerID = "router-3" })
  t.equal(run.requests[1].headers["X-Auth-Token"], "s3cret")
  t.equal(#run.applied, 2)
  t.equal(has.router.network_id, "network-1")
  local made = #calls
  t.call(controller, "reconcile", net(), { cache = { tenant }, answers = { secret = secret, http = answer } })
  for i = made + 1, #calls do t.equal(calls[i], "GET") end
end)

t.case("a changed gateway is changed in place, a changed cidr makes a new subnet", function()
  local has, calls, answer = service()
  local function spec(cidr, gateway)
    local before = #calls
    local run = t.call(controller, "reconcile", net(nil, { cidr = cidr, gateway = gateway, tenant = "a" }),
      { cache = { tenant }, answers = { secret = secret, http = answer } })
    t.equal(run.error, nil)
    t.equal({ has.subnet.cidr, has.subnet.gateway_ip }, { cidr, gateway })
    return table.concat(calls, " ", before + 1), run.status
  end
  spec("10.0.0.0/24", "10.0.0.1")
  t.equal((spec("10.0.0.0/24", "10.0.0.2")), "GET GET PUT GET")
  local made, status = spec("10.1.0.0/24", "10.1.0.1")
  t.equal(made, "GET GET DELETE POST GET")
  t.equal(status.subnetID, "subnet-4")
  t.equal((spec("10.1.0.0/24", "10.1.0.1")), "GET GET GET")
end)

t.case("without the Secret a removal waits, unless the namespace is going too", function()
  local function namespace(deleting)
    return { apiVersion = "v1", kind = "Namespace", metadata = { name = "other", deletionTimestamp = deleting } }
  end
  local gone = net "2026-01-01T00:00:00Z"
  gone.metadata.namespace = "other"
  local run = t.call(controller, "finalize", gone, { cache = { namespace() } })
  t.equal(run.error.code, "not_found")
  run = t.call(controller, "finalize", gone, { cache = { namespace "2026-01-01T00:00:00Z" } })
  t.equal(run.error, nil)
  t.match(run.log[1].message, "the token went with the namespace")
  t.equal(#run.requests, 0)
end)

t.case("a token that was read before serves for the removal when its Secret went first", function()
  local has, _, answer = service()
  local leaving = { apiVersion = "v1", kind = "Namespace",
    metadata = { name = "default", deletionTimestamp = "2026-01-01T00:00:00Z" } }
  t.call(controller, "reconcile", net(), { cache = { tenant }, answers = { secret = secret, http = answer } })
  t.ok(has.router)
  local run = t.call(controller, "finalize", net "2026-01-01T00:00:00Z",
    { cache = { leaving }, answers = { http = answer } })
  t.equal(run.error, nil)
  t.equal(next(has), nil)
end)

t.case("finalize removes all of it, and may run again", function()
  local has, calls, answer = service()
  has.network, has.subnet, has.router = { id = "n" }, { id = "s" }, { id = "r" }
  for _ = 1, 2 do
    t.equal(t.call(controller, "finalize", net "2026-01-01T00:00:00Z",
      { answers = { secret = secret, http = answer } }).error, nil)
  end
  t.equal(next(has), nil)
  t.equal(#calls, 9)
end)

local Network = "net.example.com/v1/Network"
local URL = "https://neutron.example.com"

-- The service of a simulation: what it has by kind and name, and how often it made something.
local function listen(sim)
  local has, made = {}, 0
  sim:http(URL, function(request)
    local kind, id = request.url:match "/v2.0/(%l+)s/(.+)$"
    kind = kind or request.url:match "/v2.0/(%l+)s"
    has[kind] = has[kind] or {}
    if request.method == "POST" then
      local sent = request.json()[kind]
      made = made + 1
      sent.id = ("%s-%d"):format(kind, made)
      table.insert(has[kind], sent)
      return { status = 201, json = { [kind] = sent } }
    elseif request.method == "DELETE" then
      for i, one in ipairs(has[kind]) do
        if one.id == id then table.remove(has[kind], i) end
      end
      return { status = 204 }
    end
    local found = json.decode "[]"
    for _, one in ipairs(has[kind]) do
      if request.url:find(one.name, 1, true) then found[#found + 1] = one end
    end
    return { json = { [kind .. "s"] = found } }
  end)
  return has
end

local function prepare(sim)
  local has = listen(sim)
  sim:load "network"
  sim:create { apiVersion = "v1", kind = "Secret", metadata = { name = "network-service" },
    stringData = { token = "s3cret" } }
  sim:create { apiVersion = "net.example.com/v1", kind = "Tenant", metadata = { name = "a" }, spec = {} }
  return has
end

local function create(sim)
  return sim:create { apiVersion = "net.example.com/v1", kind = "Network", metadata = { name = "n" },
    spec = { cidr = "10.0.0.0/24", tenant = "a" } }
end

t.case("a network is made outside, served by DNS, and removed before its object goes", function(sim)
  local has = prepare(sim)
  create(sim)
  sim:settle()
  t.equal(sim:get(Network, "n").status.state, "Active")
  t.equal({ #has.network, #has.subnet, #has.router }, { 1, 1, 1 })
  t.ok(sim:get("v1/Service", "dns-n"))
  sim:delete(Network, "n")
  sim:settle()
  t.equal(sim:get(Network, "n"), nil)
  t.equal({ #has.network, #has.subnet, #has.router }, { 0, 0, 0 })
  t.equal(sim:get("v1/Service", "dns-n"), nil)
end)

t.case("waits for its tenant", function(sim)
  listen(sim)
  sim:load "network"
  create(sim)
  sim:settle()
  t.match(sim:get(Network, "n").status.message, "there is no tenant a")
end)

-- An answer of the service that is lost may leave one made twice: its API has no way to make by name.
t.chaos("nothing is left outside once its object is gone", { seeds = 50, faults = { "conflict", "lag", "duplicate",
  "early_end", "error_event", "compaction", "client_restart" } }, function(sim)
  local has = prepare(sim)
  t.always(function()
    if not sim:get(Network, "n") and has.network then t.equal(#has.network, 0, "networks without an object") end
  end)
  create(sim)
  sim:settle()
  t.equal(sim:get(Network, "n").status.state, "Active")
  sim:delete(Network, "n")
  sim:settle()
  t.equal(sim:get(Network, "n"), nil)
  for kind, list in pairs(has) do t.equal(#list, 0, kind) end
end)
