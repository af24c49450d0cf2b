package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"moonlet.dev/e2e/harness"
)

// The smallest controller that writes: ConfigMap NAME with the label copy=yes becomes NAME-copy,
// whose data also says which version of the file wrote it.
func copier(version string) string {
	return fmt.Sprintf(`
local moonlet = require "moonlet"

return moonlet.controller {
  name = "copier",
  resource = { "v1/ConfigMap", labels = "copy=yes" },
  writes = { "v1/ConfigMap" },
  retry = { base = "20ms", max = "200ms" },
  reconcile = function(map, ctx)
    ctx:apply({
      apiVersion = "v1", kind = "ConfigMap",
      metadata = { name = map.metadata.name .. "-copy" },
      data = { value = map.data.value, version = %q },
    }, { create = true })
  end,
}
`, version)
}

const widgetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.e2e.moonlet.dev}
spec:
  group: e2e.moonlet.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// Widget NAME becomes ConfigMap NAME with spec.value.
const widgets = `
local moonlet = require "moonlet"

return moonlet.controller {
  name = "widgets",
  resource = "e2e.moonlet.dev/v1/Widget",
  owns = { "v1/ConfigMap" },
  reconcile = function(widget, ctx)
    ctx:apply {
      apiVersion = "v1", kind = "ConfigMap", metadata = { name = widget.metadata.name },
      data = { value = widget.spec.value },
    }
  end,
}
`

func widget(name, value string) string {
	return fmt.Sprintf("apiVersion: e2e.moonlet.dev/v1\nkind: Widget\nmetadata: {name: %s}\nspec: {value: %q}\n", name, value)
}

func source(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {copy: \"yes\"}}\ndata: {value: %q}\n", name, value)
}

// shipped reads a controller as users get it: controllers/NAME.lua, or the folder controllers/NAME.
func shipped(t *testing.T, name string) harness.Files { return from(t, "controllers", name) }

func example(t *testing.T, name string) harness.Files { return from(t, "examples", name) }

func merged(sets ...harness.Files) harness.Files {
	all := harness.Files{}
	for _, files := range sets {
		for name, text := range files {
			all[name] = text
		}
	}
	return all
}

func from(t *testing.T, folder, name string) harness.Files {
	t.Helper()
	files := harness.Files{}
	root := filepath.Join(harness.Root(), folder)
	if text, err := os.ReadFile(filepath.Join(root, name+".lua")); err == nil {
		files[name+".lua"] = string(text)
		return files
	}
	found, _ := filepath.Glob(filepath.Join(root, name, "*.lua"))
	for _, path := range found {
		if strings.HasSuffix(path, "_test.lua") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(name, filepath.Base(path))] = string(text)
	}
	if len(files) == 0 {
		t.Fatal("there is no " + folder + "/" + name)
	}
	return files
}

func configMap(name string) *core.ConfigMap {
	return &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}}
}
