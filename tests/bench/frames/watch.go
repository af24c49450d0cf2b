package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const spill = 256 << 10 // bytes that are written at once

// stream is the answer to one watch.
type stream struct {
	*server
	w      http.ResponseWriter
	format format
	target target
	kind   string
	things int32 // the number of the kind of things, or -1
	served bool  // pods or things: the rest has no objects
	out    []byte
	err    error
}

func (s *stream) flush(limit int) {
	if len(s.out) < limit || s.err != nil {
		return
	}
	_, s.err = s.w.Write(s.out)
	if s.err == nil {
		s.err = http.NewResponseController(s.w).Flush()
	}
	s.out = s.out[:0]
}

func (s *stream) mine(number int32) bool {
	return s.target.namespace == "" || s.things < 0 && s.target.namespace == s.spaceOf(number) ||
		s.things >= 0 && s.target.namespace == markerSpace
}

func (s *stream) event(c change, as frame) {
	switch {
	case !s.served || c.kind != s.things || !s.mine(c.number):
	case c.kind >= 0:
		s.out = s.appendThing(s.out, c.kind, c.number, c.version, c.note, as)
	case c.number < 0:
		s.out = append(s.out, render(s.markerPod(c), s.format, as)...)
	default:
		s.out = s.appendPod(s.out, int(c.number), c.pod, s.format, as)
	}
	s.flush(spill)
}

func (s *stream) bookmark(version uint64, end bool) {
	metadata := metav1.ObjectMeta{ResourceVersion: strconv.FormatUint(version, 10)}
	if end {
		metadata.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	object := metav1.PartialObjectMetadata{ObjectMeta: metadata}
	if s.format == protobuf {
		s.out = append(s.out, protobufEvent("BOOKMARK", s.target.apiVersion(), s.kind, must(object.Marshal()))...)
	} else {
		s.out = append(s.out, jsonEvent("BOOKMARK", s.target.apiVersion(), s.kind, must(json.Marshal(object)))...)
	}
	s.flush(0)
}

// current lists what there is, in the order of the log's kinds.
func (w *world) current(things int32) (all []change, version uint64, next int) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if things >= 0 {
		for i := range int32(w.things) {
			c := change{kind: things, number: i, version: firstVersion}
			if changed, ok := w.notes[[2]int32{things, i}]; ok {
				c = changed
			}
			all = append(all, c)
		}
		return all, w.version, len(w.log)
	}
	all = make([]change, 0, len(w.states)+markerCount)
	for i, pod := range w.states {
		all = append(all, change{kind: -1, number: int32(i), pod: pod, version: pod.version})
	}
	return append(all, w.markers[:]...), w.version, len(w.log)
}

// after says where the log goes on after a version; false: it no longer says.
func (w *world) after(version uint64) (next int, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if version < w.floor {
		return 0, false
	}
	return sort.Search(len(w.log), func(i int) bool { return w.log[i].version > version }), true
}

func (s *server) watch(w http.ResponseWriter, r *http.Request, t target, kind string) {
	query := r.URL.Query()
	things := thingOf(t.resource)
	one := &stream{server: s, w: w, target: t, kind: kind, things: things, served: things >= 0 || t.resource == "pods",
		out: make([]byte, 0, spill+spill/4)}
	contentType := "application/json"
	if one.things < 0 && strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.kubernetes.protobuf") {
		one.format, contentType = protobuf, "application/vnd.kubernetes.protobuf;stream=watch"
	}
	w.Header().Set("Content-Type", contentType)
	from, _ := strconv.ParseUint(query.Get("resourceVersion"), 10, 64)
	initial := query.Get("sendInitialEvents") == "true"
	var next int
	if initial || from == 0 {
		all, version, following := s.current(one.things)
		for i := range all {
			if one.event(all[i], added); one.err != nil {
				return
			}
		}
		next = following
		if initial {
			one.bookmark(version, true)
		}
	} else {
		var ok bool
		if next, ok = s.after(from); !ok {
			refuse(w, 410, "Expired")
			return
		}
	}
	one.flush(0)
	seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
	one.follow(r, next, time.Duration(seconds)*time.Second, query.Get("allowWatchBookmarks") == "true")
}

// follow writes what is added to the log, until the client or the time ends it.
func (s *stream) follow(r *http.Request, next int, length time.Duration, bookmarks bool) {
	if length <= 0 {
		length = time.Hour
	}
	end, minute := time.After(length), time.NewTicker(time.Minute)
	defer minute.Stop()
	for s.err == nil {
		s.world.mu.RLock()
		piece, changed, version, gone := []change(nil), s.changed, s.version, next > len(s.log)
		if !gone {
			piece = s.log[next:]
		}
		s.world.mu.RUnlock()
		if gone { // reset for another client
			return
		}
		for i := range piece {
			if s.event(piece[i], piece[i].frame); s.err != nil {
				return
			}
		}
		next += len(piece)
		s.flush(1)
		select {
		case <-changed:
		case <-minute.C:
			if bookmarks {
				s.bookmark(version, false)
			}
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// list answers everything at once, which a server may do whatever the limit.
func (s *server) list(w http.ResponseWriter, t target, kind string) {
	one := &stream{server: s, w: w, target: t, things: thingOf(t.resource)}
	one.served = one.things >= 0 || t.resource == "pods"
	var all []change
	s.world.mu.RLock()
	version := s.version
	s.world.mu.RUnlock()
	if one.served {
		all, version, _ = s.current(one.things)
	}
	w.Header().Set("Content-Type", "application/json")
	one.out = fmt.Appendf(one.out, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"%d"},"items":[`, kind, t.apiVersion(), version)
	comma := false
	for _, c := range all {
		if !one.mine(c.number) {
			continue
		}
		if comma {
			one.out = append(one.out, ',')
		}
		one.event(c, item)
		comma = true
	}
	one.out = append(one.out, "]}\n"...)
	one.flush(0)
}
