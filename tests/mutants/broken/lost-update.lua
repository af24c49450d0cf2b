-- A list in a ConfigMap, to which people add names and the controller its own.
local moonlet = require "moonlet"

return moonlet.controller {
  name = "lost-update",
  resource = { "v1/ConfigMap", labels = "ledger=yes" },
  reconcile = function(ledger, ctx)
    if ledger.data.names:find("moonlet", 1, true) then return end
    local names = ledger.data.names .. " moonlet"
    ctx:patch(ledger, { data = { names = names } }) -- whatever stands there by now
  end,
}
