package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"moonlet.dev/e2e/harness"
)

// What the real server makes of strategic merge patches is recorded in a file that a test of
// host/apiserver/patch.h replays. This test says whether the file is still true; with
// MOONLET_RECORD=1 it writes the file anew.

type strategicCase struct {
	Object string          `json:"object"`
	Patch  json.RawMessage `json:"patch"`
	After  any             `json:"after,omitempty"`
	Status any             `json:"status,omitempty"` // of a refusal
}

type strategicRecord struct {
	Objects map[string]any  `json:"objects"` // before
	Cases   []strategicCase `json:"cases"`
}

// without leaves out what is no patch's matter or differs from run to run.
func without(object map[string]any) map[string]any {
	delete(object, "status")
	if m, ok := object["metadata"].(map[string]any); ok {
		for _, key := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "namespace"} {
			delete(m, key)
		}
		if notes, ok := m["annotations"].(map[string]any); ok {
			delete(notes, "deployment.kubernetes.io/revision")
			delete(notes, "node.alpha.kubernetes.io/ttl")
			if len(notes) == 0 {
				delete(m, "annotations")
			}
		}
	}
	if spec, ok := object["spec"].(map[string]any); ok {
		for _, key := range []string{"clusterIP", "clusterIPs"} {
			delete(spec, key)
		}
	}
	return object
}

func strategicStatus(t *testing.T, err error) any {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		t.Fatal(err)
	}
	s := status.Status()
	return map[string]any{"code": s.Code, "reason": s.Reason, "message": s.Message}
}

func recordStrategic(t *testing.T, env *harness.Env) strategicRecord {
	record := strategicRecord{Objects: map[string]any{}}
	clients := map[string]resourceClient{}
	for name, text := range strategicObjects {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		client := resourceClient(env.Dynamic.Resource(harness.Resource(object.GetAPIVersion(), object.GetKind())).Namespace(env.NS))
		if object.GetKind() == "Node" {
			client = env.Dynamic.Resource(harness.Resource("v1", "Node"))
		}
		made, err := client.Create(harness.Background(), object, meta.CreateOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		clients[name] = client
		record.Objects[name] = without(made.Object)
		t.Cleanup(func() {
			clear := []byte(`{"metadata":{"finalizers":null}}`)
			_, _ = client.Patch(harness.Background(), made.GetName(), types.MergePatchType, clear, meta.PatchOptions{})
			_ = client.Delete(harness.Background(), made.GetName(), meta.DeleteOptions{})
		})
	}
	for _, line := range strings.Split(strings.TrimSpace(strategicPatches), "\n") {
		object, patch, _ := strings.Cut(line, " ")
		one := strategicCase{Object: object, Patch: json.RawMessage(patch)}
		name := record.Objects[object].(map[string]any)["metadata"].(map[string]any)["name"].(string)
		after, err := clients[object].Patch(harness.Background(), name, types.StrategicMergePatchType, one.Patch,
			meta.PatchOptions{DryRun: []string{meta.DryRunAll}})
		if err != nil {
			one.Status = strategicStatus(t, err)
		} else {
			one.After = without(after.Object)
		}
		record.Cases = append(record.Cases, one)
	}
	return record
}

// A line for each object and case, so that a change can be read.
func (record strategicRecord) write(out *bytes.Buffer) error {
	line := func(value any, after string) error {
		text, err := json.Marshal(value)
		out.Write(text)
		out.WriteString(after)
		return err
	}
	out.WriteString("{\n\"objects\": ")
	if err := line(record.Objects, ",\n"); err != nil {
		return err
	}
	out.WriteString("\"cases\": [\n")
	for i, one := range record.Cases {
		after := ",\n"
		if i == len(record.Cases)-1 {
			after = "\n"
		}
		if err := line(one, after); err != nil {
			return err
		}
	}
	out.WriteString("]\n}\n")
	return nil
}

func TestStrategicCasesAreWhatTheServerDoes(t *testing.T) {
	env := harness.New(t)
	path := filepath.Join(harness.Root(), "tests/host/apiserver/strategic_cases.json")
	var now bytes.Buffer
	if err := recordStrategic(t, env).write(&now); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("MOONLET_RECORD") != "" {
		if err := os.WriteFile(path, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(recorded), "\n"), strings.Split(now.String(), "\n")
	for i := range is {
		if i >= len(was) || was[i] != is[i] {
			t.Fatalf("line %d of %s is no longer what the server does (MOONLET_RECORD=1 records it):\n%.2000s", i+1, path, is[i])
		}
	}
}
