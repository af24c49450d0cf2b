package e2e

import (
	"net/http"
	"strings"
	"testing"

	"moonlet.dev/e2e/harness"
)

// What the server refuses is tried again, and keeps no other webhook waiting.
const refused = `
local moonlet = require "moonlet"
local function deny() return moonlet.deny "denied" end
local function denying(name, fields)
  fields.name, fields.validate = name, deny
  fields.resource = { "v1/ConfigMap", labels = "try=" .. name, namespaces = { "$NS" } }
  return moonlet.webhook(fields)
end
return {
  denying("refused-1", { match_conditions = { { name = "odd", expression = "no.such.thing" } } }),
  denying("refused-2", {}),
  denying("refused-3", { match_conditions = { { name = "odd", expression = "no.such.thing" } } }),
  denying("refused-4", {}),
}
`

func TestARefusedRegistrationDoesNotHoldUpTheOthers(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"refused.lua": refused})
	for _, name := range []string{"refused-2", "refused-4"} {
		eventuallyRefused(env, labelled("one", "try", name), "denied")
	}
	for _, name := range []string{"refused-1", "refused-3"} {
		m.EventuallyLogs("registration of moonlet-" + name)
	}
}

const kindless = `
local moonlet = require "moonlet"
return moonlet.webhook {
  name = "kindless", resource = { "example.com/v1/Kindless", namespaces = { "$NS" } },
  validate = function() end,
}
`

// Nothing serves the kind yet: a rule for a guessed resource would let everything pass.
func TestAWebhookWaitsForItsKind(t *testing.T) {
	env := harness.New(t)
	unregister(env)
	m := env.Start(harness.Connection{}, harness.Files{"kindless.lua": here(env, kindless)}, hooked()...)
	m.EventuallyLogs("webhook of example.com/v1/Kindless")
	if status, body, err := m.Ready(); err != nil || status == http.StatusOK || !strings.Contains(body, "kindless") {
		t.Errorf("/readyz is %d %s (%v)", status, body, err)
	}
	m.Stop()
	if strings.Contains(m.Log(), "running  file=kindless") {
		t.Fatal("it runs")
	}
}

func TestCheckedWebhooksThatAreNotInstalledSayHow(t *testing.T) {
	env := harness.New(t)
	m := serve(env, harness.Files{"denying.lua": denying}, "--webhooks=check")
	m.EventuallyLogs("registration of moonlet-denying: it is not there as the file declares it")
}
