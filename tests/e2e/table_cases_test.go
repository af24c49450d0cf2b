package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"moonlet.dev/e2e/harness"
)

// What the real server writes into Tables is recorded in a file that a test of
// host/apiserver/table.h replays. This test says whether the file is still true; with
// MOONLET_RECORD=1 it writes the file anew.

// Ages are relative: in the record it is always this time, and all was made seven seconds ago.
var (
	tableNow     = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	tableCreated = tableNow.Add(-7 * time.Second).Format(time.RFC3339)
	tableAgo     = regexp.MustCompile(`@-([0-9hms]+)(\.0+)?`)
	tableYoung   = regexp.MustCompile(`^[0-9]+s$`)
	tableMade    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|kube-api-access-[a-z0-9]{5}`)
)

type tableCase struct {
	Resource string           `json:"resource"` // "apps/v1/deployments"
	Columns  []map[string]any `json:"columns"`
	Cells    []any            `json:"cells"`
	Notes    any              `json:"conditions,omitempty"`
	Object   map[string]any   `json:"object"`
}

var tableClusterScoped = map[string]bool{
	"Node": true, "PersistentVolume": true, "IngressClass": true, "ClusterRole": true, "ClusterRoleBinding": true,
	"CustomResourceDefinition": true, "ValidatingWebhookConfiguration": true, "MutatingWebhookConfiguration": true,
	"StorageClass": true, "PriorityClass": true, "RuntimeClass": true, "CertificateSigningRequest": true,
}

func tableRequest(t *testing.T) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	return base64.StdEncoding.EncodeToString(text)
}

// tableClock turns @-5h into times, and remembers what they are in the record.
func tableClock(text string, now time.Time, again map[string]string) string {
	return tableAgo.ReplaceAllStringFunc(text, func(mark string) string {
		parts := tableAgo.FindStringSubmatch(mark)
		ago, _ := time.ParseDuration(parts[1])
		form := "2006-01-02T15:04:05Z"
		if parts[2] != "" {
			form = "2006-01-02T15:04:05.000000Z"
		}
		real := now.Add(-ago).Format(form)
		again[real] = tableNow.Add(-ago).Format(form)
		return real
	})
}

func tablePut(t *testing.T, env *harness.Env, object *unstructured.Unstructured) (client resourceClient, resource string) {
	gvr := harness.Resource(object.GetAPIVersion(), object.GetKind())
	if gvr.Resource == "endpointses" {
		gvr.Resource = "endpoints"
	}
	client = env.Dynamic.Resource(gvr).Namespace(env.NS)
	if tableClusterScoped[object.GetKind()] {
		client = env.Dynamic.Resource(gvr)
	}
	name, status := object.GetName(), object.Object["status"]
	harness.Eventually(t, "create "+object.GetKind()+" "+name, func() error {
		_, err := client.Create(harness.Background(), object.DeepCopy(), meta.CreateOptions{})
		return err
	})
	t.Cleanup(func() {
		zero := int64(0)
		_, _ = client.Patch(harness.Background(), name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), meta.PatchOptions{})
		_ = client.Delete(harness.Background(), name, meta.DeleteOptions{GracePeriodSeconds: &zero})
	})
	if status != nil && object.GetKind() != "Table" {
		patch, _ := json.Marshal(map[string]any{"status": status})
		if _, err := client.Patch(harness.Background(), name, types.MergePatchType, patch, meta.PatchOptions{}, "status"); err != nil {
			t.Fatalf("%s %s: %v", object.GetKind(), name, err)
		}
	}
	if len(object.GetFinalizers()) > 0 {
		if err := client.Delete(harness.Background(), name, meta.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return client, object.GetAPIVersion() + "/" + gvr.Resource
}

func tableGet(t *testing.T, env *harness.Env, object *unstructured.Unstructured, resource string) (one tableCase) {
	path := "/apis/" + resource
	if strings.Count(resource, "/") == 1 {
		path = "/api/" + resource
	}
	if !tableClusterScoped[object.GetKind()] {
		at := strings.LastIndex(path, "/")
		path = path[:at] + "/namespaces/" + env.NS + path[at:]
	}
	raw, err := env.Kube.Discovery().RESTClient().Get().AbsPath(path+"/"+object.GetName()).
		Param("includeObject", "Object").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(harness.Background())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var table struct {
		ColumnDefinitions []map[string]any
		Rows              []struct {
			Cells      []any
			Conditions any
			Object     map[string]any
		}
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	row := table.Rows[0]
	for _, column := range table.ColumnDefinitions {
		if object.GetKind() != "Table" || column["name"] == "Name" {
			delete(column, "description") // their sentences are not ours
		}
	}
	return tableCase{resource, table.ColumnDefinitions, row.Cells, row.Conditions, row.Object}
}

// settle makes the record the same from run to run.
func (one *tableCase) settle(env *harness.Env, again map[string]string) {
	m := one.Object["metadata"].(map[string]any)
	for _, key := range []string{"managedFields", "resourceVersion", "generation", "uid", "namespace"} {
		delete(m, key)
	}
	again[m["creationTimestamp"].(string)] = tableCreated
	m["creationTimestamp"] = tableCreated
	if m["deletionTimestamp"] != nil {
		m["deletionTimestamp"] = tableCreated
	}
	if spec, ok := one.Object["spec"].(map[string]any); ok {
		delete(spec, "request")
	}
	for i, cell := range one.Cells {
		text, _ := cell.(string)
		if name := one.Columns[i]["name"]; (name == "Age" || name == "Last Seen" || name == "First Seen") && tableYoung.MatchString(text) {
			one.Cells[i] = "7s"
		}
	}
	text, _ := json.Marshal(one)
	for real, fixed := range again {
		text = bytes.ReplaceAll(text, []byte(real), []byte(fixed))
	}
	text = bytes.ReplaceAll(text, []byte(env.NS), []byte("default"))
	text = tableMade.ReplaceAll(text, []byte("made"))
	*one = tableCase{}
	_ = json.Unmarshal(text, one)
}

func TestTableCasesAreWhatTheServerWrites(t *testing.T) {
	env := harness.New(t)
	path := filepath.Join(harness.Root(), "tests/host/apiserver/table_cases.json")
	var now bytes.Buffer
	now.WriteString("[\n")
	documents := strings.Split(strings.TrimSpace(tableObjects), "\n---\n")
	for i, text := range documents {
		again := map[string]string{}
		text = tableClock(text, time.Now().UTC(), again)
		text = strings.NewReplacer("REQUEST", tableRequest(t), "NAMESPACE", env.NS).Replace(text)
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		_, resource := tablePut(t, env, object)
		one := tableGet(t, env, object, resource)
		one.settle(env, again)
		line, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		now.Write(line)
		now.WriteString(map[bool]string{true: "\n", false: ",\n"}[i == len(documents)-1])
	}
	now.WriteString("]\n")
	if os.Getenv("MOONLET_RECORD") != "" {
		if err := os.WriteFile(path, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was, is := tableRows(t, recorded), tableRows(t, now.Bytes())
	for i := range is {
		if i >= len(was) || was[i] != is[i] {
			t.Fatalf("case %d of %s is no longer what the server writes (MOONLET_RECORD=1 records it):\n%s", i, path, is[i])
		}
	}
}

// tableRows leaves out the objects: a controller may have had its say in between.
func tableRows(t *testing.T, record []byte) (rows []string) {
	var cases []tableCase
	if err := json.Unmarshal(record, &cases); err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		if one.Resource == "v1/persistentvolumes" {
			rows = append(rows, one.Resource) // its phase is the controller's, too
			continue
		}
		one.Object = nil
		text, _ := json.Marshal(one)
		rows = append(rows, string(text))
	}
	return rows
}
