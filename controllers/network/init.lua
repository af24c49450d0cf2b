-- Network: a network, subnet and router at an external service, and a DNS server for its pods.
local moonlet = require "moonlet"
local s = require "moonlet.schema"
local neutron = require "network.neutron"

local Tenant = moonlet.resource {
  group = "net.example.com", version = "v1", kind = "Tenant", scope = "Cluster",
  spec = s.object { description = s.string() },
}
local Network = moonlet.resource {
  group = "net.example.com", version = "v1", kind = "Network", short_names = { "net" },
  spec = s.object {
    cidr = s.string { required = true, pattern = "^[0-9.]+/[0-9]+$" },
    gateway = s.string(),
    networkID = s.string { description = "An existing network to use" },
    tenant = s.string { required = true },
  },
  status = s.object {
    state = s.enum { "Initializing", "Active", "Failed" },
    networkID = s.string(), subnetID = s.string(), routerID = s.string(), message = s.string(),
  },
  columns = { State = ".status.state", CIDR = ".spec.cidr" },
}

local tokens = {} -- namespace -> the last one read, for when its Secret goes before the last network

local function service(ctx)
  local token = ctx:secret("network-service", "token")
  tokens[ctx.key.namespace] = token
  return neutron.new(ctx.config.url, token)
end

-- The service, or nil when the namespace is on its way out with the Secret gone and no token known:
-- no Secret can be made there any more, and waiting for one would keep the namespace for ever.
local function last_service(ctx)
  local ok, found = pcall(service, ctx)
  if ok then return found end
  local namespace = ctx:get("v1/Namespace", ctx.key.namespace)
  local leaving = not namespace or namespace.metadata.deletionTimestamp
  if not leaving or found.code ~= "not_found" then error(found, 0) end
  local token = tokens[ctx.key.namespace]
  return token and neutron.new(ctx.config.url, token)
end

-- What never changes and nobody else has: a spec may change between creation and removal.
local function external_name(net)
  return "moonlet-" .. net.metadata.uid
end

local function dns(net, ctx)
  local name = "dns-" .. net.metadata.name
  local labels = { app = name }
  ctx:apply {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name },
    spec = { selector = { matchLabels = labels }, template = {
      metadata = { labels = labels },
      spec = { containers = { { name = "dns", image = "coredns/coredns:1.11.1",
        ports = { { containerPort = 53, protocol = "UDP" } } } } },
    } },
  }
  ctx:apply {
    apiVersion = "v1", kind = "Service", metadata = { name = name },
    spec = { selector = labels, ports = { { port = 53, protocol = "UDP" } } },
  }
end

local network = moonlet.controller {
  name = "network",
  resource = Network,
  owns = { "apps/v1/Deployment", "v1/Service" },
  watches = { { Tenant, map = function(tenant, ctx)
    return ctx:by(Network, "by_tenant", tenant.metadata.name)
  end } },
  index = { [tostring(Network)] = { by_tenant = function(net) return net.spec.tenant end } },
  reads = { { "v1/Namespace", metadata_only = true } },
  secrets = { "network-service" },
  http = { "http://127.0.0.1:9696", "https://neutron.example.com" },
  retry = { max = "1m" },
  config = { url = s.string { default = "https://neutron.example.com" } },

  reconcile = function(net, ctx)
    if not (net.status and net.status.state) then ctx:set_status { state = "Initializing" } end
    if not ctx:get(Tenant, net.spec.tenant) then
      ctx:set_status { state = "Failed", message = "there is no tenant " .. net.spec.tenant }
      return -- its appearance runs this again
    end
    local ok, ids = pcall(function()
      local external, name = service(ctx), external_name(net)
      local id = net.spec.networkID or external:ensure("network", name, { tenant = net.spec.tenant })
      return {
        networkID = id,
        subnetID = external:ensure("subnet", name,
          { network_id = id, cidr = net.spec.cidr, gateway_ip = net.spec.gateway }),
        routerID = external:ensure("router", name, { network_id = id }),
      }
    end)
    if not ok then
      ctx:set_status { state = "Failed", message = tostring(ids) }
      error(ids, 0)
    end
    dns(net, ctx)
    ids.state = "Active"
    ctx:set_status(ids)
  end,

  -- Runs until it has succeeded once, also over restarts: each removal is fine when already done.
  finalize = function(net, ctx)
    local external, name = last_service(ctx), external_name(net)
    if not external then
      ctx.log:warn("the token went with the namespace; what the service has is left there", { external = name })
      return
    end
    external:remove("router", name)
    external:remove("subnet", name)
    external:remove("network", name) -- one that was given by id does not have this name
  end,
}

return { Tenant, network }
