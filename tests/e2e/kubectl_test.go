package e2e

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moonlet.dev/e2e/harness"
)

// kubectl, as people use it, against the embedded API server.

const kubectlDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.sea.example.com}
spec:
  group: sea.example.com
  scope: Namespaced
  names: {plural: boats, kind: Boat, shortNames: [bt], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.crew, statusReplicasPath: .status.crew}}
    additionalPrinterColumns: [{name: Crew, type: integer, jsonPath: .spec.crew}]
    schema:
      openAPIV3Schema:
        type: object
        description: something that floats
        properties:
          spec:
            type: object
            required: [crew]
            properties: {crew: {type: integer, minimum: 1, description: how many sail it}}
          status: {type: object, properties: {crew: {type: integer}}}
`

const kubectlObjects = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: example.com/web}]}}
`

type kubectl struct {
	t      *testing.T
	binary string
	dev    *harness.Dev
	home   string
}

func newKubectl(t *testing.T) *kubectl {
	out, err := exec.Command(filepath.Join(harness.Root(), "tests", "plane", "plane"), "bin").Output()
	if err != nil {
		t.Skip("SKIPPED: no kubectl: ", err)
	}
	return &kubectl{t, filepath.Join(strings.TrimSpace(string(out)), "kubectl"), harness.NewDev(t), t.TempDir()}
}

// try runs kubectl with a text on its standard input.
func (k *kubectl) try(input string, args ...string) (string, error) {
	cmd := exec.Command(k.binary, append([]string{"--kubeconfig", k.dev.Kubeconfig, "--cache-dir", k.home}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+k.home, "KUBE_EDITOR=sed -i s/colour:/shade:/")
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// says fails unless kubectl succeeds and prints every word.
func (k *kubectl) says(input, words string, args ...string) {
	k.t.Helper()
	out, err := k.try(input, args...)
	if err != nil {
		k.t.Errorf("kubectl %v: %v\n%s", args, err, out)
	}
	k.contains(out, words, args)
}

// refuses fails unless kubectl fails with every word.
func (k *kubectl) refuses(input, words string, args ...string) {
	k.t.Helper()
	out, err := k.try(input, args...)
	if err == nil {
		k.t.Errorf("kubectl %v succeeds:\n%s", args, out)
	}
	k.contains(out, words, args)
}

func (k *kubectl) contains(out, words string, args []string) {
	k.t.Helper()
	for _, word := range strings.Split(words, "|") {
		if !strings.Contains(out, word) {
			k.t.Errorf("kubectl %v does not say %q but:\n%s", args, word, out)
		}
	}
}

func TestKubectlWorksOnTheEmbeddedServer(t *testing.T) {
	k := newKubectl(t)
	k.says(kubectlDefinition, "boats.sea.example.com created", "apply", "-f", "-")
	k.says("", "condition met", "wait", "--for=condition=Established", "crd/boats.sea.example.com", "--timeout=20s")
	k.says(kubectlObjects, "configmap/settings created|deployment.apps/web created", "apply", "-f", "-")
	k.says(kubectlObjects, "configmap/settings unchanged|deployment.apps/web unchanged", "apply", "-f", "-")
	green := strings.Replace(kubectlObjects, "blue", "green", 1)
	k.refuses(green, "-  colour: blue|+  colour: green", "diff", "-f", "-") // 1: there are differences
	k.says(green, "configmap/settings configured|web unchanged", "apply", "-f", "-")
	k.says(green, "configmap/settings serverside-applied", "apply", "--server-side", "--force-conflicts", "-f", "-")
	k.refuses(strings.Replace(strings.Split(green, "---")[0], "\ndata:", "\ndat:", 1), `unknown field "dat"`, "apply", "-f", "-")

	boat := `{"apiVersion":"sea.example.com/v1","kind":"Boat","metadata":{"name":"b"},"spec":{"crew":2}}`
	k.says(boat, "boat.sea.example.com/b created", "create", "-f", "-")
	k.refuses(boat, "AlreadyExists", "create", "-f", "-")
	k.refuses(strings.Replace(boat, "2}", "0}", 1), "spec.crew: Invalid value: 0: spec.crew in body should be greater than or equal to 1", "apply", "-f", "-")
	k.says("", "NAME   CREW\nb      2", "get", "bt")
	k.says("", "boat.sea.example.com/b|deployment.apps/web", "get", "all")
	k.says("", "NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS|app=web", "get", "deployment", "-o", "wide")
	k.says("", `"colour": "green"`, "get", "cm", "settings", "-o", "json")
	k.says("", "green", "get", "cm", "settings", "-o", "jsonpath={.data.colour}")
	k.refuses("", `(NotFound): configmaps "nothing" not found`, "get", "cm", "nothing")
	k.refuses("", `doesn't have a resource type "nothings"`, "get", "nothings")

	k.says("", "boat.sea.example.com/b scaled", "scale", "--replicas=5", "boat/b")
	k.says("", "deployment.apps/web scaled", "scale", "--current-replicas=1", "--replicas=3", "deployment/web")
	k.refuses("", "Expected replicas to be 1, was 3", "scale", "--current-replicas=1", "--replicas=4", "deployment/web")
	k.says("", "labeled", "label", "cm", "settings", "tier=back")
	k.refuses("", "'tier' already has a value", "label", "cm", "settings", "tier=front")
	k.says("", "settings", "get", "cm", "-l", "tier=back", "-o", "name")
	k.says("", "annotated", "annotate", "cm", "settings", "note=hello")
	k.says("", "patched", "patch", "deployment", "web", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example.com/web:2"}]}}}}`)
	k.says("", "patched", "patch", "boat", "b", "--type=merge", "--subresource=status", "-p", `{"status":{"crew":5}}`)
	k.says("", "patched", "patch", "cm", "settings", "--type=json", "-p", `[{"op":"add","path":"/data/size","value":"9"}]`)
	k.says("", "image updated", "set", "image", "deployment/web", "web=example.com/web:3")
	k.says("", "restarted", "rollout", "restart", "deployment/web")
	k.says("", "edited", "edit", "cm", "settings")
	k.says("", "shade:\n----\ngreen|Labels:       tier=back|note: hello", "describe", "cm", "settings")
	k.says("", "Replicas:               3 desired|example.com/web:3|StrategyType:           RollingUpdate", "describe", "deployment", "web")
	k.says("", "Crew:  5", "describe", "boat", "b")

	k.says("", "FIELD: crew <integer>|how many sail it", "explain", "boat.spec.crew")
	k.says("", "rollingUpdate", "explain", "deployment.spec.strategy")
	k.says("", "boats|bt|sea.example.com/v1|deployments", "api-resources")
	k.says("", "sea.example.com/v1\n|apps/v1\n", "api-versions")
	k.says("", "Server Version: v1.36", "version")

	k.says(k.made("namespace", "town"), "namespace/town created", "apply", "-f", "-")
	k.says(k.made("secret", "generic", "key", "--from-literal=a=b"), "created", "apply", "-n", "town", "-f", "-")
	k.says(k.made("configmap", "dry"), "configmap/dry created (server dry run)", "apply", "--dry-run=server", "-f", "-")
	k.says("", "created", "run", "p", "--image=example.com/p", "-n", "town")
	k.says("", "condition met", "wait", "--for=jsonpath={.status.phase}=Pending", "pod/p", "-n", "town", "--timeout=20s")
	k.says("", `pod "p" deleted`, "delete", "pod", "p", "-n", "town", "--timeout=20s")
	k.says("", `namespace "town" deleted`, "delete", "namespace", "town", "--timeout=20s")
	k.says("", "deleted", "delete", "deployment", "web", "--cascade=foreground", "--timeout=20s")
	k.says("", "deleted", "delete", "crd", "boats.sea.example.com", "--timeout=20s")
	k.refuses("", "not", "get", "boat")

	k.commandsThatSpeakProtobuf()
}

// commandsThatSpeakProtobuf are those for which kubectl has nothing but typed clients.
func (k *kubectl) commandsThatSpeakProtobuf() {
	k.t.Helper()
	k.says("", "namespace/port created", "create", "namespace", "port")
	k.refuses("", `(AlreadyExists): namespaces "port" already exists`, "create", "namespace", "port")
	in := func(input, words string, args ...string) {
		k.t.Helper()
		k.says(input, words, append(args, "-n", "port")...)
	}
	in("", "configmap/map created", "create", "configmap", "map", "--from-literal=a=b")
	in("", `{"a":"b"}`, "get", "configmap", "map", "-o", "jsonpath={.data}")
	in("", "secret/key created", "create", "secret", "generic", "key", "--from-literal=a=b")
	in("", `{"a":"Yg=="}`, "get", "secret", "key", "-o", "jsonpath={.data}")
	in("", "deployment.apps/web created", "create", "deployment", "web", "--image=example.com/web", "--replicas=2", "--port=80")
	in("", "2 example.com/web 80", "get", "deployment", "web", "-o",
		"jsonpath={.spec.replicas} {..containers[0].image} {..containers[0].ports[0].containerPort}")
	in("", "service/web exposed", "expose", "deployment", "web", "--port=80", "--target-port=8080")
	in("", "service/other created", "create", "service", "clusterip", "other", "--tcp=5678:8080")
	in("", "pod/alone created", "run", "alone", "--image=example.com/p")
	in("", "created", "create", "job", "once", "--image=example.com/p")
	in("", "created", "create", "cronjob", "often", "--image=example.com/p", "--schedule=* * * * *")
	in("", "created", "create", "ingress", "way", "--rule=example.com/=web:80")
	in("", "created", "create", "role", "reader", "--verb=get", "--resource=pods")
	in("", "created", "create", "rolebinding", "readers", "--role=reader", "--serviceaccount=port:default")
	in("", "created", "create", "quota", "few", "--hard=cpu=1,memory=1G")
	in("", "created", "create", "poddisruptionbudget", "most", "--selector=app=web", "--min-available=50%")
	in("", "created", "create", "serviceaccount", "robot")
	in("", "(server dry run)", "create", "configmap", "dry", "--dry-run=server")
	in("", `pod "alone" deleted`, "delete", "pod", "alone", "--dry-run=server")
	k.tokenIsAWayIn()
	in("", "yes", "auth", "can-i", "delete", "pods")
	in("", "kubernetes-admin|system:masters", "auth", "whoami")
	in("", "system:serviceaccount:port:robot|system:serviceaccounts:port", "auth", "whoami", "--as=system:serviceaccount:port:robot")
	k.says("", `namespace "port" deleted`, "delete", "namespace", "port", "--timeout=20s")
}

// tokenIsAWayIn shows the token of a service account, and one that somebody has changed.
func (k *kubectl) tokenIsAWayIn() {
	k.t.Helper()
	out, err := k.try("", "create", "token", "robot", "-n", "port", "--duration=10m")
	token := strings.TrimSpace(out)
	if err != nil || strings.Count(token, ".") != 2 {
		k.t.Errorf("create token: %v\n%s", err, out)
		return
	}
	k.says("", "system:serviceaccount:port:robot|system:serviceaccounts system:serviceaccounts:port system:authenticated",
		"auth", "whoami", "--token="+token)
	k.says("", "configmap/map", "get", "configmaps", "-n", "port", "-o", "name", "--token="+token)
	claims := strings.Split(token, ".")[1]
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(decode(k.t, claims), ":robot", ":admin", 1)))
	k.refuses("", "(Unauthorized)", "auth", "whoami", "--token="+strings.Replace(token, claims, forged, 1))
	k.says("", "deleted", "delete", "serviceaccount", "robot", "-n", "port")
	k.refuses("", "(Unauthorized)", "auth", "whoami", "--token="+token)
}

func decode(t *testing.T, part string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// made is what `kubectl create` would send, as YAML for apply.
func (k *kubectl) made(args ...string) string {
	k.t.Helper()
	out, err := k.try("", append(append([]string{"create"}, args...), "--dry-run=client", "-o", "yaml")...)
	if err != nil {
		k.t.Errorf("kubectl create %v: %v\n%s", args, err, out)
	}
	return out
}
