package differential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// Answer is what a server said to one request, made comparable by settle.go.
type Answer struct {
	Do       string   `json:"do"`
	Code     int      `json:"code"`
	Type     string   `json:"type,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Body     any      `json:"body,omitempty"`
}

// Server is one of the two that are compared.
type Server struct {
	URL      string
	Client   *http.Client
	Settling time.Duration // between the first answer of a new kind and its being known to all of the server
}

// patience is how long the deeds of controllers may take.
const patience = 30 * time.Second

// NewServer is the server that a kubeconfig names.
func NewServer(config *rest.Config) (*Server, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "differential"
	client, err := rest.HTTPClientFor(config)
	return &Server{URL: config.Host, Client: client}, err
}

// Run asks everything, several cases at a time.
func (s *Server) Run(cases []*Case) (map[string][]*Answer, error) {
	if err := s.setup(); err != nil {
		return nil, err
	}
	var (
		all   = map[string][]*Answer{}
		fails []error
		mu    sync.Mutex
		group sync.WaitGroup
		queue = make(chan *Case)
	)
	for range 6 {
		group.Go(func() {
			for c := range queue {
				answers, err := s.RunCase(c)
				mu.Lock()
				all[c.Name] = answers
				if err != nil {
					fails = append(fails, fmt.Errorf("%s: %w", c.Name, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	group.Wait()
	return all, errors.Join(fails...)
}

// setup makes the definitions that cases use, and waits until they are served.
func (s *Server) setup() error {
	text, err := corpus.ReadFile("corpus/setup.yaml")
	if err != nil {
		return err
	}
	var definitions []object
	if err := yaml.Unmarshal(text, &definitions); err != nil {
		return err
	}
	for _, definition := range definitions {
		body, err := json.Marshal(definition)
		if err != nil {
			return err
		}
		res, err := s.Client.Post(s.URL+"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			return fmt.Errorf("setup: %s", answer)
		}
	}
	for _, path := range []string{"v1/widgets", "v2/widgets", "v1/gadgets"} {
		if err := s.await("/apis/differ.example.com/" + path); err != nil {
			return err
		}
	}
	time.Sleep(s.Settling)
	return nil
}

// await asks until the answer is 200.
func (s *Server) await(path string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		res, err := s.Client.Get(s.URL + path)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s does not come about", path)
}

// RunCase asks one case's requests in a new namespace.
func (s *Server) RunCase(c *Case) (answers []*Answer, err error) {
	if err := s.prepare(c.NS); err != nil {
		return nil, err
	}
	run := &run{server: s, of: c, answers: map[string]any{}, settle: newSettler(c.NS)}
	for _, step := range c.Steps {
		answer, err := run.step(step)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.Line, err)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// prepare makes the namespace and waits for its ServiceAccount, without which there are no pods.
func (s *Server) prepare(ns string) error {
	body := strings.NewReader(`{"metadata":{"name":"` + ns + `"}}`)
	res, err := s.Client.Post(s.URL+"/api/v1/namespaces", "application/json", body)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("namespace %s: %s", ns, res.Status)
	}
	return s.await("/api/v1/namespaces/" + ns + "/serviceaccounts/default")
}

type run struct {
	server  *Server
	of      *Case
	answers map[string]any // of the steps that have a name, as they came
	settle  *settler
}

var methods = map[string][2]string{
	"GET": {"GET"}, "HEAD": {"HEAD"}, "POST": {"POST", "application/json"}, "PUT": {"PUT", "application/json"},
	"DELETE": {"DELETE", "application/json"}, "WATCH": {"GET"}, "UNTIL": {"GET"},
	"PATCH":     {"PATCH", "application/json"},
	"json":      {"PATCH", "application/json-patch+json"},
	"merge":     {"PATCH", "application/merge-patch+json"},
	"strategic": {"PATCH", "application/strategic-merge-patch+json"},
	"apply":     {"PATCH", "application/apply-patch+yaml"},
}

var accepts = map[string]string{
	"table":     "application/json;as=Table;v=v1;g=meta.k8s.io",
	"partial":   "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
	"partials":  "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
	"yaml":      "application/yaml",
	"protobuf":  "application/vnd.kubernetes.protobuf",
	"either":    "application/vnd.kubernetes.protobuf,application/json",
	"aggregate": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
}

func (r *run) step(step *Step) (*Answer, error) {
	r.settle.next()
	method, known := methods[step.Verb]
	if !known {
		return nil, fmt.Errorf("no such verb: %s", step.Verb)
	}
	body, err := r.body(step.Body)
	if err != nil {
		return nil, err
	}
	kind := method[1]
	if named := step.Options["type"]; named != "" {
		kind = named
	}
	accept := step.Options["accept"]
	if long := accepts[accept]; long != "" {
		accept = long
	}
	ask := func(limit time.Duration) (*Answer, []byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, method[0], r.server.URL+r.expand(step.Path), strings.NewReader(body))
		if err != nil {
			return nil, nil, err
		}
		if kind != "" && (body != "" || method[0] != "DELETE") {
			request.Header.Set("Content-Type", kind)
		}
		if accept != "" {
			request.Header.Set("Accept", accept)
		}
		return r.ask(request, step)
	}
	limit := patience
	if step.Verb == "WATCH" {
		limit = 5 * time.Second
	}
	answer, text, err := ask(limit)
	if step.Verb == "UNTIL" {
		want, _ := strconv.Atoi(step.Options["code"])
		says := []byte(step.Options["says"])
		early := func() bool { return answer.Code != want || !bytes.Contains(text, says) }
		for end := time.Now().Add(patience); err == nil && early() && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
			answer, text, err = ask(patience)
		}
	}
	if err != nil {
		return nil, err
	}
	answer.Do = step.Line
	if step.Verb == "WATCH" && answer.Code == http.StatusOK {
		answer.Body = r.settle.events(text)
		return answer, nil
	}
	var plain any
	if json.Unmarshal(text, &plain) != nil {
		if strings.Contains(answer.Type, "yaml") && yaml.Unmarshal(text, &plain) == nil {
			answer.Body = r.settle.body(plain)
			return answer, nil
		}
		answer.Body = r.settle.text(string(text))
		return answer, nil
	}
	if step.As != "" {
		r.answers[step.As] = copied(plain)
	}
	answer.Body = r.settle.body(plain)
	return answer, nil
}

func (r *run) ask(request *http.Request, step *Step) (*Answer, []byte, error) {
	res, err := r.server.Client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer := &Answer{Code: res.StatusCode, Type: res.Header.Get("Content-Type")}
	for _, warning := range res.Header["Warning"] {
		answer.Warnings = append(answer.Warnings, r.settle.text(warning))
	}
	if step.Verb == "WATCH" && res.StatusCode == http.StatusOK {
		text, err := r.events(res.Body, step)
		return answer, text, err
	}
	text, err := io.ReadAll(res.Body)
	return answer, text, err
}

// events reads as many as are expected, or until the server ends the watch.
func (r *run) events(body io.Reader, step *Step) ([]byte, error) {
	want, _ := strconv.Atoi(step.Options["events"])
	decoder := json.NewDecoder(body)
	var all []json.RawMessage
	for want == 0 || len(all) < want {
		var one json.RawMessage
		if err := decoder.Decode(&one); err != nil {
			break // ended, or nothing more came in time: the record says how many there were
		}
		all = append(all, one)
	}
	return json.Marshal(all)
}

// --- what bodies and paths are made of

var word = regexp.MustCompile(`\$([a-z]+)(?:\.(uid|rv|continue|name))?`)

// expand puts in the case's words, and what earlier answers said: $a.rv.
func (r *run) expand(text string) string {
	return word.ReplaceAllStringFunc(text, func(found string) string {
		parts := word.FindStringSubmatch(found)
		if value, ok := r.of.words[parts[1]]; ok && parts[2] == "" {
			return value
		}
		answer, _ := r.answers[parts[1]].(object)
		metadata, _ := answer["metadata"].(object)
		key := map[string]string{"rv": "resourceVersion"}[parts[2]]
		if key == "" {
			key = parts[2]
		}
		if value, ok := metadata[key].(string); ok {
			return value
		}
		return found
	})
}

var summand = regexp.MustCompile(`^\$([a-z]+)(?:\+|$)`)

// body: text as it is after '<', else the sum of JSON and of words for objects: $object+{...}.
func (r *run) body(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if raw, found := strings.CutPrefix(text, "<"); found {
		return r.expand(strings.ReplaceAll(raw, `\n`, "\n")), nil
	}
	var sum any
	for text != "" {
		var next any
		if found := summand.FindStringSubmatch(text); found != nil {
			known, err := r.named(found[1])
			if err != nil {
				return "", err
			}
			next, text = copied(known), text[len(found[0]):]
		} else {
			decoder := json.NewDecoder(strings.NewReader(r.expand(text)))
			if err := decoder.Decode(&next); err != nil {
				return "", fmt.Errorf("%w in %s", err, text)
			}
			text = ""
		}
		sum = merged(sum, next)
	}
	out, err := json.Marshal(sum)
	return string(out), err
}

func (r *run) named(name string) (any, error) {
	if answer, ok := r.answers[name]; ok {
		return answer, nil
	}
	if r.of.kind != nil {
		part := map[string]object{"object": r.of.kind.Object, "change": r.of.kind.Change, "bad": r.of.kind.Bad,
			"fixed": r.of.kind.Fixed, "status": r.of.kind.Status}[name]
		if part != nil {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			var fresh any
			return fresh, json.Unmarshal([]byte(r.expand(string(text))), &fresh)
		}
	}
	return nil, fmt.Errorf("nothing is called %s here", name)
}

// merged is a merge patch's work.
func merged(base, patch any) any {
	from, isObject := patch.(object)
	into, wasObject := base.(object)
	if !isObject {
		return patch
	}
	if !wasObject {
		if base == nil {
			return patch // nulls included: they may be what is to be sent
		}
		into = object{}
	}
	into = maps.Clone(into)
	for key, value := range from {
		if value == nil {
			delete(into, key)
		} else {
			into[key] = merged(into[key], value)
		}
	}
	return into
}

func copied(value any) any {
	var out any
	text, err := json.Marshal(value)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		err = decoder.Decode(&out)
	}
	if err != nil {
		panic(err)
	}
	return out
}
