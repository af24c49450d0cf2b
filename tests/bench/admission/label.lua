local moonlet = require "moonlet"

return moonlet.webhook {
  name = "bench-label",
  resource = "v1/Pod",
  mutate = function(pod)
    pod.metadata.labels = pod.metadata.labels or {}
    pod.metadata.labels.bench = "seen"
  end,
}
