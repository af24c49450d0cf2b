package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// conns are the clients' connections, for cutting them.
type conns struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open == nil {
			c.open = map[net.Conn]bool{}
		}
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

func (c *conns) cut() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Close()
	}
	return len(c.open)
}

// cut is one loss of all connections, after which each kind of things has one object that asks for a write.
type cut struct {
	names   []string
	watches int // requests before it
	lists   int
}

func number(r *http.Request, name string, otherwise float64) float64 {
	if value, err := strconv.ParseFloat(r.URL.Query().Get(name), 64); err == nil {
		return value
	}
	return otherwise
}

func (s *server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bench/reset", s.postReset)
	mux.HandleFunc("POST /bench/storm", s.postStorm)
	mux.HandleFunc("POST /bench/churn", s.postChurn)
	mux.HandleFunc("POST /bench/cut", s.postCut)
	mux.HandleFunc("GET /bench/wait", s.getWait)
	mux.HandleFunc("GET /bench/current", s.getCurrent)
	mux.HandleFunc("GET /bench/latency", s.getLatency)
	mux.HandleFunc("GET /bench/stats", s.getStats)
	return mux
}

func (s *server) postReset(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.forget()
	s.reset()
	answer(w, 200, map[string]any{"ok": true})
}

// next is the number of a storm, and what its last event asks for.
func (s *server) next() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storms++
	return s.storms, fmt.Sprintf("bench-done-%d", s.storms)
}

func (s *server) postStorm(w http.ResponseWriter, r *http.Request) {
	id, end := s.next()
	start := time.Now()
	go s.storm(id, int(number(r, "events", 0)), number(r, "rate", 0), int(number(r, "probe", 0)), end)
	answer(w, 200, map[string]any{"id": id, "marker": end, "start_ns": start.UnixNano()})
}

func (s *server) postChurn(w http.ResponseWriter, r *http.Request) {
	id, end := s.next()
	start := time.Now()
	go s.churn(int(number(r, "first", 0)), int(number(r, "updates", 1)), number(r, "rate", 0), end)
	answer(w, 200, map[string]any{"id": id, "marker": end, "start_ns": start.UnixNano()})
}

func (s *server) postCut(w http.ResponseWriter, _ *http.Request) {
	id, _ := s.next()
	var one cut
	s.mu.Lock()
	one.watches, one.lists = s.requests["WATCH things"], s.requests["LIST things"]
	start := time.Now()
	closed := s.conns.cut()
	s.world.mu.Lock()
	for kind := range s.kinds {
		one.names = append(one.names, fmt.Sprintf("bench-cut-%d-%d", id, kind))
		s.add(change{kind: int32(kind), number: int32(id % s.things), frame: modified, note: one.names[kind]})
	}
	s.wake()
	s.world.mu.Unlock()
	s.cuts[id] = one
	s.mu.Unlock()
	answer(w, 200, map[string]any{"id": id, "connections": closed, "start_ns": start.UnixNano()})
}

// until waits for something that arriving ConfigMaps bring about; `done` is called with the lock held.
func (s *server) until(w http.ResponseWriter, r *http.Request, done func() map[string]any) {
	end := time.After(time.Duration(number(r, "timeout", 600) * float64(time.Second)))
	for {
		s.mu.Lock()
		body, arrival := done(), s.arrival
		s.mu.Unlock()
		if body != nil {
			answer(w, 200, body)
			return
		}
		select {
		case <-arrival:
		case <-r.Context().Done():
			return
		case <-end:
			answer(w, 504, map[string]any{"error": "timed out"})
			return
		}
	}
}

func (s *server) getWait(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("configmap")
	s.until(w, r, func() map[string]any {
		if came, ok := s.arrived[name]; ok {
			return map[string]any{"configmap": name, "at_ns": came.UnixNano()}
		}
		return nil
	})
}

// getCurrent waits until every kind's change since a cut was answered.
func (s *server) getCurrent(w http.ResponseWriter, r *http.Request) {
	id := int(number(r, "cut", 0))
	s.until(w, r, func() map[string]any {
		one := s.cuts[id]
		var last time.Time
		for _, name := range one.names {
			came, ok := s.arrived[name]
			if !ok {
				return nil
			}
			if came.After(last) {
				last = came
			}
		}
		return map[string]any{"at_ns": last.UnixNano(), "watches": s.requests["WATCH things"] - one.watches,
			"lists": s.requests["LIST things"] - one.lists}
	})
}

func (s *server) getLatency(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var ms []float64
	missing := 0
	for _, one := range s.probes[int(number(r, "storm", 0))] {
		if came, ok := s.arrived[one.name]; ok {
			ms = append(ms, float64(came.Sub(one.sent).Microseconds())/1000)
		} else {
			missing++
		}
	}
	s.mu.Unlock()
	slices.Sort(ms)
	at := func(share float64) float64 {
		if len(ms) == 0 {
			return -1
		}
		return ms[int(share*float64(len(ms)-1))]
	}
	answer(w, 200, map[string]any{"count": len(ms), "missing": missing, "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1)})
}

func (s *server) getStats(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	watches, lists := 0, 0
	for what, count := range s.requests {
		switch what[:4] {
		case "WATC":
			watches += count
		case "LIST":
			lists += count
		}
	}
	answer(w, 200, map[string]any{"watches": watches, "lists": lists, "requests": s.requests})
}
