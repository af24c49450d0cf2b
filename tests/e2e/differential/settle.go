package differential

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// settler gives what differs from run to run the same name in both servers: the uid that came first
// with the third answer is uid3, and so on.
type settler struct {
	managed bool           // managedFields are looked at
	answer  int            // the number of the one that is settled
	fresh   map[string]int // names given to what came first in it, by word
	uids    map[string]string
	rvs     map[string]string
	names   map[string]string // generated
}

var (
	uidForm     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timeForm    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 UTC`)
	versionForm = regexp.MustCompile(`(?i)(resource ?version[^0-9"]{0,25}[:(] ?|current: |version: \d+ \()\d+`)
	addressForm = regexp.MustCompile(`\b10\.96\.\d+\.\d+\b`)
	ageForm     = regexp.MustCompile(`^\d+s$`)
	objectForm  = regexp.MustCompile(`"\{\\"(?:[^"\\]|\\.)*"`) // an object quoted in a message
	portForm    = regexp.MustCompile(`:3[0-2]\d{3}/`)
	tokenForm   = regexp.MustCompile(`^eyJ[\w-]+\.`)
)

func newSettler(ns string) *settler {
	return &settler{managed: strings.HasPrefix(ns, "d-apply"), uids: map[string]string{}, rvs: map[string]string{}, names: map[string]string{}}
}

// next says that what is settled from now on is another answer.
func (s *settler) next() { s.answer, s.fresh = s.answer+1, map[string]int{} }

func (s *settler) numbered(known map[string]string, value, word string) string {
	if known[value] == "" {
		known[value] = fmt.Sprintf("%s%d", word, s.answer)
		if s.fresh[word]++; s.fresh[word] > 1 {
			known[value] += fmt.Sprintf(".%d", s.fresh[word])
		}
	}
	return known[value]
}

func (s *settler) body(value any) any {
	return s.value("", value)
}

func (s *settler) value(key string, value any) any {
	switch value := value.(type) {
	case object:
		return s.object(key, value)
	case []any:
		out := make([]any, 0, len(value))
		for _, one := range value {
			if text, ok := one.(string); ok && key == "cells" && ageForm.MatchString(text) {
				one = "AGE"
			}
			out = append(out, s.value("", one))
		}
		if key == "resourceRules" || key == "nonResourceRules" {
			inOrder(out)
		}
		return out
	case string:
		return s.string(key, value)
	case float64:
		if key == "nodePort" || key == "healthCheckNodePort" {
			return "NODEPORT"
		}
	}
	return value
}

func (s *settler) object(key string, value object) any {
	out := object{}
	if name, _ := value["name"].(string); name != "" && key == "metadata" {
		if prefix, _ := value["generateName"].(string); prefix != "" && len(name) == len(prefix)+5 {
			s.numbered(s.names, name, prefix+"GENERATED")
		}
	}
	keys := make([]string, 0, len(value))
	for one := range value {
		keys = append(keys, one)
	}
	slices.Sort(keys)
	for _, one := range keys {
		switch {
		case one == "managedFields" && key == "metadata":
			if s.managed {
				out[one] = s.owners(value[one])
			}
		case one == "resourceVersion" && key == "metadata" && value["name"] == nil:
			if text, _ := value[one].(string); text != "" {
				out[one] = "LIST"
			}
		case one == "description" && value["jsonPath"] == nil && value["format"] != nil:
			// of a column: their sentences are not ours
		default:
			out[one] = s.value(one, value[one])
		}
	}
	return out
}

// owners are in the order of times that are the same in seconds: that is chance.
func (s *settler) owners(value any) any {
	list, _ := s.value("", value).([]any)
	inOrder(list)
	return list
}

// inOrder sorts a list whose order is chance.
func inOrder(list []any) {
	slices.SortFunc(list, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return strings.Compare(string(x), string(y))
	})
}

func (s *settler) string(key, value string) any {
	switch {
	case value == "":
		return value
	case key == "resourceVersion":
		return s.numbered(s.rvs, value, "rv")
	case key == "continue":
		return "CONTINUE"
	case key == "serverAddress":
		return "ADDRESS"
	case tokenForm.MatchString(value):
		return "TOKEN"
	}
	return s.text(value)
}

func (s *settler) text(text string) string {
	text = objectForm.ReplaceAllString(text, "OBJECT")
	text = uidForm.ReplaceAllStringFunc(text, func(uid string) string { return s.numbered(s.uids, uid, "uid") })
	text = timeForm.ReplaceAllStringFunc(text, func(found string) string {
		at, err := time.Parse("2006-01-02T15:04:05Z", found)
		if err != nil {
			at, err = time.Parse("2006-01-02 15:04:05 -0700 MST", found)
		}
		if err != nil || at.Sub(time.Now()).Abs() > 48*time.Hour {
			return found
		}
		if strings.Contains(found, ".") {
			return "MICROTIME"
		}
		return "TIME"
	})
	text = versionForm.ReplaceAllString(text, "${1}N")
	text = portForm.ReplaceAllString(text, ":NODEPORT/")
	text = addressForm.ReplaceAllString(text, "10.96.x.x")
	for name, fixed := range s.names {
		text = strings.ReplaceAll(text, name, fixed)
	}
	return text
}

// events settles what a watch has sent, a JSON list.
func (s *settler) events(text []byte) any {
	var all []any
	if err := json.Unmarshal(text, &all); err != nil {
		return s.text(string(text))
	}
	return s.value("", all)
}
