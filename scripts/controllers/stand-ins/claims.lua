-- PersistentVolumeClaim -> PersistentVolume: each claim gets a volume of its own, at once.
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local VOLUME = "v1/PersistentVolume"
local MARK = "moonlet.dev/stand-in"

local function volume_name(claim)
  return "pvc-" .. claim.metadata.uid
end

local function make(claim, ctx)
  local spec = claim.spec
  return ctx:create({
    apiVersion = "v1", kind = "PersistentVolume",
    metadata = { name = volume_name(claim), labels = { [MARK] = "true" } },
    spec = {
      capacity = { storage = spec.resources.requests.storage }, accessModes = spec.accessModes,
      volumeMode = spec.volumeMode, storageClassName = spec.storageClassName,
      persistentVolumeReclaimPolicy = "Delete",
      claimRef = { apiVersion = "v1", kind = "PersistentVolumeClaim", name = claim.metadata.name,
        namespace = claim.metadata.namespace, uid = claim.metadata.uid },
      hostPath = { path = "/stand-in/" .. claim.metadata.uid },
    },
  }, { owner = false })
end

local claims = moonlet.controller {
  name = "stand-in-claims",
  resource = "v1/PersistentVolumeClaim",
  reads = { VOLUME },
  writes = { VOLUME },

  reconcile = function(claim, ctx)
    if util.leaving(claim) then return end
    local name = claim.spec.volumeName
    local volume = ctx:get(VOLUME, name or volume_name(claim))
    if not volume then
      if name then return end -- somebody promised it
      volume = make(claim, ctx)
    end
    if not name then
      ctx:patch(claim, { spec = { volumeName = volume.metadata.name } })
    end
    if (volume.status or {}).phase ~= "Bound" then
      ctx:patch(volume, { status = { phase = "Bound" } }, "merge", { subresource = "status" })
    end
    ctx:set_status { phase = "Bound", accessModes = claim.spec.accessModes,
      capacity = { storage = volume.spec.capacity.storage } }
  end,
}

-- A volume that was made for a claim goes with it.
local volumes = moonlet.controller {
  name = "stand-in-volumes",
  resource = { VOLUME, labels = { [MARK] = "true" } },
  watches = { { "v1/PersistentVolumeClaim", map = function(claim)
    return { { name = volume_name(claim) } }
  end } },
  writes = { VOLUME },

  reconcile = function(volume, ctx)
    local ref = volume.spec.claimRef
    local claim = ctx:get("v1/PersistentVolumeClaim", ref.name, ref.namespace)
    if util.leaving(volume) or claim and claim.metadata.uid == ref.uid then return end
    if (volume.status or {}).phase == "Bound" then -- as such it is protected
      ctx:patch(volume, { status = { phase = "Released" } }, "merge", { subresource = "status" })
    end
    ctx:delete(volume, { precondition = { uid = volume.metadata.uid } })
  end,
}

return { claims, volumes }
