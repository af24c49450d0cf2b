-- A web site out of a Git repository: each Pod labelled site=git gets a git-sync that fills the web server's
-- folder, and a native sidecar that ships its access log. The annotation example.com/repository says from where.
local moonlet = require "moonlet"

local REPOSITORY, BRANCH = "example.com/repository", "example.com/branch"

return {
  moonlet.webhook {
    name = "site-check",
    resource = { "v1/Pod", labels = "site=git" },
    validate = function(pod)
      local url = (pod.metadata.annotations or {})[REPOSITORY]
      if not url or not url:find "^https://" then
        return moonlet.deny(("site=git needs the annotation %s: https://…"):format(REPOSITORY), { code = 422 })
      end
    end,
  },
  moonlet.injector {
    name = "site",
    into = { "v1/Pod", labels = "site=git" },
    containers = function(pod)
      local annotations = pod.metadata.annotations or {}
      return { {
        name = "git-sync", image = "registry.k8s.io/git-sync/git-sync:v4.4.0",
        args = { "--repo=" .. (annotations[REPOSITORY] or ""), "--ref=" .. (annotations[BRANCH] or "main"),
          "--root=/git", "--link=site", "--period=30s" },
        volumeMounts = { { name = "site", mountPath = "/git" } },
      } }
    end,
    init_containers = { {
      name = "log-shipper", image = "fluent/fluent-bit:3.1.9", restartPolicy = "Always", -- a native sidecar
      args = { "-i", "tail", "-p", "path=/var/log/site/*.log", "-o", "stdout" },
      volumeMounts = { { name = "site-logs", mountPath = "/var/log/site", readOnly = true } },
    } },
    volumes = { { name = "site", emptyDir = {} }, { name = "site-logs", emptyDir = {} } },
    mounts = {
      { name = "site", path = "/srv", read_only = true },
      { name = "site-logs", path = "/var/log/site" },
    },
  },
}
