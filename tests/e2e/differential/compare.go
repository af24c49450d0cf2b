package differential

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
)

// Differences are what `ours` says otherwise than `real`, a line each.
func Differences(c *Case, real, ours []*Answer) (lines []string) {
	for i := range min(len(real), len(ours)) {
		head := fmt.Sprintf("%s #%d %.100s", c.Name, i+1, real[i].Do)
		note := func(at string, a, b any) {
			lines = append(lines, fmt.Sprintf("%s | %s: %s, ours %s", head, at, short(a), short(b)))
		}
		if real[i].Code != ours[i].Code { // the rest differs by that alone
			note("code", said(real[i]), said(ours[i]))
			continue
		}
		compare("type", real[i].Type, ours[i].Type, note)
		compare("warnings", plain(real[i].Warnings), plain(ours[i].Warnings), note)
		compare("body", once(plain(real[i].Body)), once(plain(ours[i].Body)), note)
	}
	return lines
}

// once leaves out causes that are there again: the real server checks metadata two to four times in an
// update, and its message says each fault once.
func once(body any) any {
	status, _ := body.(object)
	details, _ := status["details"].(object)
	causes, _ := details["causes"].([]any)
	var kept []any
	for _, cause := range causes {
		if !slices.ContainsFunc(kept, func(other any) bool { return reflect.DeepEqual(cause, other) }) {
			kept = append(kept, cause)
		}
	}
	if kept != nil {
		details["causes"] = kept
	}
	return body
}

func said(answer *Answer) string {
	status, _ := answer.Body.(object)
	if status["kind"] != "Status" {
		return fmt.Sprint(answer.Code)
	}
	return fmt.Sprintf("%d %v %v", answer.Code, status["reason"], status["message"])
}

func plain(value any) any { return copied(value) }

func short(value any) string {
	if value == nil {
		return "nothing"
	}
	text, _ := json.Marshal(value)
	return fmt.Sprintf("%.300s", text)
}

func compare(at string, a, b any, note func(at string, a, b any)) {
	if x, ok := a.(object); ok {
		if y, ok := b.(object); ok {
			both := maps.Clone(x)
			maps.Copy(both, y)
			for _, key := range slices.Sorted(maps.Keys(both)) {
				compare(at+"."+key, x[key], y[key], note)
			}
			return
		}
	}
	if x, ok := a.([]any); ok {
		if y, ok := b.([]any); ok && len(x) == len(y) {
			for i := range x {
				compare(fmt.Sprintf("%s[%d]", at, i), x[i], y[i], note)
			}
			return
		}
	}
	if !reflect.DeepEqual(a, b) {
		note(at, a, b)
	}
}

// Known are differences that are meant, or not worth their price, and why.
type Known struct {
	Where string `json:"where"` // a regular expression for the lines of these differences
	Count int    `json:"count"` // how many there are, less those that an entry before has explained
	Why   string `json:"why"`
}

// Unknown leaves the lines that no entry explains; wrong says which entries explain more or fewer
// than they say.
func Unknown(lines []string, known []*Known) (left []string, wrong []string, err error) {
	forms, seen := make([]*regexp.Regexp, len(known)), make([]int, len(known))
	for i, one := range known {
		if forms[i], err = regexp.Compile(one.Where); err != nil {
			return nil, nil, err
		}
	}
	for _, line := range lines {
		at := slices.IndexFunc(forms, func(form *regexp.Regexp) bool { return form.MatchString(line) })
		if at < 0 {
			left = append(left, line)
		} else {
			seen[at]++
		}
	}
	for i, one := range known {
		if seen[i] != one.Count || seen[i] == 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d lines, not %d", one.Where, seen[i], one.Count))
		}
	}
	return left, wrong, nil
}
