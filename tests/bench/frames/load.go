package main

import (
	"fmt"
	"math"
	"time"
)

// paced calls `step(from, to)` until `total` is reached: at once when the rate is 0, else every 2 ms.
func paced(total int, rate float64, step func(from, to int)) {
	if rate <= 0 {
		step(0, total)
		return
	}
	start := time.Now()
	for done := 0; done < total; {
		time.Sleep(2 * time.Millisecond)
		to := min(total, int(time.Since(start).Seconds()*rate))
		if to > done {
			step(done, to)
			done = to
		}
	}
}

// storm changes the status of pods, each in turn, in an order that jumps between Deployments; every
// `every`-th event is instead a marker that asks for a write. The last one asks for `end`.
func (s *server) storm(id, events int, rate float64, every int, end string) {
	stride := 7919
	for s.pods > 0 && s.pods%stride == 0 {
		stride += 2
	}
	paced(events, rate, func(from, to int) {
		now := time.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.world.mu.Lock()
		defer s.world.mu.Unlock()
		for k := from; k < to; k++ {
			if every > 0 && k%every == every-1 {
				name := fmt.Sprintf("bench-probe-%d-%d", id, k)
				s.probes[id] = append(s.probes[id], probe{name, now})
				s.mark(k/every%(markerCount-1), name)
				continue
			}
			i := k * stride % s.pods
			pod := s.states[i]
			pod.now, pod.changed = failing, 1790000000+int64(s.version-firstVersion)/100
			if s.states[i].now == failing {
				pod.now = ready
			}
			s.add(change{kind: -1, number: int32(i), frame: modified, pod: pod})
		}
		if to == events {
			s.mark(markerCount-1, end)
		}
		s.wake()
	})
}

const (
	surge      = 10 // pods that a rolling update replaces at a time
	podChanges = 4  // what a replaced pod is good for: it comes, is ready; the old one ends, is gone
)

// churn replaces all pods of one Deployment after another, as its rolling update does.
func (s *server) churn(first, updates int, rate float64, end string) {
	sets := (s.pods + perSet - 1) / perSet
	waves := updates * perSet / surge
	paced(waves, rate/float64(surge*podChanges), func(from, to int) {
		s.world.mu.Lock()
		defer s.world.mu.Unlock()
		for wave := from; wave < to; wave++ {
			set := (first + wave/(perSet/surge)) % sets
			begin := set*perSet + wave%(perSet/surge)*surge
			s.replace(begin, min(begin+surge, s.pods))
		}
		if to == waves {
			s.mark(markerCount-1, end)
		}
		s.wake()
	})
}

// replace puts new pods in the place of [from, to). With the world's lock held.
func (s *server) replace(from, to int) {
	if from >= to {
		return
	}
	old := append([]live(nil), s.states[from:to]...)
	seconds := 1790000000 + int64(s.version-firstVersion)/100
	each := func(as frame, next func(i int) live) {
		for i := range old {
			pod := next(i)
			pod.changed = seconds
			s.add(change{kind: -1, number: int32(from + i), frame: as, pod: pod})
		}
	}
	fresh := func(now phase) func(int) live {
		return func(i int) live { return live{generation: (old[i].generation + 1) % math.MaxUint16, now: now} }
	}
	ended := func(i int) live { return live{generation: old[i].generation, now: ending} }
	each(added, fresh(pending))
	each(modified, ended)
	each(modified, fresh(ready))
	each(deleted, ended)
}
