package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"moonlet.dev/e2e/harness"
)

const twoVersions = `
local moonlet = require "moonlet"
local s = require "moonlet.schema"
return moonlet.resource {
  group = "%[1]s", kind = "Tale",
  versions = {
    v1 = { %[2]s spec = s.object { text = s.string() } },
    v2 = { %[3]s spec = s.object { words = s.string() } },
  },
  convert = {
    ["v1->v2"] = function(obj) obj.spec = { words = obj.spec.text } end,
    ["v2->v1"] = function(obj) obj.spec = { text = obj.spec.words } end,
  },
}`

func storedVersions(t *testing.T, env *harness.Env, crd string) string {
	t.Helper()
	resource := harness.Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")
	object, err := env.Dynamic.Resource(resource).Get(harness.Background(), crd, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedStringSlice(object.Object, "status", "storedVersions")
	return strings.Join(versions, ",")
}

func migrate(t *testing.T, env *harness.Env, crds ...string) (string, error) {
	t.Helper()
	config := env.Kubeconfig(harness.Connection{})
	out, err := exec.Command(harness.Binary(),
		append([]string{"migrate", "--kubeconfig", config}, crds...)...).CombinedOutput()
	return string(out), err
}

func TestMigrateStoresEveryObjectInTheStorageVersion(t *testing.T) {
	env := harness.New(t)
	group := strings.ReplaceAll(env.NS, "-", "") + ".example.com"
	crd := "tales." + group
	const storage = "storage = true,"
	host := env.Run(harness.Files{"tales.lua": fmt.Sprintf(twoVersions, group, storage, "")},
		"--webhook-bind-address=127.0.0.1:0")
	host.EventuallyLogs("running")
	if out, err := migrate(t, env, "nothing.example.com"); err == nil || !strings.Contains(out, "not found") {
		t.Fatalf("a CRD that is not there: %v, %s", err, out)
	}
	tale := func(i int) string {
		return fmt.Sprintf("apiVersion: %s/v1\nkind: Tale\nmetadata: {name: tale-%d}\nspec: {text: \"%d\"}\n",
			group, i, i)
	}
	for i := 0; i < 300; i++ { // more than a page
		env.Apply(tale(i))
	}
	host.Write("tales.lua", fmt.Sprintf(twoVersions, group, "", storage))
	harness.Eventually(t, "v2 is the storage version", func() error {
		if stored := storedVersions(t, env, crd); stored != "v1,v2" {
			return fmt.Errorf("stored versions %s", stored)
		}
		return nil
	})
	before, err := env.Object(group+"/v2", "Tale", "tale-7")
	if err != nil {
		t.Fatal(err)
	}
	out, err := migrate(t, env, crd)
	if err != nil || !strings.Contains(out, "300 objects are stored as v2") {
		t.Fatalf("%v: %s", err, out)
	}
	if stored := storedVersions(t, env, crd); stored != "v2" {
		t.Fatalf("stored versions after the migration: %s", stored)
	}
	after, err := env.Object(group+"/v2", "Tale", "tale-7")
	if err != nil {
		t.Fatal(err)
	}
	if after.GetResourceVersion() == before.GetResourceVersion() {
		t.Fatal("the object was not written anew")
	}
	if words, _, _ := unstructured.NestedString(after.Object, "spec", "words"); words != "7" {
		t.Fatalf("words %q after the migration", words)
	}
	if out, err = migrate(t, env, crd); err != nil || !strings.Contains(out, "already") {
		t.Fatalf("a second migration: %v, %s", err, out)
	}
}
