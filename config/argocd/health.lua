-- Health of a ConsoleConnection, Team or UserRole for Argo CD.
-- The status follows kstatus: Ready is always there, Reconciling and Stalled
-- only while they are True. A Ready condition that is False with neither beside
-- it is that of a suspended object.
local hs = {
  status = "Progressing",
  message = "The operator has not looked at it yet.",
}
local status = obj.status or {}
local seen = status.observedGeneration == obj.metadata.generation

local is = {}
if seen then
  for _, condition in ipairs(status.conditions or {}) do
    is[condition.type] = condition
  end
end

local ready = is.Ready
if ready ~= nil then
  hs.message = ready.message
  if ready.status == "True" then
    hs.status = "Healthy"
  elseif is.Stalled ~= nil and is.Stalled.status == "True" then
    hs.status = "Degraded"
  elseif is.Reconciling == nil and ready.reason == "Suspended" then
    hs.status = "Suspended"
  end
end

-- What was Ready before its deletion says nothing about the deletion. Argo CD
-- shows deletionMessage from 3.6 on; older versions run no script by then.
if obj.metadata.deletionTimestamp ~= nil then
  if hs.status == "Healthy" or not seen then
    hs.status = "Progressing"
    hs.message = "It is being deleted; the operator has not looked at it since."
  end
  hs.deletionMessage = hs.message
end

return hs
