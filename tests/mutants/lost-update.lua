-- A list in a ConfigMap, to which people add names and the controller its own.
local moonlet = require "moonlet"

return moonlet.controller {
  name = "lost-update",
  resource = { "v1/ConfigMap", labels = "ledger=yes" },
  reconcile = function(ledger, ctx)
    if ledger.data.names:find("moonlet", 1, true) then return end
    ledger.data.names = ledger.data.names .. " moonlet"
    ctx:update(ledger) -- refused when somebody was faster
  end,
}
