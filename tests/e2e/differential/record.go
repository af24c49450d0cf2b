package differential

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
)

// The record, compressed: a line for each answer of the real server. An object that is like one before it in
// the same case stands as a merge patch of that one.
type recorded struct {
	Case string `json:"case,omitempty"` // starts a case
	Answer
	Since int `json:"since,omitempty"` // the answer, counted from 1, that body is a patch of
}

const usual = "application/json"

// Write writes the record of all cases.
func Write(out io.Writer, cases []*Case, answers map[string][]*Answer) error {
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(packed)
	encoder.SetEscapeHTML(false)
	for _, c := range cases {
		for i, answer := range answers[c.Name] {
			line := recorded{Answer: *answer}
			if i == 0 {
				line.Case = c.Name
			}
			line.Body = copied(answer.Body)
			switch line.Type {
			case usual:
				line.Type = ""
			case "":
				line.Type = "none"
			}
			for j := i - 1; j >= 0; j-- {
				if patch, ok := sinceThen(copied(answers[c.Name][j].Body), line.Body); ok {
					line.Body, line.Since = patch, j+1
					break
				}
			}
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
	}
	return packed.Close()
}

// Read is the reverse of Write.
func Read(in io.Reader) (map[string][]*Answer, error) {
	plain, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	all, name := map[string][]*Answer{}, ""
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var line recorded
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("%w: %.100s", err, lines.Bytes())
		}
		if line.Case != "" {
			name = line.Case
		}
		answer := line.Answer
		switch answer.Type {
		case "":
			answer.Type = usual
		case "none":
			answer.Type = ""
		}
		if line.Since > 0 {
			answer.Body = merged(all[name][line.Since-1].Body, answer.Body)
		}
		all[name] = append(all[name], &answer)
	}
	return all, lines.Err()
}

// sinceThen: the merge patch that turns was into is, when both are objects of one kind.
func sinceThen(was, is any) (any, bool) {
	a, ok := was.(object)
	b, both := is.(object)
	if !ok || !both || a["kind"] != b["kind"] || b["kind"] == "Status" {
		return nil, false
	}
	patch := difference(a, b)
	if !reflect.DeepEqual(merged(a, patch), is) {
		return nil, false
	}
	small, _ := json.Marshal(patch)
	big, _ := json.Marshal(b)
	return patch, len(small) < len(big) && !bytes.Contains(big, []byte("null"))
}

func difference(was, is object) object {
	patch := object{}
	for key, value := range is {
		inner, isObject := value.(object)
		before, wasObject := was[key].(object)
		switch {
		case reflect.DeepEqual(was[key], value):
		case isObject && wasObject:
			patch[key] = difference(before, inner)
		default:
			patch[key] = value
		}
	}
	for key := range was {
		if _, there := is[key]; !there {
			patch[key] = nil
		}
	}
	return patch
}

// RecordPath is where the record is, from the folder of this package.
const RecordPath = "answers.jsonl.gz"

// Recorded reads the committed record.
func Recorded() (map[string][]*Answer, error) {
	file, err := os.Open(RecordPath)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Read(file)
}

// Stale says why a record is not one of this case, or nothing.
func Stale(c *Case, answers []*Answer) string {
	if len(answers) != len(c.Steps) {
		return fmt.Sprintf("the record has %d requests, the corpus %d", len(answers), len(c.Steps))
	}
	for i, step := range c.Steps {
		if answers[i].Do != step.Line {
			return "the record is of another request than " + step.Line
		}
	}
	return ""
}
