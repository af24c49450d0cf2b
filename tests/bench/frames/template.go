package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type format uint8

const (
	jsonFormat format = iota
	protobuf
)

// What a pod is rendered as: an item of a list, or the object of an event.
type frame uint8

const (
	item frame = iota
	added
	modified
	deleted
)

var eventTypes = [...]string{added: "ADDED", modified: "MODIFIED", deleted: "DELETED"}

// The texts that stand in a template where each pod has its own; fill() overwrites them.
var blank = identity{
	suffix: "zq0nm", hash: "zq1hashhsh", uid: "zq2aaaaa-0000-4000-8000-000000000000", owner: "zq3aaaaa-0000-4000-8000-000000000000",
	version: "zq4.ver", podIP: "zq5.000.000.00", hostIP: "zq6.000.000.00", node: "zq7node00", token: "zq8to",
	container: "zq9" + zeros(61), sidecar: "zqa" + zeros(61), resourceVersion: "9876543210",
	created: 1799990001, changed: 1799990002,
}

func zeros(count int) string { return string(bytes.Repeat([]byte{'0'}, count)) }

// texts lists what has a fixed length, times last and in the form of a format.
func (id *identity) texts(f format) [14]string {
	return [14]string{id.suffix, id.hash, id.uid, id.owner, id.version, id.podIP, id.hostIP, id.node, id.token, id.container,
		id.sidecar, id.resourceVersion, timeText(id.created, f), timeText(id.changed, f)}
}

// Seconds of this century's beginning take five bytes of a varint, after the tag of Timestamp.seconds.
func timeText(seconds int64, f format) string {
	if f == jsonFormat {
		return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
	return string(binary.AppendUvarint([]byte{0x08}, uint64(seconds)))
}

// template is a frame with blanks.
type template struct {
	bytes []byte
	slots []slot
}

type slot struct {
	at   uint32
	text uint8
}

func newTemplate(text []byte, f format) *template {
	t := &template{bytes: text}
	for i, one := range blank.texts(f) {
		for from := 0; ; {
			found := bytes.Index(text[from:], []byte(one))
			if found < 0 {
				break
			}
			t.slots = append(t.slots, slot{uint32(from + found), uint8(i)})
			from += found + len(one)
		}
	}
	return t
}

// fill appends the frame of one pod.
func (t *template) fill(out []byte, id *identity, f format) []byte {
	start := len(out)
	out = append(out, t.bytes...)
	texts := id.texts(f)
	for _, s := range t.slots {
		copy(out[start+int(s.at):], texts[s.text])
	}
	return out
}

type templateKey struct {
	deployment int
	now        phase
	format     format
	frame      frame
}

// templates are made when they are needed first.
type templates struct {
	mu   sync.RWMutex
	made map[templateKey]*template
}

func (t *templates) of(key templateKey) *template {
	t.mu.RLock()
	found := t.made[key]
	t.mu.RUnlock()
	if found != nil {
		return found
	}
	found = newTemplate(render(podOf(deploymentOf(key.deployment), blank, key.now, nil), key.format, key.frame), key.format)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[key] = found
	return found
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// render writes a pod as the API server does.
func render(pod *corev1.Pod, f format, as frame) []byte {
	if f == protobuf {
		return protobufEvent(eventTypes[as], "v1", "Pod", must(pod.Marshal()))
	}
	text := must(json.Marshal(pod))
	if as == item {
		return text
	}
	return jsonEvent(eventTypes[as], "v1", "Pod", text)
}

// jsonEvent is one line of a watch; `object` lacks its kind.
func jsonEvent(kind, apiVersion, objectKind string, object []byte) []byte {
	return fmt.Appendf(nil, "{\"type\":%q,\"object\":{\"kind\":%q,\"apiVersion\":%q,%s}\n", kind, objectKind, apiVersion, object[1:])
}

func field(out []byte, number int, value []byte) []byte {
	return append(binary.AppendUvarint(append(out, byte(number<<3|2)), uint64(len(value))), value...)
}

// protobufEvent is one frame of a watch: its length, then WatchEvent{type, object{raw}} around the envelope.
func protobufEvent(kind, apiVersion, objectKind string, object []byte) []byte {
	envelope := must((&runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: objectKind}, Raw: object}).Marshal())
	event := field(nil, 1, []byte(kind))
	event = field(event, 2, field(nil, 1, append([]byte("k8s\x00"), envelope...)))
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(event))), event...)
}
