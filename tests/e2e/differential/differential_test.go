package differential

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"moonlet.dev/e2e/harness"
)

// The embedded API server against what the real one said when answers.jsonl was recorded: without a
// control plane. That the record is true is for TestTheRecordIsWhatTheServerSays in tests/e2e.
func TestEmbeddedServerAnswersAsTheRealOne(t *testing.T) {
	cases := must(Cases())(t)
	record := must(Recorded())(t)
	dev := harness.NewDev(t)
	ours := must(must(NewServer(dev.Config))(t).Run(cases))(t)

	var lines []string
	requests := 0
	for _, c := range cases {
		if why := Stale(c, record[c.Name]); why != "" {
			t.Fatalf("%s: %s (how to record: %s)", c.Name, why, how)
		}
		requests += len(c.Steps)
		lines = append(lines, Differences(c, record[c.Name], ours[c.Name])...)
	}
	if len(record) != len(cases) {
		t.Errorf("the record has %d cases, the corpus %d (how to record: %s)", len(record), len(cases), how)
	}
	var known []*Known
	if err := yaml.UnmarshalStrict(must(os.ReadFile("known.yaml"))(t), &known); err != nil {
		t.Fatal(err)
	}
	unknown, wrong, err := Unknown(lines, known)
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("MOONLET_DIFFERENCES"); path != "" {
		_ = os.WriteFile(path, []byte(strings.Join(unknown, "\n")+"\n"), 0o644)
	}
	if len(unknown) > 0 {
		t.Errorf("%d differences that known.yaml does not explain:\n%s", len(unknown), strings.Join(unknown[:min(len(unknown), 40)], "\n"))
	}
	for _, what := range wrong {
		t.Errorf("known.yaml explains more or less than it says: %s", what)
	}
	t.Logf("%d requests in %d cases, %d known differences", requests, len(cases), len(lines)-len(unknown))
}

const how = "MOONLET_RECORD=1 GO_TEST_RUN=TestTheRecord ./dev test e2e"

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestKnownDifferencesAreCounted(t *testing.T) {
	known := func(counts ...int) (all []*Known) {
		for i, where := range []string{"^a ", "^[ab] "} {
			all = append(all, &Known{Where: where, Count: counts[i]})
		}
		return all
	}
	lines := []string{"a 1", "a 2", "b 1", "c 1"}
	for _, one := range []struct {
		counts []int
		wrong  int
	}{{[]int{2, 1}, 0}, {[]int{1, 1}, 1}, {[]int{3, 2}, 2}, {[]int{2, 0}, 1}} {
		left, wrong, err := Unknown(lines, known(one.counts...))
		if err != nil || !slices.Equal(left, []string{"c 1"}) || len(wrong) != one.wrong {
			t.Errorf("%v: %v, %v, %v", one.counts, left, wrong, err)
		}
	}
	if _, wrong, _ := Unknown(nil, known(0, 0)); len(wrong) != 2 {
		t.Errorf("entries for nothing: %v", wrong)
	}
}

func TestTheRecordIsReadAsItWasWritten(t *testing.T) {
	c := &Case{Name: "c"}
	of := func(name, value any) *Answer {
		return &Answer{Do: "GET /x", Code: 200, Type: usual,
			Body: object{"kind": "K", "metadata": object{"name": name, "labels": object{"a": "b"}}, "data": value}}
	}
	answers := []*Answer{of("a", "x"), of("a", nil), of("b", []any{"y"}), {Do: "GET /y", Code: 404, Type: "text/plain", Body: "no"}}
	var text strings.Builder
	if err := Write(&text, []*Case{c}, map[string][]*Answer{"c": answers}); err != nil {
		t.Fatal(err)
	}
	read := must(Read(strings.NewReader(text.String())))(t)
	if lines := Differences(c, answers, read["c"]); len(lines) > 0 || len(read["c"]) != len(answers) {
		t.Fatal(lines)
	}
}

func TestKindsOfTheCorpusHaveWhatCasesNeed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range must(Cases())(t) {
		if names[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		names[c.Name] = true
	}
	if len(names) < 100 {
		t.Errorf("only %v", slices.Collect(maps.Keys(names)))
	}
}
