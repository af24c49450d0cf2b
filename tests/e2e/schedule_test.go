package e2e

import (
	"strings"
	"testing"

	"moonlet.dev/e2e/harness"
)

// R13: no overlap, though a run takes longer than the time to the next.
func TestScheduleRunsWithoutOverlap(t *testing.T) {
	env := harness.New(t)
	m := env.Run(harness.Files{"tick.lua": `
local moonlet = require "moonlet"
return moonlet.schedule {
  name = "tick", cron = "* * * * * *",
  run = function(ctx)
    ctx.log:info("BEGIN")
    ctx:sleep("1200ms")
    ctx.log:info("END")
    ctx:counter("ticks_total", 1)
  end,
}`})
	m.EventuallyMetric(3, "ticks_total")
	open := 0
	for _, line := range strings.Split(m.Log(), "\n") {
		if strings.Contains(line, "BEGIN") {
			open++
		}
		if strings.Contains(line, "END") {
			open--
		}
		if open < 0 || open > 1 {
			t.Fatal("two runs at once")
		}
	}
}
