-- AstaXie: who is invited is accepted, and greeted when seen.
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local AstaXie = moonlet.resource {
  group = "example.com", version = "v1", kind = "AstaXie", plural = "astaxies", short_names = { "ax" },
  spec = s.object {
    language = s.string { default = "Go" },
    handsome = s.boolean { default = true },
  },
  status = s.object { state = s.enum { "Invited", "Accepted" } },
  columns = { State = ".status.state", Language = ".spec.language" },
}

return moonlet.controller {
  name = "invited",
  resource = AstaXie,

  reconcile = function(_, ctx)
    ctx:set_status { state = "Accepted" }
  end,

  on = {
    event = function(what, new, old, ctx)
      local guest = new or old
      if what == "added" then
        ctx.log:info(("Hello %s, who speaks %s"):format(guest.metadata.name, (guest.spec or {}).language or "Go"))
      else
        ctx.log:info(("%s was %s"):format(guest.metadata.name, what))
      end
    end,
  },
}
