// Package e2e proves moonlet against a real API server, with client-go as the independent judge.
package e2e

import (
	"testing"

	"moonlet.dev/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
