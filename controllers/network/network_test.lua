-- Network against a service that is a function: nothing is made twice, a failure shows in status.
local t = require "moonlet.test"
local controller = require "network"

local function net(deleting)
  return { apiVersion = "net.example.com/v1", kind = "Network", spec = { cidr = "10.0.0.0/24", tenant = "a" },
    metadata = { name = "n", namespace = "default", uid = "1", deletionTimestamp = deleting } }
end

-- A service that keeps what it has by kind.
local function service()
  local has, calls = {}, {}
  return has, calls, function(request)
    calls[#calls + 1] = request.method
    local kind = request.url:match "/v2.0/(%l+)s"
    if request.method == "POST" then
      has[kind] = kind .. "-1"
      return { status = 201, json = { [kind] = { id = has[kind] } } }
    elseif request.method == "DELETE" then
      has[kind] = nil
      return { status = 204 }
    end
    return { json = { [kind .. "s"] = has[kind] and { { id = has[kind] } } or {} } }
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
  t.equal(run.status, { state = "Active", networkID = "network-1", subnetID = "subnet-1", routerID = "router-1" })
  t.equal(run.requests[1].headers["X-Auth-Token"], "s3cret")
  t.equal(#run.applied, 2)
  t.equal(has.router, "router-1")
  local made = #calls
  t.call(controller, "reconcile", net(), { cache = { tenant }, answers = { secret = secret, http = answer } })
  for i = made + 1, #calls do t.equal(calls[i], "GET") end
end)

t.case("finalize removes all of it, and may run again", function()
  local has, calls, answer = service()
  has.network, has.subnet, has.router = "n", "s", "r"
  for _ = 1, 2 do
    t.equal(t.call(controller, "finalize", net "2026-01-01T00:00:00Z",
      { answers = { secret = secret, http = answer } }).error, nil)
  end
  t.equal(next(has), nil)
  t.equal(#calls, 9)
end)
