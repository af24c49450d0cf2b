-- moonlet.injector: what is refused, what goes where, whose word counts, and that twice is once.
local t = require "moonlet.test"
local declare = require "moonlet.declare"
local json = require "moonlet.json"
local moonlet = require "moonlet"

local RECORD = "moonlet.dev/injected-agent"

local function injector(fields)
  fields.name, fields.into = fields.name or "agent", fields.into or "v1/Pod"
  return moonlet.injector(fields)
end
local function read(fields)
  return declare.declare(injector(fields), { file = "a.lua" }).definitions[1]
end
local function pod(spec, annotations)
  spec = spec or {}
  spec.containers = spec.containers or { { name = "app", image = "nginx" } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = "web", namespace = "ns", annotations = annotations },
    spec = spec }
end
local function deployment(spec, annotations)
  local template = pod(spec)
  return { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "web", namespace = "ns", annotations = annotations },
    spec = { replicas = 1, template = { metadata = { labels = { app = "web" } }, spec = template.spec } } }
end
local function put(fields, object, options)
  options = options or {}
  options.object = object or pod()
  return t.review(injector(fields), options)
end
local function into_deployment(fields, object)
  fields.into = "apps/v1/Deployment"
  local out = put(fields, object or deployment())
  t.equal(out.error, nil)
  t.equal(out.message, nil)
  return out.object
end
local function names(list)
  local out = {}
  for i, item in ipairs(list or {}) do out[i] = item.name end
  return table.concat(out, " ")
end
local AGENT = { name = "agent", image = "fluent/fluent-bit:3.1" }

t.case("a definition that cannot be is refused with what to write", function()
  for _, try in ipairs {
    { { container = {} }, 'unknown field "container", did you mean "containers"?' },
    { {}, "does nothing; give it containers" },
    { { into = "v1/Service", labels = {} }, "into[1]: v1/Service has no Pods in it; an injector works on v1/Pod" },
    { { into = { "v1/Pod", "v1/Pod" }, labels = {} }, "into[2]: v1/Pod stands there twice" },
    { { into = { { "v1/Pod", label = "x" } }, labels = {} }, 'did you mean "labels"?' },
    { { writes = { "v1/Pod" }, labels = {} }, "writes: a webhook does not write" }, -- R27
    { { containers = { { image = "x" } } }, "containers: item 1 has no name" },
    { { containers = { { name = "a" } } }, 'containers: "a": image is missing' },
    { { containers = AGENT }, "containers: a list or function expected" },
    { { containers = { AGENT, AGENT } }, '"agent" stands there twice' },
    { { containers = { AGENT }, init_containers = { AGENT } }, '"agent" is in containers too' },
    { { containers = { { name = "a", image = "x", volume_mounts = {} } } }, "is not Kubernetes' own spelling" },
    { { volumes = { { name = "a" } } }, '"a": a volume has one source' },
    { { volumes = { { name = "a", emptyDir = {}, secret = {} } } }, "a volume has one source" },
    { { mounts = { { name = "a" } } }, "mounts: item 1: path is missing" },
    { { mounts = { { name = "a", path = "b" } } }, 'path "b" does not begin with /' },
    { { mounts = { { name = "a", mountPath = "/b" } } }, 'unknown field "mountPath"' },
    { { mounts = { { name = "a", path = "/b", containers = {} } } }, 'containers is "*", a name, or a list of names' },
    { { env = { { name = "A", value = "1", valueFrom = {} } } }, "value or valueFrom, not both" },
    { { env = { ["A=B"] = "1" } }, "not a name of a variable" },
    { { labels = { a = {} } }, "labels: a map of texts" },
    { { image_pull_secrets = { 5 } }, "the name of a Secret" },
    { { position = "middle", labels = {} }, 'position: "first" or "last" expected' },
    { { on_conflict = "warn", labels = {} }, 'on_conflict: "deny" or "skip" expected' },
  } do
    local problem = t.raises(function() read(try[1]) end, try[2])
    t.match(tostring(problem), '^injector_test.lua:%d+: injector "agent"')
  end
end)

t.case("what a function gives is checked like what is written down", function()
  t.match(put({ containers = function() return { { name = "a" } } end }).message,
    "injector_test.lua:%d+: injector 'agent': containers: \"a\": image is missing")
  t.match(put({ env = function() error "boom" end }).message, "boom")
end)

t.case("the host is told of one webhook for each kind, at the operations where a pod spec can change", function()
  local one = read { into = { "v1/Pod", { "apps/v1/Deployment", labels = "a=b" }, "batch/v1/Job" },
    labels = { a = "b" } }
  t.equal({ one.type, one.handlers, #one.webhooks }, { "webhook", { "mutate" }, 3 })
  t.equal(one.webhooks[1], { handler = "mutate", resource = { kind = "v1/Pod" }, operations = { "CREATE" },
    failure_policy = "Fail", timeout = 5, reinvocation = "IfNeeded" })
  t.equal({ one.webhooks[2].operations, one.webhooks[2].object_selector.matchExpressions[1].key },
    { { "CREATE", "UPDATE" }, "a" })
  t.equal(one.webhooks[3].operations, { "CREATE" })
  t.equal(#read({ into = { "v1/Pod", labels = "a=b" }, labels = {} }).webhooks, 1)
end)

t.case("everything goes where it says, in the order of the definition", function()
  local out = put({
    containers = { AGENT, { name = "b", image = "x:1" } },
    init_containers = { { name = "i1", image = "x:1" }, { name = "i2", image = "x:1", restartPolicy = "Always" } },
    volumes = { { name = "logs", emptyDir = {} } },
    mounts = { { name = "logs", path = "/var/log" }, { name = "logs", path = "/in", containers = { "agent", "setup" },
      read_only = true } },
    env = { LEVEL = "info", PORT = 80, ONLY = { value = "b", containers = "b" } },
    labels = { a = "b" }, annotations = { c = "d" }, image_pull_secrets = { "reg" },
    tolerations = { { key = "k", operator = "Exists" } },
  }, pod { initContainers = { { name = "setup", image = "x" } }, imagePullSecrets = { { name = "own" } } }).object
  local spec = out.spec
  t.equal({ names(spec.containers), names(spec.initContainers) }, { "app agent b", "i1 i2 setup" })
  t.equal(spec.volumes, { { name = "logs", emptyDir = {} } })
  t.equal(spec.containers[1].volumeMounts, { { name = "logs", mountPath = "/var/log" } })
  t.equal(spec.containers[1].env, { { name = "LEVEL", value = "info" }, { name = "PORT", value = "80" } })
  t.equal(spec.containers[2].volumeMounts, { { name = "logs", mountPath = "/in", readOnly = true } })
  t.equal({ spec.containers[2].env, spec.containers[3].env }, { nil, { { name = "ONLY", value = "b" } } })
  t.equal(spec.initContainers[3].volumeMounts, { { name = "logs", mountPath = "/in", readOnly = true } })
  t.equal(names(spec.imagePullSecrets), "own reg")
  t.equal(spec.tolerations, { { key = "k", operator = "Exists" } })
  t.equal({ out.metadata.labels, out.metadata.annotations.c }, { { a = "b" }, "d" })
  local record = json.decode(out.metadata.annotations[RECORD])
  t.ok(record["container/agent"] and record["mount/app//var/log"] and record["env/app/LEVEL"])
  out = put({ position = "first", containers = { AGENT } }).object
  t.equal(names(out.spec.containers), "agent app")
  out = put({ position = "last", init_containers = { AGENT } }, pod { initContainers = { { name = "z" } } }).object
  t.equal(names(out.spec.initContainers), "z agent")
end)

t.case("a template of a workload is completed, a CronJob's too", function()
  local out = into_deployment { containers = { AGENT }, labels = { a = "b" } }
  t.equal(names(out.spec.template.spec.containers), "app agent")
  t.equal(out.spec.template.metadata.labels, { app = "web", a = "b" })
  t.ok(out.spec.template.metadata.annotations[RECORD])
  out = put({ into = "batch/v1/CronJob", containers = { AGENT } }, { apiVersion = "batch/v1", kind = "CronJob",
    metadata = { name = "c" }, spec = { jobTemplate = { spec = { template = { spec = pod().spec } } } } }).object
  t.equal(names(out.spec.jobTemplate.spec.template.spec.containers), "app agent")
end)

t.case("a ReplicaSet of a Deployment and what is being deleted are left alone", function()
  local set = deployment()
  set.kind = "ReplicaSet"
  set.metadata.ownerReferences = { { kind = "Deployment", name = "web", controller = true } }
  t.equal(put({ into = "apps/v1/ReplicaSet", containers = { AGENT } }, set).object, set)
  local gone = deployment()
  gone.metadata.deletionTimestamp = "2023-11-14T22:13:20Z"
  t.equal(into_deployment({ containers = { AGENT } }, gone), gone)
end)

t.case("an annotation of the object or its template opts out", function()
  for _, name in ipairs { "moonlet.dev/inject", "agent.moonlet.dev/inject" } do
    t.equal(put({ containers = { AGENT } }, pod(nil, { [name] = "false" })).object, pod(nil, { [name] = "false" }))
    local object = deployment()
    object.spec.template.metadata.annotations = { [name] = "false" }
    t.equal(into_deployment({ containers = { AGENT } }, object), object)
  end
  local other = pod(nil, { ["b.moonlet.dev/inject"] = "false" })
  t.equal(names(put({ containers = { AGENT } }, other).object.spec.containers), "app agent")
  local was = into_deployment { containers = { AGENT }, env = { A = "1" } }
  was.metadata.annotations = { ["moonlet.dev/inject"] = "false" }
  was = into_deployment({ containers = { AGENT }, env = { A = "1" } }, was) -- what was put in goes
  t.equal(was, deployment(nil, { ["moonlet.dev/inject"] = "false" }))
end)

local CONFLICTS = {
  { "container", { containers = { AGENT } }, { containers = { { name = "agent", image = "other" } } },
    'container "agent" is there already and says something else' },
  { "init container", { containers = { AGENT } }, { initContainers = { { name = "agent", image = "x" } } },
    'container "agent" is there already, among the initContainers' },
  { "volume", { volumes = { { name = "v", emptyDir = {} } } },
    { volumes = { { name = "v", hostPath = { path = "/" } } } },
    'volume "v" is there already and says something else' },
  { "port", { containers = { { name = "agent", image = "x", ports = { { containerPort = 80 } } } } },
    { containers = { { name = "app", image = "x", ports = { { containerPort = 80, protocol = "TCP" } } } } },
    'container "agent" listens on 80/TCP, as "app" does' },
  { "mount", { mounts = { { name = "v", path = "/d" } } },
    { containers = { { name = "app", image = "x", volumeMounts = { { name = "w", mountPath = "/d" } } } } },
    'container "app" has something else at /d' },
}

t.case("what stands in the way is denied, or skipped with a warning", function()
  for _, try in ipairs(CONFLICTS) do
    local out = put(moonlet.copy(try[2]), pod(moonlet.copy(try[3])))
    t.equal({ out.allowed, out.code }, { false, 422 }, try[1])
    t.match(out.message, "agent: " .. try[4])
    t.match(out.message, 'agent.moonlet.dev/inject: "false" keeps everything of it out')
    local fields = moonlet.copy(try[2])
    fields.on_conflict = "skip"
    out = put(fields, pod(moonlet.copy(try[3])))
    t.equal(out.allowed, true)
    t.equal(out.warnings, { "agent: " .. try[4] .. "; left as it is" })
    t.equal(out.object, pod(moonlet.copy(try[3])), try[1])
  end
  local udp = { containers = { { name = "agent", image = "x", ports = { { containerPort = 80, protocol = "UDP" } } } } }
  t.equal(put(udp, pod(moonlet.copy(CONFLICTS[4][3]))).allowed, true)
end)

t.case("of env, labels and annotations the pod's own say counts; override turns that round", function()
  local function fields(override)
    return { env = { A = "ours" }, labels = { a = "ours" }, annotations = { b = "ours" }, override = override,
      containers = { { name = "side", env = { { name = "X", value = "ours" } }, image = "ours" } },
      volumes = { { name = "v", emptyDir = {} } } }
  end
  local function own()
    local out = pod({ containers = { { name = "app", image = "x", env = { { name = "A", value = "own" } } },
      { name = "side", image = "own", tty = true, env = { { name = "X", valueFrom = { fieldRef = {} } } } } },
      volumes = { { name = "v", hostPath = { path = "/" } } } }, { b = "own" })
    out.metadata.labels = { a = "own" }
    return out
  end
  local kept = fields()
  kept.containers, kept.volumes = nil, nil
  t.equal(put(kept, own()).object.spec.containers[1].env, { { name = "A", value = "own" } })
  local out = put(fields(true), own()).object
  t.equal({ out.metadata.labels.a, out.metadata.annotations.b }, { "ours", "ours" })
  t.equal(out.spec.containers[1].env, { { name = "A", value = "ours" } })
  t.equal(out.spec.containers[2], { name = "side", image = "ours", tty = true,
    env = { { name = "X", value = "ours" }, { name = "A", value = "ours" } } })
  t.equal(out.spec.volumes, { { name = "v", emptyDir = {} } })
end)

-- What the API server makes of it: defaults, amounts in its own form.
local function stored(object)
  object = json.decode(json.encode(object))
  local spec = object.spec.template.spec
  for _, container in ipairs(spec.containers) do
    container.terminationMessagePath, container.terminationMessagePolicy = "/dev/termination-log", "File"
    container.imagePullPolicy = container.image:find ":" and "IfNotPresent" or "Always"
    container.resources = container.resources or {}
    for _, port in ipairs(container.ports or {}) do port.protocol = port.protocol or "TCP" end
    local limits = container.resources.limits
    if limits and limits.cpu == "1000m" then limits.cpu = "1" end
  end
  for _, volume in ipairs(spec.volumes or {}) do
    if volume.configMap then volume.configMap.defaultMode = 420 end
  end
  return object
end
local function fancy(image)
  return { containers = { { name = "agent", image = image or "a:1", ports = { { containerPort = 9 } },
    resources = { limits = { cpu = "1000m" } } } },
    volumes = { { name = "cfg", configMap = { name = "c" } } }, mounts = { { name = "cfg", path = "/cfg" } } }
end

t.case("what the server filled in does not make an item a stranger's", function()
  local first = stored(into_deployment(fancy()))
  t.equal(into_deployment(fancy(), first), first)
end)

t.case("its own untouched items are renewed when the definition changes, and go when they are not declared", function()
  local first = stored(into_deployment(fancy()))
  local second = into_deployment(fancy "a:2", first)
  t.equal(second.spec.template.spec.containers[2].image, "a:2")
  local third = into_deployment({ labels = { x = "y" } }, stored(second))
  local spec = third.spec.template.spec
  t.equal({ names(spec.containers), spec.volumes, spec.containers[1].volumeMounts }, { "app" })
  t.equal(third.spec.template.metadata.labels, { app = "web", x = "y" })
end)

t.case("a value that a function reads from a ConfigMap is renewed with it", function()
  local function fields()
    return { into = "apps/v1/Deployment", reads = { "v1/ConfigMap" }, containers = function(obj, ctx)
      return { { name = "agent", image = ctx:get("v1/ConfigMap", "agent", obj.metadata.namespace).data.image } }
    end }
  end
  local function map(image)
    return { { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "agent", namespace = "ns" },
      data = { image = image } } }
  end
  local first = put(fields(), deployment(), { cache = map "a:1" }).object
  t.equal(first.spec.template.spec.containers[2].image, "a:1")
  local second = put(fields(), first, { cache = map "a:2" }).object
  t.equal(second.spec.template.spec.containers[2].image, "a:2")
end)

t.case("an item that somebody edited is theirs: not renewed, not denied, not removed", function()
  local edited = stored(into_deployment(fancy()))
  edited.spec.template.spec.containers[2].image = "mine:1"
  local out = into_deployment(fancy "a:2", edited)
  t.equal(out.spec.template.spec.containers[2].image, "mine:1")
  t.equal(into_deployment(fancy "a:3", out), out)
  t.equal(names(into_deployment({ labels = { x = "y" } }, out).spec.template.spec.containers), "app agent")
end)

t.case("a container of another injector is not the pod's own, unless it is named", function()
  local other = { name = "other", containers = { { name = "side", image = "x:1" } } }
  local object = put(other, pod()).object
  local out = put({ env = { A = "1", B = { value = "2", containers = "side" } } }, object).object
  t.equal(out.spec.containers[1].env, { { name = "A", value = "1" } })
  t.equal(out.spec.containers[2].env, { { name = "B", value = "2" } })
end)

t.case("a record that is nonsense counts as none", function()
  for _, text in ipairs { "", "nonsense", "[]", '{"container/agent":5}', "null" } do
    local out = put({ containers = { AGENT } }, pod(nil, { [RECORD] = text }))
    t.equal({ out.error, names(out.object.spec.containers) }, { nil, "app agent" }, text)
  end
end)

t.case("patch runs last, and can refuse", function()
  local out = put({ containers = { AGENT }, patch = function(obj, req)
    obj.spec.containers[2].args = { req.operation }
  end })
  t.equal(out.object.spec.containers[2].args, { "CREATE" })
  t.equal(put({ patch = function() return moonlet.deny "no" end }).message, "no")
end)

-- Properties ----------------------------------------------------------------------------------------

local function random(seed) -- the same numbers everywhere
  local state = seed
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end
local function some(pick, most, make)
  local out, seen = moonlet.array {}, {}
  for _ = 1, pick(most + 1) - 1 do
    local item = make()
    local key = tostring(item.name or item.key) .. tostring(item.path or "")
    if not seen[key] then out[#out + 1] = item end
    seen[key] = true
  end
  return out
end
local function a_port(pick) return { containerPort = 79 + pick(3), protocol = ({ "TCP", "UDP" })[pick(2)] } end
local function a_container(pick, prefix)
  local out = { name = prefix .. pick(3), image = "img:" .. pick(2), restartPolicy = pick(3) == 1 and "Always" or nil }
  if pick(2) == 1 then out.ports = { a_port(pick) } end
  if pick(2) == 1 then out.env = { { name = "E" .. pick(3), value = tostring(pick(2)) } } end
  if pick(3) == 1 then out.volumeMounts = { { name = "v" .. pick(3), mountPath = "/" .. pick(3) } } end
  if pick(3) == 1 then out.args = { tostring(pick(2)) } end
  return out
end
local function a_volume(pick)
  return { name = "v" .. pick(3), [({ "emptyDir", "configMap" })[pick(2)]] = { name = pick(2) == 1 and "x" or nil } }
end
local function a_map(pick) return { ["k" .. pick(3)] = "v" .. pick(2) } end
local function none_if_empty(list) return list and list[1] and list or nil end
local function a_pod_spec(pick)
  local containers = some(pick, 3, function() return a_container(pick, "c") end)
  if not containers[1] then containers[1] = a_container(pick, "c") end
  return { containers = containers,
    initContainers = none_if_empty(some(pick, 2, function() return a_container(pick, "d") end)),
    volumes = none_if_empty(some(pick, 2, function() return a_volume(pick) end)),
    tolerations = pick(3) == 1 and { { key = "t" .. pick(2) } } or nil,
    imagePullSecrets = pick(3) == 1 and { { name = "s" .. pick(2) } } or nil }
end
local function whom(pick) return ({ "*", "c1", { "c1", "c2", "d1" } })[pick(4)] end
local function a_definition(pick)
  local first, second = pick(2) == 1 and "c" or "e", pick(2) == 1 and "d" or "f"
  return { name = "agent", into = "apps/v1/Deployment", override = pick(3) == 1, on_conflict = "skip",
    position = ({ "first", "last" })[pick(3)],
    containers = some(pick, 2, function() return a_container(pick, first) end),
    init_containers = some(pick, 2, function() return a_container(pick, second) end),
    volumes = some(pick, 2, function() return a_volume(pick) end),
    mounts = some(pick, 3, function()
      return { name = "v" .. pick(3), path = "/" .. pick(3), containers = whom(pick) }
    end),
    env = some(pick, 3, function()
      return { name = "E" .. pick(3), value = tostring(pick(2)), containers = whom(pick) }
    end),
    labels = pick(2) == 1 and a_map(pick) or nil, annotations = pick(2) == 1 and a_map(pick) or nil,
    tolerations = some(pick, 1, function() return { key = "t" .. pick(2) } end),
    image_pull_secrets = some(pick, 1, function() return { name = "s" .. pick(2) } end) }
end

t.case("applying twice equals once, whatever the pod and the definition, old or renewed", function()
  for seed = 1, 200 do
    local pick = random(seed * 7919)
    local what = "seed " .. seed
    local object = deployment(a_pod_spec(pick))
    local old = t.review(moonlet.injector(a_definition(pick)), { object = object })
    t.equal(tostring(old.error), "nil", what)
    if pick(2) == 1 then old.object.spec.template.spec.containers[1] = a_container(pick, "c") end -- somebody edits
    local definition = moonlet.injector(a_definition(pick))
    local once = t.review(definition, { object = old.object, old = object })
    t.equal(tostring(once.error), "nil", what)
    local twice = t.review(definition, { object = once.object, old = old.object })
    t.equal(json.encode(twice.object), json.encode(once.object), what)
  end
end)

t.case("what is put in and no longer declared leaves nothing behind", function()
  for seed = 1, 100 do
    local pick = random(seed * 104729)
    local object = deployment(a_pod_spec(pick))
    local fields = a_definition(pick)
    fields.override = false
    local with = t.review(moonlet.injector(fields), { object = object }).object
    local without = t.review(moonlet.injector { name = "agent", into = "apps/v1/Deployment", labels = {} },
      { object = with }).object
    t.equal(json.encode(without), json.encode(object), "seed " .. seed)
  end
end)

t.case("a Pod of an older template is renewed, not refused, as it carries the template's record", function()
  local function with(image)
    return moonlet.injector { name = "agent", into = { "v1/Pod", "apps/v1/Deployment" },
      containers = { { name = "agent", image = image } } }
  end
  local function after(image, object)
    local outcome = t.review(with(image), { object = object, operation = "CREATE" })
    t.ok(outcome.allowed, outcome.message)
    return outcome.object
  end
  local older = after("agent:1", { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "web", namespace = "default" },
    spec = { selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "web", image = "w" } } } } } })
  local template = older.spec.template
  t.ok(template.metadata.annotations[RECORD])
  local out = after("agent:2", { apiVersion = "v1", kind = "Pod",
    metadata = { name = "web-1", namespace = "default", labels = template.metadata.labels,
      annotations = template.metadata.annotations }, spec = template.spec })
  t.equal({ #out.spec.containers, out.spec.containers[2].image }, { 2, "agent:2" })
end)
