package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	firstVersion = 1000000000
	perSet       = 50  // pods of a Deployment
	markerCount  = 128 // so many probes may wait at once, 2.5 s of them at 50 a second
	markerSpace  = "zz-bench"
)

// live is what may change of a pod.
type live struct {
	generation uint32 // how often a rolling update has replaced it
	now        phase
	version    uint64 // resourceVersion
	changed    int64
}

// change is one entry of the log that all watches read.
type change struct {
	version uint64
	kind    int32 // -1: a pod; else the number of a kind of things
	number  int32 // of the object; a marker is below 0
	frame   frame
	pod     live
	note    string // bench/last, of a marker or a thing
}

// world is all that is served. The mutex guards what stands below it.
type world struct {
	seed      uint64
	pods      int
	kinds     int // of things
	things    int // of each kind
	templates templates

	mu      sync.RWMutex
	version uint64
	states  []live
	markers [markerCount]change
	notes   map[[2]int32]change // things that were changed
	floor   uint64              // the log begins after it
	log     []change
	changed chan struct{} // closed and replaced when the log grows
}

func newWorld(seed uint64, pods, kinds, things int) *world {
	w := &world{seed: seed, pods: pods, kinds: kinds, things: things, version: firstVersion, states: make([]live, pods),
		changed: make(chan struct{})}
	w.templates.made = map[templateKey]*template{}
	for i := range w.states {
		w.version++
		w.states[i] = live{version: w.version, changed: createdOf(w.seed, i, 0) + 9}
	}
	w.reset()
	return w
}

// reset forgets the log, and asks each new client for bench-synced. With the lock held, or before others look.
func (w *world) reset() {
	w.notes = map[[2]int32]change{}
	for i := range w.markers {
		w.version++
		w.markers[i] = change{version: w.version, kind: -1, number: int32(-i - 1), frame: modified}
	}
	w.markers[markerCount-1].note = "bench-synced"
	w.log, w.floor = nil, w.version
}

// add writes one change. With the lock held; wake() follows.
func (w *world) add(c change) {
	w.version++
	c.version, c.pod.version = w.version, w.version
	w.log = append(w.log, c)
	if c.kind >= 0 {
		w.notes[[2]int32{c.kind, c.number}] = c
	} else if c.number < 0 {
		w.markers[-c.number-1] = c
	} else if c.frame != deleted {
		w.states[c.number] = c.pod
	}
}

func (w *world) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// mark changes a marker pod so that it asks for the ConfigMap `note`.
func (w *world) mark(number int, note string) {
	w.add(change{kind: -1, number: int32(-number - 1), frame: modified, note: note})
}

// --- identities --------------------------------------------------------------------------------

// mix is a hash of its arguments (the finish of splitmix64).
func mix(values ...uint64) uint64 {
	h := uint64(0)
	for _, v := range values {
		h += v + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

const letters = "bcdfghjklmnpqrstvwxz2456789" // of generated names

func word(h uint64, length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = letters[h%uint64(len(letters))]
		h /= uint64(len(letters))
	}
	return string(text)
}

func hexText(bytes int, values ...uint64) string {
	raw := make([]byte, 0, 32)
	for i := uint64(0); len(raw) < bytes; i++ {
		h := mix(append(values, i)...)
		for range 8 {
			raw = append(raw, byte(h))
			h >>= 8
		}
	}
	return hex.EncodeToString(raw[:bytes])
}

func uuid(values ...uint64) string {
	h := hexText(16, values...)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

func address(h uint64) string { // 14 characters, as each part has its three digits
	return "10." + strconv.Itoa(int(100+h%150)) + "." + strconv.Itoa(int(100+h/150%150)) + "." + strconv.Itoa(int(100+h/22500%150))
}

func createdOf(seed uint64, number int, generation uint32) int64 {
	return 1780000000 + int64(mix(seed, uint64(number), uint64(generation), 1)%5000000)
}

func identityOf(seed uint64, number int, pod live) identity {
	n, g, set := uint64(number), uint64(pod.generation), uint64(number/perSet)
	h := mix(seed, n, g)
	node := mix(seed, n, g, 2) % 2000
	return identity{
		suffix: word(h, 5), token: word(h>>8, 5), hash: word(mix(seed, set, g, 3), 10), uid: uuid(seed, n, g, 4),
		owner: uuid(seed, set, g, 5), version: fmt.Sprintf("v1.%04d", pod.generation%10000), podIP: address(mix(h, 6)),
		hostIP: address(mix(seed, node, 7)), node: fmt.Sprintf("node-%04d", node), container: hexText(32, h, 8),
		sidecar: hexText(32, h, 9), resourceVersion: strconv.FormatUint(pod.version, 10),
		created: createdOf(seed, number, pod.generation), changed: pod.changed,
	}
}

// --- rendering ---------------------------------------------------------------------------------

func (w *world) appendPod(out []byte, number int, pod live, f format, as frame) []byte {
	id := identityOf(w.seed, number, pod)
	return w.templates.of(templateKey{number / perSet, pod.now, f, as}).fill(out, &id, f)
}

func (w *world) markerPod(c change) *corev1.Pod {
	number := w.pods + int(-c.number)
	id := identityOf(w.seed, number, live{version: c.version, changed: createdOf(w.seed, number, 0) + 9})
	d := deploymentOf(9999)
	d.namespace = markerSpace
	var annotations map[string]string
	if c.note != "" {
		annotations = map[string]string{"bench/last": c.note}
	}
	return podOf(d, id, ready, annotations)
}

func (w *world) spaceOf(number int32) string {
	if number < 0 {
		return markerSpace
	}
	return deploymentOf(int(number) / perSet).namespace
}

func (w *world) appendThing(out []byte, kind, number int32, version uint64, note string, as frame) []byte {
	text := fmt.Appendf(nil, `{"metadata":{"name":"thing-%04d","namespace":%q,"uid":%q,"resourceVersion":"%d","generation":1,`+
		`"creationTimestamp":%q,"labels":{"shelf":"s%d"},"annotations":{"bench/last":%q}},"spec":{"size":%d,"colour":"blue","parts":["a","b","c"]}}`,
		number, markerSpace, uuid(w.seed, uint64(kind), uint64(number), 10), version, time.Unix(1780000000, 0).UTC().Format(time.RFC3339),
		number%7, note, number)
	if as == item {
		return append(out, text...)
	}
	return append(out, jsonEvent(eventTypes[as], thingVersion, thingKind(int(kind)), text)...)
}
