package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// server answers the API. The mutex guards what stands below it.
type server struct {
	*world
	conns conns

	mu       sync.Mutex
	objects  map[string]map[string]any // written by the client, by path
	arrived  map[string]time.Time      // ConfigMaps by name
	arrival  chan struct{}             // closed and replaced when one arrives
	probes   map[int][]probe           // by storm
	storms   int
	cuts     map[int]cut
	requests map[string]int // by verb and resource
}

type probe struct {
	name string
	sent time.Time
}

func newServer(w *world) *server {
	s := &server{world: w}
	s.forget()
	return s
}

// forget makes the server what a new client expects. With the lock held, or before others look.
func (s *server) forget() {
	s.objects, s.arrived, s.probes = map[string]map[string]any{}, map[string]time.Time{}, map[int][]probe{}
	s.requests, s.cuts, s.arrival = map[string]int{}, map[int]cut{}, make(chan struct{})
}

// target is what a path names.
type target struct{ group, version, namespace, resource, name string }

func (t target) apiVersion() string { return strings.TrimPrefix(t.group+"/"+t.version, "/") }

func targetOf(path string) (t target, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		t.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		t.group, t.version, parts = parts[1], parts[2], parts[3:]
	default:
		return t, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		t.namespace, parts = parts[1], parts[2:]
	}
	t.resource = parts[0]
	if len(parts) > 1 {
		t.name = parts[1]
	}
	return t, true
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.discover(w, r) {
		return
	}
	t, ok := targetOf(r.URL.Path)
	kind := kindOf(t.resource, s.kinds)
	if !ok || kind == "" {
		refuse(w, 404, "NotFound")
		return
	}
	verb := r.Method
	if verb == http.MethodGet && t.name == "" {
		verb = "LIST"
		if watch := r.URL.Query().Get("watch"); watch == "true" || watch == "1" {
			verb = "WATCH"
		}
	}
	s.mu.Lock()
	s.requests[verb+" "+strings.TrimRight(t.resource, "0123456789")]++
	s.mu.Unlock()
	switch verb {
	case "WATCH":
		s.watch(w, r, t, kind)
	case "LIST":
		s.list(w, t, kind)
	case http.MethodGet:
		s.get(w, r)
	default:
		s.write(w, r, t, kind)
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code int, reason string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"reason": reason, "message": reason, "code": code})
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	object := s.objects[r.URL.Path]
	s.mu.Unlock()
	if object == nil {
		refuse(w, 404, "NotFound")
		return
	}
	answer(w, 200, object)
}

// decode reads JSON, or the one kind that a client of ours writes as protobuf.
func decode(body []byte) map[string]any {
	var envelope runtime.Unknown
	var written corev1.ConfigMap
	if raw, ok := bytes.CutPrefix(body, []byte("k8s\x00")); ok && envelope.Unmarshal(raw) == nil &&
		envelope.Kind == "ConfigMap" && written.Unmarshal(envelope.Raw) == nil {
		body = must(json.Marshal(&written))
	}
	object := map[string]any{}
	_ = json.Unmarshal(body, &object)
	return object
}

// write takes whatever comes, keeps it by its path, and notes when a ConfigMap came first.
func (s *server) write(w http.ResponseWriter, r *http.Request, t target, kind string) {
	now := time.Now()
	body, _ := io.ReadAll(r.Body)
	object := decode(body)
	if t.resource == "selfsubjectaccessreviews" {
		object["status"] = map[string]any{"allowed": true}
		answer(w, 201, object)
		return
	}
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	path := r.URL.Path
	code := 200
	if r.Method == http.MethodPost {
		t.name, _ = metadata["name"].(string)
		path += "/" + t.name
		code = 201
	}
	s.world.mu.Lock()
	s.version++
	version := s.version
	s.world.mu.Unlock()
	object["kind"], object["apiVersion"], object["metadata"] = kind, t.apiVersion(), metadata
	metadata["name"], metadata["namespace"], metadata["resourceVersion"] = t.name, t.namespace, fmt.Sprint(version)
	metadata["uid"], metadata["creationTimestamp"] = uuid(version), now.UTC().Format(time.RFC3339)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost && s.objects[path] != nil {
		refuse(w, 409, "AlreadyExists")
		return
	}
	s.objects[path] = object
	if _, again := s.arrived[t.name]; t.resource == "configmaps" && !again {
		s.arrived[t.name] = now
		close(s.arrival)
		s.arrival = make(chan struct{})
	}
	answer(w, code, object)
}
