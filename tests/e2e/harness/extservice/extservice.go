// Package extservice is a network service outside the cluster, shaped like OpenStack's: networks,
// subnets and routers under /v2.0, a token in every request, and failures when a test asks for them.
//
//	POST   /v2.0/networks      {"network": {"name": "demo", ...}} -> 201 {"network": {"id": ..., ...}}
//	GET    /v2.0/networks?name=demo                              -> 200 {"networks": [...]}
//	GET    /v2.0/networks/ID                                     -> 200 {"network": {...}} or 404
//	PUT    /v2.0/networks/ID   {"network": {...}}                 -> 200 {"network": {...}} or 404
//	DELETE /v2.0/networks/ID                                     -> 204 or 404
//
// and the same for subnets and routers. The token comes as "Authorization: Bearer" or "X-Auth-Token".
package extservice

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Call is one request that the service took, failed or not.
type Call struct {
	Method, Collection, ID string
	Status                 int
}

// Service is one such service on loopback.
type Service struct {
	URL string

	mu     sync.Mutex
	token  string
	next   int
	things map[string]map[string]map[string]any // collection, id
	calls  []Call
	fail   []failure
	after  func(Call)
}

type failure struct {
	method, collection string
	left, status       int
}

// New starts the service with a token that it demands; it ends with the test.
func New(t testing.TB, token string) *Service {
	s := &Service{token: token, things: map[string]map[string]map[string]any{
		"networks": {}, "subnets": {}, "routers": {}}}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// Rotate demands another token from now on.
func (s *Service) Rotate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Fail answers the next n requests of that method and collection ("" is any) with status.
func (s *Service) Fail(method, collection string, n, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, failure{method, collection, n, status})
}

// After calls fn when a request has been carried out and before its answer is sent.
func (s *Service) After(fn func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = fn
}

// Count is how many requests of that method and collection ended with that status ("", 0 are any).
func (s *Service) Count(method, collection string, status int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if (method == "" || call.Method == method) && (collection == "" || call.Collection == collection) &&
			(status == 0 || call.Status == status) {
			n++
		}
	}
	return n
}

// Things is how many things of a collection exist.
func (s *Service) Things(collection string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.things[collection])
}

// Values are those of one field in the things of a collection.
func (s *Service) Values(collection, field string) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []any
	for _, thing := range s.things[collection] {
		values = append(values, thing[field])
	}
	return values
}

// DeletedTwice names the things that were deleted more than once with success, which must be none,
// and those that a caller tried to delete again.
func (s *Service) DeletedTwice() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := map[string]int{}
	var twice []string
	for _, call := range s.calls {
		if call.Method == http.MethodDelete && (call.Status == http.StatusNoContent || call.Status == http.StatusNotFound) {
			if times[call.ID]++; times[call.ID] == 2 {
				twice = append(twice, call.ID)
			}
		}
	}
	return twice
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	call := Call{Method: r.Method}
	if len(parts) > 1 {
		call.Collection = parts[1]
	}
	if len(parts) > 2 {
		call.ID = parts[2]
	}
	var body map[string]map[string]any
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	s.mu.Lock()
	status, answer := s.serve(&call, r, body)
	call.Status = status
	s.calls = append(s.calls, call)
	after := s.after
	s.mu.Unlock()
	if after != nil {
		after(call)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (s *Service) serve(call *Call, r *http.Request, body map[string]map[string]any) (int, any) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.Header.Get("X-Auth-Token")
	}
	if token != s.token {
		return http.StatusUnauthorized, failed("the token is not good")
	}
	for i := range s.fail {
		f := &s.fail[i]
		if f.left > 0 && (f.method == "" || f.method == call.Method) &&
			(f.collection == "" || f.collection == call.Collection) {
			f.left--
			return f.status, failed("the test says so")
		}
	}
	all, known := s.things[call.Collection]
	if !known {
		return http.StatusNotFound, failed("no such collection")
	}
	one := strings.TrimSuffix(call.Collection, "s")
	switch r.Method {
	case http.MethodPost:
		thing := body[one]
		if thing == nil {
			return http.StatusBadRequest, failed("no " + one + " in the body")
		}
		s.next++
		call.ID = fmt.Sprintf("%s-%d", one, s.next)
		thing["id"] = call.ID
		all[call.ID] = thing
		return http.StatusCreated, map[string]any{one: thing}
	case http.MethodGet:
		if call.ID == "" {
			found := []any{}
			for _, thing := range all {
				if name := r.URL.Query().Get("name"); name == "" || thing["name"] == name {
					found = append(found, thing)
				}
			}
			return http.StatusOK, map[string]any{call.Collection: found}
		}
		if thing := all[call.ID]; thing != nil {
			return http.StatusOK, map[string]any{one: thing}
		}
	case http.MethodPut:
		if thing := all[call.ID]; thing != nil {
			for name, value := range body[one] {
				thing[name] = value
			}
			return http.StatusOK, map[string]any{one: thing}
		}
	case http.MethodDelete:
		if all[call.ID] != nil {
			delete(all, call.ID)
			return http.StatusNoContent, nil
		}
	default:
		return http.StatusMethodNotAllowed, failed("GET, POST, PUT and DELETE are served")
	}
	return http.StatusNotFound, failed("there is no " + call.Collection + " " + call.ID)
}

func failed(why string) any { return map[string]any{"error": map[string]any{"message": why}} }
