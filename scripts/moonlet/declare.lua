--- What a file returns, checked, as the declaration the host reads (host/addon/declaration.h) and the
--- functions it calls by path. Each type of definition has its file in core/define/.
local Reader = require "moonlet.core.define.reader"
local admission = lazy "moonlet.core.define.admission"
local check = require "moonlet.check"
local conversion = lazy "moonlet.core.conversion"
local core = require "moonlet.core"
local definition = require "moonlet.definition"
local resource = require "moonlet.resource"

local M = {}

local COMMON = {
  name = "string", reads = "table?", writes = "table?", secrets = "list?", http = "list?",
  config = "table?", timeout = "string|number?",
}
local ADMISSION = { webhook = true, injector = true, initializer = true }

-- What a type of definition is: shape (field -> type), later (fields of a later version),
-- read(reader, fields, out).
local function type_of(name)
  local of = ADMISSION[name] and admission[name] or require("moonlet.core.define." .. name)
  for field, wanted in pairs(COMMON) do of.shape[field] = wanted end
  return of
end

local function read(one, context)
  local fields, of, what = one.fields, type_of(one.type), "moonlet." .. one.type
  if type(fields.name) == "string" then what = ("%s \"%s\""):format(one.type, fields.name) end
  for _, later in ipairs(of.later) do -- part of the language: refused by name, never ignored
    if fields[later] ~= nil then
      check.fault(one.at, ("%s: `%s` is not supported by this version"):format(what, later))
    end
  end
  if of.refuse then of.refuse(fields, one.at, what) end
  check.options(fields, of.shape, one.at, what)
  if not check.is_label(fields.name) or #fields.name > 40 then
    check.fault(one.at, ('%s: name "%s" is not a DNS label of at most 40 characters (a-z, 0-9, -)'):format(what,
      fields.name))
  end
  local reader = Reader.new {
    type = one.type, name = fields.name, at = one.at, what = what, functions = {},
    crds = context.crds, seen = context.seen,
  }
  local values = (context.config or {})[fields.name]
  local out = reader:common(fields, type(values) == "table" and values or {})
  of.read(reader, fields, out)
  return out, reader.functions
end

local function as_list(value, file)
  if value == nil or value == true then
    check.fault(file, "the file returns nothing; it must return what it declares: return moonlet.controller { … }")
  end
  if definition.is(value) or resource.is(value) then return { value } end
  if type(value) ~= "table" then
    check.fault(file, ("the file returns %s, not a definition such as moonlet.controller { … }")
      :format(check.describe(value)))
  end
  return value
end

--- Returns the declaration and, per definition, its functions by path. Raises "file:line: …".
function M.declare(value, options)
  local context = { crds = {}, seen = {}, config = options.config }
  local definitions, functions, names = core.array {}, {}, {}
  local list = as_list(value, options.file)
  for i, one in ipairs(list) do
    if resource.is(one) then
      one = resource.root(one)
      if not context.seen[one] then
        context.seen[one] = true
        context.crds[#context.crds + 1] = one
      end
    elseif definition.is(one) then
      local at = #definitions + 1
      definitions[at], functions[at] = read(one, context)
      local name = definitions[at].name
      if names[name] then
        check.fault(one.at, ('the name "%s" is taken by the definition at %s'):format(name, names[name]))
      end
      names[name] = one.at
    else
      check.fault(options.file, ("item %d of the returned list is %s, not a definition"):format(i, check.describe(one)))
    end
  end
  if #definitions == 0 and #context.crds == 0 then
    check.fault(options.file, "the file declares nothing: the returned table is empty or not a list of definitions")
  end
  local crds = core.array {}
  for i, one in ipairs(context.crds) do
    crds[i] = one.crd
    if one.conversion then
      local at = #definitions + 1
      definitions[at], functions[at] = conversion.declaration(one)
    end
  end
  return { definitions = definitions, crds = crds }, functions
end

return M
