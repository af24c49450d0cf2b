-- Stand-ins for what runs in every real cluster and not here: controller-manager, scheduler and kubelet.
local files = { "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "scheduler",
  "taints", "pods", "services", "claims" }
local definitions = {}
for _, file in ipairs(files) do
  for _, definition in ipairs(require("stand-ins." .. file)) do
    definitions[#definitions + 1] = definition
  end
end
return definitions
