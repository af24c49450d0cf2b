// Command apply records what a real API server makes of sequences of creates, updates, patches and
// applies: the cases of tests/host/apiserver/managed_cases_test.c.
//
//	./dev plane start DIR --no-controller-manager
//	cd tests/e2e && go run ./record/apply -kubeconfig DIR/kubeconfig -out ../host/apiserver/apply_cases.json
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

type object = map[string]any

// Kind is what the cases need to know of a kind.
type Kind struct {
	APIVersion  string   `json:"apiVersion"`
	Plural      string   `json:"plural"`
	Builtin     bool     `json:"builtin"`
	StatusSplit bool     `json:"statusSplit"`
	Later       []string `json:"later,omitempty"` // what a create sets after ownership is decided
	Schema      any      `json:"schema"`
}

// Step is one request; what came of it is added when it is recorded.
type Step struct {
	Do          string `json:"do"` // create, put, merge, strategic, json, apply
	By          string `json:"by"`
	Subresource string `json:"subresource,omitempty"`
	Force       bool   `json:"force,omitempty"`
	APIVersion  string `json:"apiVersion,omitempty"`
	Body        any    `json:"body"`
	Status      int    `json:"status,omitempty"`
	Message     string `json:"message,omitempty"`
	Causes      any    `json:"causes,omitempty"`
	Object      object `json:"object,omitempty"`
}

type Case struct {
	Name  string  `json:"name"`
	Kind  string  `json:"kind"`
	Steps []*Step `json:"steps"`
}

type Record struct {
	Components map[string]any   `json:"components"`
	Kinds      map[string]*Kind `json:"kinds"`
	Cases      []*Case          `json:"cases"`
}

type recorder struct {
	client *http.Client
	server string
	record Record
}

const namespace = "record-apply"

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of the plane")
	in := flag.String("in", "record/apply", "the folder with cases.yaml and crds.yaml")
	out := flag.String("out", "", "the file to write")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	client, err := rest.HTTPClientFor(config)
	must(err)
	r := &recorder{client: client, server: config.Host}
	r.prepare(*in)
	var group sync.WaitGroup
	for _, c := range r.record.Cases {
		group.Go(func() { r.run(c) })
	}
	group.Wait()
	must(os.WriteFile(*out, r.text(), 0o644))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (r *recorder) do(method, path, contentType string, body any) (int, object) {
	text, err := json.Marshal(body)
	must(err)
	request, err := http.NewRequest(method, r.server+path, bytes.NewReader(text))
	must(err)
	request.Header.Set("Content-Type", contentType)
	response, err := r.client.Do(request)
	must(err)
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	must(err)
	answer := object{}
	if err := json.Unmarshal(text, &answer); err != nil {
		log.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return response.StatusCode, answer
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	must(err)
	must(yaml.UnmarshalStrict(text, into))
}

// --- preparation

func (r *recorder) prepare(in string) {
	var crds []object
	read(filepath.Join(in, "crds.yaml"), &crds)
	var cases struct {
		Kinds map[string]*Kind
		Cases []*Case
		Bases object // anchors alone
	}
	read(filepath.Join(in, "cases.yaml"), &cases)
	r.record = Record{Components: object{}, Kinds: cases.Kinds, Cases: cases.Cases}
	r.do("POST", "/api/v1/namespaces", "application/json", object{"metadata": object{"name": namespace}})
	r.do("POST", "/api/v1/namespaces/"+namespace+"/serviceaccounts", "application/json",
		object{"metadata": object{"name": "default"}})
	for _, crd := range crds {
		r.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", crd)
		spec := crd["spec"].(object)
		version := spec["versions"].([]any)[0].(object)
		kind := r.record.Kinds[spec["names"].(object)["kind"].(string)]
		kind.Schema = version["schema"].(object)["openAPIV3Schema"]
	}
	for _, kind := range r.record.Kinds {
		if kind.Builtin {
			r.describe(kind)
		}
	}
	for name, kind := range r.record.Kinds {
		for {
			status, _ := r.do("GET", r.path(kind, ""), "", nil)
			if status == 200 {
				break
			}
			log.Printf("%s is not served yet", name)
			time.Sleep(time.Second)
		}
	}
	time.Sleep(2 * time.Second)
}

func (r *recorder) path(kind *Kind, name string) string {
	base := "/apis/" + kind.APIVersion
	if !strings.Contains(kind.APIVersion, "/") {
		base = "/api/" + kind.APIVersion
	}
	path := base + "/namespaces/" + namespace + "/" + kind.Plural
	if name != "" {
		path += "/" + name
	}
	return path
}

// describe takes over the components that the kind's schema needs.
func (r *recorder) describe(kind *Kind) {
	path := "/openapi/v3/apis/" + kind.APIVersion
	if !strings.Contains(kind.APIVersion, "/") {
		path = "/openapi/v3/api/" + kind.APIVersion
	}
	_, document := r.do("GET", path, "", nil)
	all := document["components"].(object)["schemas"].(object)
	var take func(name string)
	var walk func(value any) any
	take = func(name string) {
		if _, known := r.record.Components[name]; known {
			return
		}
		r.record.Components[name] = nil
		r.record.Components[name] = walk(all[name])
	}
	walk = func(value any) any {
		switch value := value.(type) {
		case object:
			copied := object{}
			for key, inner := range value {
				if text, ok := inner.(string); ok && key == "description" && text != "" {
					continue
				}
				if ref, ok := inner.(string); ok && key == "$ref" {
					take(strings.TrimPrefix(ref, "#/components/schemas/"))
				}
				copied[key] = walk(inner)
			}
			return copied
		case []any:
			copied := []any{}
			for _, inner := range value {
				copied = append(copied, walk(inner))
			}
			return copied
		}
		return value
	}
	for name, schema := range all {
		for _, gvk := range list(schema.(object)["x-kubernetes-group-version-kind"]) {
			version := gvk.(object)["version"].(string)
			if group := gvk.(object)["group"].(string); group != "" {
				version = group + "/" + version
			}
			if version == kind.APIVersion && r.record.Kinds[gvk.(object)["kind"].(string)] == kind {
				take(name)
				kind.Schema = object{"$ref": "#/components/schemas/" + name}
			}
		}
	}
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

// --- cases

var contentTypes = map[string]string{
	"merge":     "application/merge-patch+json",
	"strategic": "application/strategic-merge-patch+json",
	"json":      "application/json-patch+json",
	"apply":     "application/apply-patch+yaml",
}

// run does the steps in different seconds, so that the order of entries is told by their times.
func (r *recorder) run(c *Case) {
	kind := r.record.Kinds[c.Kind]
	var live object
	times := map[string]string{}
	for i, step := range c.Steps {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond)))
		query := url.Values{"fieldManager": {step.By}}
		if step.Force {
			query.Set("force", "true")
		}
		at := *kind
		if step.APIVersion != "" {
			at.APIVersion = step.APIVersion
		}
		method, path, contentType, body := "PATCH", r.path(&at, c.Name), contentTypes[step.Do], step.Body
		switch step.Do {
		case "create":
			method, path, contentType, body = "POST", r.path(&at, ""), "application/json", named(c, &at, body)
		case "put":
			method, contentType, body = "PUT", "application/json", merged(live, body)
		case "apply":
			body = named(c, &at, body)
		}
		if step.Subresource != "" {
			path += "/" + step.Subresource
		}
		status, answer := r.do(method, path+"?"+query.Encode(), contentType, body)
		step.Body, step.Status = body, status
		if status >= 300 {
			step.Message, _ = answer["message"].(string)
			if details, ok := answer["details"].(object); ok {
				step.Causes = details["causes"]
			}
			continue
		}
		live = answer
		text, err := json.Marshal(answer)
		must(err)
		step.Object = object{}
		must(json.Unmarshal(text, &step.Object))
		normalise(step.Object, times, i)
	}
	for _, step := range c.Steps {
		if step.Do == "put" || step.Do == "create" {
			body, _ := step.Body.(object)
			normalise(body, times, 0)
		}
	}
}

func named(c *Case, kind *Kind, body any) object {
	named := object{"apiVersion": kind.APIVersion, "kind": c.Kind}
	maps.Copy(named, body.(object))
	metadata := object{"name": c.Name, "namespace": namespace}
	if own, ok := named["metadata"].(object); ok {
		maps.Copy(metadata, own)
	}
	named["metadata"] = metadata
	return named
}

// merged is what a client sends that read the object, changed it and puts it back.
func merged(live object, patch any) object {
	out := maps.Clone(live)
	if out == nil {
		out = object{}
	}
	for key, value := range patch.(object) {
		inner, isObject := value.(object)
		was, wasObject := out[key].(object)
		switch {
		case value == nil:
			delete(out, key)
		case isObject && wasObject:
			out[key] = merged(was, inner)
		default:
			out[key] = value
		}
	}
	return out
}

// normalise makes a second run give the same file: times are the number of the step. Older ones are
// the client's own.
func normalise(o object, times map[string]string, step int) {
	metadata, ok := o["metadata"].(object)
	if !ok {
		return
	}
	for key, value := range map[string]any{"uid": "uid", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"} {
		if metadata[key] != nil {
			metadata[key] = value
		}
	}
	for _, entry := range list(metadata["managedFields"]) {
		at, ok := entry.(object)["time"].(string)
		if !ok || at < "2026-01-02" {
			continue
		}
		if times[at] == "" {
			times[at] = fmt.Sprintf("2026-01-01T00:00:%02dZ", step)
		}
		entry.(object)["time"] = times[at]
	}
}

// text has one line per component, kind and step.
func (r *recorder) text() []byte {
	var out bytes.Buffer
	lines := func(name string, values map[string]any) {
		fmt.Fprintf(&out, "%q: {\n", name)
		for i, key := range slices.Sorted(maps.Keys(values)) {
			if i > 0 {
				out.WriteString(",\n")
			}
			fmt.Fprintf(&out, "%q: %s", key, compact(values[key]))
		}
		out.WriteString("},\n")
	}
	out.WriteString("{")
	lines("components", r.record.Components)
	kinds := map[string]any{}
	for name, kind := range r.record.Kinds {
		kinds[name] = kind
	}
	lines("kinds", kinds)
	out.WriteString("\"cases\": [\n")
	for i, c := range r.record.Cases {
		if i > 0 {
			out.WriteString(",\n")
		}
		fmt.Fprintf(&out, "{\"name\": %q, \"kind\": %q, \"steps\": [", c.Name, c.Kind)
		for j, step := range c.Steps {
			if j > 0 {
				out.WriteString(",")
			}
			fmt.Fprintf(&out, "\n %s", compact(step))
		}
		out.WriteString("]}")
	}
	out.WriteString("]}\n")
	return out.Bytes()
}

func compact(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(value))
	return strings.TrimSpace(out.String())
}
