package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"moonlet.dev/e2e/harness"
)

// traffic is clients that go on asking until they are stopped.
type traffic struct {
	t      testing.TB
	mu     sync.Mutex
	said   map[string]int // what was answered, how often
	failed []error
	rounds []int // of each client: how many are done
	stop   chan struct{}
	wg     sync.WaitGroup
}

// drive lets clients ask at once; ask answers what it was told. It ends with the test at the latest.
func drive(t testing.TB, clients int, ask func() (string, error)) *traffic {
	tr := &traffic{t: t, said: map[string]int{}, rounds: make([]int, clients), stop: make(chan struct{})}
	for client := range clients {
		tr.wg.Add(1)
		go func() {
			defer tr.wg.Done()
			for {
				select {
				case <-tr.stop:
					return
				default:
				}
				said, err := ask()
				tr.note(client, said, err)
			}
		}()
	}
	t.Cleanup(tr.end)
	return tr
}

func (tr *traffic) note(client int, said string, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.rounds[client]++
	if err != nil {
		tr.failed = append(tr.failed, err)
	} else {
		tr.said[said]++
	}
}

func (tr *traffic) end() {
	select {
	case <-tr.stop:
	default:
		close(tr.stop)
	}
	tr.wg.Wait()
}

// total is how many have been answered or have failed.
func (tr *traffic) total() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	sum := 0
	for _, n := range tr.rounds {
		sum += n
	}
	return sum
}

// times is how often this was answered.
func (tr *traffic) times(said string) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.said[said]
}

// more waits until so many more are done.
func (tr *traffic) more(n int) {
	tr.t.Helper()
	want := tr.total() + n
	harness.Eventually(tr.t, fmt.Sprint(n, " more requests are answered"), func() error {
		if have := tr.total(); have < want {
			return fmt.Errorf("%d are missing", want-have)
		}
		return nil
	})
}

// renewed waits until nothing is under way that began before it was called.
func (tr *traffic) renewed() {
	tr.t.Helper()
	tr.mu.Lock()
	before := slices.Clone(tr.rounds)
	tr.mu.Unlock()
	harness.Eventually(tr.t, "each client has sent another request", func() error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for client, n := range tr.rounds {
			if n < before[client]+1 {
				return fmt.Errorf("client %d has not", client)
			}
		}
		return nil
	})
}

// until waits for an answer.
func (tr *traffic) until(said string) {
	tr.t.Helper()
	harness.Eventually(tr.t, "somebody is told "+said, func() error {
		if tr.times(said) == 0 {
			return fmt.Errorf("nobody is")
		}
		return nil
	})
}

// failures forgets and answers the errors so far.
func (tr *traffic) failures() []error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	failed := tr.failed
	tr.failed = nil
	return failed
}

// none fails the test if a request has failed.
func (tr *traffic) none(when string) {
	tr.t.Helper()
	if failed := tr.failures(); len(failed) > 0 {
		tr.t.Fatalf("%s: %d of %d failed, the first: %v", when, len(failed), tr.total(), failed[0])
	}
}
