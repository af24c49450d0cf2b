-- What is done is cleared away.
local moonlet = require "moonlet"

return moonlet.controller {
  name = "stale-delete",
  resource = { "v1/ConfigMap", labels = "job=yes" },
  writes = { { "v1/ConfigMap", verbs = { "delete" } } },
  reconcile = function(job, ctx)
    if job.data.done ~= "true" then return end
    ctx:delete(job, { precondition = { uid = job.metadata.uid } }) -- this one, no other
  end,
}
