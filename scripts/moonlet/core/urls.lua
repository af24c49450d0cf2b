-- Which URLs a definition may call: `http` is a list of prefixes that end where a part ends.
local program = require "moonlet.core.program"

local M = {}

-- Scheme and host in lower case, so that they compare; nil when it is no URL we call.
local function normal(url)
  if type(url) ~= "string" or url:find "[%z\1-\32\127\\]" then return nil end
  local socket, path = url:match "^[hH][tT][tT][pP]://unix:(/[^:]*)(.*)$"
  if socket then return "http://unix:" .. socket .. path end
  local scheme, host, rest = url:match "^(%a[%w+.-]*)://([^/?#]+)(.*)$"
  if not scheme or host:find "@" then return nil end
  scheme = scheme:lower()
  if scheme ~= "http" and scheme ~= "https" then return nil end
  return scheme .. "://" .. host:lower() .. rest
end

--- Is it a URL that may be called?
function M.is(url)
  return normal(url) ~= nil
end

-- "/a/../b" would leave a prefix that has a path.
local function climbs(url)
  local path = url:gsub("[?#].*$", ""):gsub("%%2[eE]", "."):gsub("%%2[fF]", "/")
  return ((path:gsub("^%a+://", "")) .. "/"):find("/%.%.?/") ~= nil
end

function M.fits(prefix, url)
  prefix, url = normal(prefix), normal(url)
  if not prefix or not url or climbs(url) then return false end
  if url:sub(1, #prefix) ~= prefix then return false end
  local following = url:sub(#prefix + 1, #prefix + 1)
  if following == "" or prefix:sub(-1) == "/" then return true end
  if following == ":" then return prefix:find("http://unix:", 1, true) == 1 end
  return following == "/" or following == "?" or following == "#"
end

--- Raises unless the definition declares a prefix of `url`.
function M.check(definition, url)
  for _, prefix in ipairs(definition.http or {}) do
    if M.fits(prefix, url) then return end
  end
  program.raise(("'%s' may not call %s: add http = { \"%s\" } to it"):format(definition.name,
    tostring(url), type(url) == "string" and url:match "^%a[%w+.-]*://[^/?#]+" or "https://…"),
    "forbidden")
end

return M
