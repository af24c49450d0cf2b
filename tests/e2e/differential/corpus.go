package differential

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed corpus
var corpus embed.FS

type object = map[string]any

// Kind is what cases for many kinds need to know of one: corpus/kinds.yaml.
type Kind struct {
	Path   string   `json:"path"`   // of the collection
	Object object   `json:"object"` // the least that is valid
	Change object   `json:"change"` // a merge patch of what an update may change
	Bad    object   `json:"bad"`    // a merge patch that makes it invalid
	Fixed  object   `json:"fixed"`  // a merge patch of what an update may not change
	Status object   `json:"status"` // a merge patch of its status
	Traits []string `json:"traits"` // what cases choose kinds by
}

// Case is a sequence of requests in a namespace of its own.
type Case struct {
	Name  string
	NS    string
	Steps []*Step
	words map[string]string // what $word stands for in paths and bodies
	kind  *Kind
}

// Step is one request.
type Step struct {
	Line    string // as the corpus has it
	As      string // the name that later steps know its answer by
	Verb    string
	Options map[string]string
	Path    string
	Body    string
}

var (
	heading = regexp.MustCompile(`^== ([a-z0-9-]+)((?: [a-z]+=\S+)*)$`)
	stepRow = regexp.MustCompile(`^(?:([a-z]+): )?([A-Za-z]+)((?: [a-z]+=\S+)*) ([/$]\S*)(?:\s+(?s:(.*)))?$`)
)

// Cases is the whole corpus, each case once for every kind it is for.
func Cases() ([]*Case, error) {
	text, err := corpus.ReadFile("corpus/kinds.yaml")
	if err != nil {
		return nil, err
	}
	kinds := map[string]*Kind{}
	if err := yaml.UnmarshalStrict(text, &kinds); err != nil {
		return nil, err
	}
	files, err := corpus.ReadDir("corpus")
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".cases") {
			continue
		}
		text, err := corpus.ReadFile("corpus/" + file.Name())
		if err != nil {
			return nil, err
		}
		found, err := parseCases(string(text), kinds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		cases = append(cases, found...)
	}
	return cases, nil
}

func parseCases(text string, kinds map[string]*Kind) (cases []*Case, err error) {
	for _, part := range strings.Split("\n"+text, "\n== ")[1:] {
		head, rest, _ := strings.Cut(part, "\n")
		found := heading.FindStringSubmatch("== " + head)
		if found == nil {
			return nil, fmt.Errorf("not a heading: %s", head)
		}
		steps, err := parseSteps(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", found[1], err)
		}
		chosen, err := chosenKinds(options(found[2]), kinds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", found[1], err)
		}
		if chosen == nil {
			cases = append(cases, newCase(found[1], "", nil, steps))
		}
		for _, name := range chosen {
			cases = append(cases, newCase(found[1], name, kinds[name], steps))
		}
	}
	return cases, nil
}

// chosenKinds: kinds=all, kinds=A,B or traits=scale,-cluster.
func chosenKinds(options map[string]string, kinds map[string]*Kind) (chosen []string, err error) {
	if list := options["kinds"]; list != "" && list != "all" {
		chosen = strings.Split(list, ",")
		for _, name := range chosen {
			if kinds[name] == nil {
				return nil, fmt.Errorf("no such kind: %s", name)
			}
		}
		return chosen, nil
	}
	if options["kinds"] == "" && options["traits"] == "" {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		fits := true
		for _, trait := range strings.Split(options["traits"], ",") {
			if without, found := strings.CutPrefix(trait, "-"); found {
				fits = fits && !slices.Contains(kinds[name].Traits, without)
			} else if trait != "" {
				fits = fits && slices.Contains(kinds[name].Traits, trait)
			}
		}
		if fits {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

func newCase(name, kindName string, kind *Kind, steps []*Step) *Case {
	c := &Case{Name: name, NS: "d-" + name, Steps: steps, kind: kind, words: map[string]string{"name": name}}
	if kind != nil {
		c.Name = name + "/" + kindName
		c.NS += "-" + strings.ToLower(kindName)
		c.words["path"] = strings.ReplaceAll(kind.Path, "$ns", c.NS)
		c.words["kind"] = kindName
		if slices.Contains(kind.Traits, "cluster") {
			c.words["name"] = c.NS
		}
	}
	c.words["ns"] = c.NS
	return c
}

// parseSteps: a line for each request; lines that are indented belong to the one before.
func parseSteps(text string) (steps []*Step, err error) {
	var rows []string
	for _, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "  ") && len(rows) > 0:
			rows[len(rows)-1] += "\n" + line
		default:
			rows = append(rows, line)
		}
	}
	for _, row := range rows {
		found := stepRow.FindStringSubmatch(row)
		if found == nil {
			return nil, fmt.Errorf("not a request: %s", row)
		}
		steps = append(steps, &Step{row, found[1], found[2], options(found[3]), found[4], found[5]})
	}
	return steps, nil
}

func options(text string) map[string]string {
	found := map[string]string{}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		found[key] = value
	}
	return found
}
