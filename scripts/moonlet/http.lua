--- Calls to HTTP services; a definition names the prefixes it may call in its `http`.
local check = require "moonlet.check"
local core = require "moonlet.core"

local M = {}

---@class moonlet.HttpRequest
---@field url string "https://…", or "http://unix:/run/driver.sock:/path"
---@field method? string for http.request (default "GET")
---@field headers? table<string, string>
---@field body? string
---@field json? any the body as JSON, with its Content-Type; not with `body`
---@field timeout? string|number for the whole call (default "30s")
---@field retries? integer tries more after no answer, 429, 502, 503 or 504 (default 0); POST and PATCH
--- are repeated only when the server cannot have acted

---@class moonlet.HttpResponse
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string
local Response = {}
Response.__index = Response

--- The body as a JSON value. Fails with "rejected" when it is none.
---@nodiscard
---@return any value, string? message, moonlet.ErrorInfo? info
function Response:json()
  if type(self) ~= "table" or type(self.body) ~= "string" then
    check.misuse("call it with a colon, as in response:json()")
  end
  return core.json_decode(self.body)
end

local SHAPE = { url = "string", method = "string?", headers = "table?", body = "string?", timeout = "string|number?",
  retries = "number?" }
local KNOWN = { json = true }
for name in pairs(SHAPE) do KNOWN[name] = true end

local function check_headers(headers, at, what)
  local out = {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
      check.fault(at, ("%s: %s is not a header's name"):format(what, check.describe(name)))
    end
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" or value:find "[%z\r\n]" then
      check.fault(at, ("%s: the value of header %s is one line of text"):format(what, name))
    end
    out[name] = value
  end
  return out
end

local function has(headers, wanted)
  for name in pairs(headers) do
    if name:lower() == wanted then return true end
  end
  return false
end

local function call(method, written, what)
  local at = core.caller(1)
  if type(written) == "string" then written = { url = written } end
  if type(written) ~= "table" then
    check.fault(at, what .. ": a URL or { url = …, … } expected, not " .. check.describe(written))
  end
  check.keys(written, KNOWN, at, what)
  local options = {}
  for name in pairs(SHAPE) do options[name] = written[name] end
  check.options(options, SHAPE, at, what)
  if method and options.method and options.method:upper() ~= method then
    check.fault(at, ("%s sends %s; http.request takes a method"):format(what, method))
  end
  method = method or options.method or "GET"
  if not method:find "^%u+$" then
    check.fault(at, what .. ": a method is written GET, POST…, not " .. check.describe(method))
  end
  local headers, body = check_headers(options.headers, at, what), options.body
  if written.json ~= nil then
    if body then check.fault(at, what .. ": body or json, not both") end
    body = core.json_encode(written.json)
    if not has(headers, "content-type") then headers["Content-Type"] = "application/json" end
  end
  local retries = options.retries or 0
  if retries < 0 or retries % 1 ~= 0 or retries > 20 then
    check.fault(at, what .. ": retries is a whole number from 0 to 20")
  end
  local timeout = core.duration(options.timeout or 30)
  if not timeout or timeout == 0 then
    check.fault(at, what .. ': timeout: a duration is "30s", "1h30m" or a number of seconds')
  end
  local answer, message, info = core.http {
    url = options.url, method = method, headers = next(headers) and headers or nil, body = body,
    timeout = timeout, retries = retries > 0 and retries or nil,
  }
  if not answer then return nil, message, info end
  return setmetatable(answer, Response)
end

--- Sends a request with any method. Any answer is an answer, also a 500; without one it fails with
--- "timeout", "unavailable", "protocol" or "forbidden" (no such prefix in `http`: raised).
---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.request(request)
  return call(nil, request, "http.request")
end

---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.get(request)
  return call("GET", request, "http.get")
end

---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.post(request)
  return call("POST", request, "http.post")
end

---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.put(request)
  return call("PUT", request, "http.put")
end

---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.patch(request)
  return call("PATCH", request, "http.patch")
end

---@async
---@nodiscard
---@param request moonlet.HttpRequest|string
---@return moonlet.HttpResponse? response, string? message, moonlet.ErrorInfo? info
function M.delete(request)
  return call("DELETE", request, "http.delete")
end

return M
