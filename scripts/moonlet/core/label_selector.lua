--- What a match selects, as LabelSelectors that an API server takes (meta/v1).
local core = require "moonlet.core"
local labels = require "moonlet.labels"

local M = {}

local OPERATORS = { ["="] = "In", ["in"] = "In", ["!="] = "NotIn", ["notin"] = "NotIn", exists = "Exists",
  ["!"] = "DoesNotExist" }
local NAME = "kubernetes.io/metadata.name" -- on every namespace

--- Of a selector as text; nil for nil. Fails with a sentence: `>` and `<` have no such form.
function M.of_labels(text)
  if text == nil then return nil end
  local requirements, why = labels.parse(text)
  if not requirements then return nil, why end
  local expressions = core.array {}
  for i, one in ipairs(requirements) do
    local operator = OPERATORS[one.operator]
    if not operator then return nil, ("the API server cannot select by %s %s"):format(one.key, one.operator) end
    expressions[i] = { key = one.key, operator = operator,
      values = (operator == "In" or operator == "NotIn") and core.array(core.copy(one.values)) or nil }
  end
  return { matchExpressions = expressions }
end

--- Of a match's `namespaces`; nil for nil.
function M.of_namespaces(namespaces)
  if namespaces == nil then return nil end
  if namespaces[1] ~= nil then
    return { matchExpressions = core.array { { key = NAME, operator = "In", values = namespaces } } }
  end
  local selector, why = M.of_labels(namespaces.labels)
  if namespaces.labels and not selector then return nil, why end
  selector = selector or { matchExpressions = core.array {} }
  if namespaces.except then
    table.insert(selector.matchExpressions, { key = NAME, operator = "NotIn", values = namespaces.except })
  end
  return selector
end

return M
