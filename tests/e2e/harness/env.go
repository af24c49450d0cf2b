package harness

import (
	"fmt"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Patience is how long Eventually waits. The garbage collector looks for new kinds twice a minute, and looks
// again when one of those it knows has just gone; two backoffs of a watch take up to a minute.
const Patience = 2 * time.Minute

// Env is one test's share of the plane: a namespace of its own, and a user for its moonlet.
type Env struct {
	*Plane
	T    testing.TB
	NS   string
	User string // the name of moonlet's ServiceAccount in the audit log
}

// New makes the namespace and the user; the user may do everything until Restrict.
func New(t testing.TB) *Env {
	t.Helper()
	if plane == nil {
		t.Skip("SKIPPED: " + absence)
	}
	ns, err := plane.Kube.CoreV1().Namespaces().Create(Background(),
		&core.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: "e2e-"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Plane: plane, T: t, NS: ns.Name, User: "system:serviceaccount:" + ns.Name + ":moonlet"}
	t.Cleanup(func() {
		_ = e.Kube.CoreV1().Namespaces().Delete(Background(), e.NS, meta.DeleteOptions{})
		_ = e.Kube.RbacV1().ClusterRoleBindings().Delete(Background(), e.NS, meta.DeleteOptions{})
		_ = e.Kube.RbacV1().ClusterRoles().Delete(Background(), e.NS, meta.DeleteOptions{})
	})
	_, err = e.Kube.CoreV1().ServiceAccounts(e.NS).Create(Background(),
		&core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: "moonlet"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e.bind("cluster-admin")
	return e
}

func (e *Env) bind(role string) {
	e.T.Helper()
	_ = e.Kube.RbacV1().ClusterRoleBindings().Delete(Background(), e.NS, meta.DeleteOptions{})
	_, err := e.Kube.RbacV1().ClusterRoleBindings().Create(Background(), &rbac.ClusterRoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: e.NS},
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbac.Subject{{Kind: "ServiceAccount", Namespace: e.NS, Name: "moonlet"}},
	}, meta.CreateOptions{})
	if err != nil {
		e.T.Fatal(err)
	}
}

// Restrict leaves moonlet's user these rules and nothing else.
func (e *Env) Restrict(rules ...rbac.PolicyRule) {
	e.T.Helper()
	_ = e.Kube.RbacV1().ClusterRoles().Delete(Background(), e.NS, meta.DeleteOptions{})
	_, err := e.Kube.RbacV1().ClusterRoles().Create(Background(),
		&rbac.ClusterRole{ObjectMeta: meta.ObjectMeta{Name: e.NS}, Rules: rules}, meta.CreateOptions{})
	if err != nil {
		e.T.Fatal(err)
	}
	e.bind(e.NS)
}

// Token is a token of moonlet's user. With boundTo, the name of a Secret, it dies with that Secret
// (within the ten seconds that the API server remembers an answer).
func (e *Env) Token(boundTo string) string {
	e.T.Helper()
	hour := int64(3600)
	spec := authentication.TokenRequestSpec{ExpirationSeconds: &hour}
	if boundTo != "" {
		secret, err := e.Kube.CoreV1().Secrets(e.NS).Create(Background(),
			&core.Secret{ObjectMeta: meta.ObjectMeta{Name: boundTo}}, meta.CreateOptions{})
		if err != nil {
			e.T.Fatal(err)
		}
		spec.BoundObjectRef = &authentication.BoundObjectReference{
			APIVersion: "v1", Kind: "Secret", Name: boundTo, UID: secret.UID}
	}
	res, err := e.Kube.CoreV1().ServiceAccounts(e.NS).CreateToken(Background(), "moonlet",
		&authentication.TokenRequest{Spec: spec}, meta.CreateOptions{})
	if err != nil {
		e.T.Fatal(err)
	}
	return res.Status.Token
}

// Requests is what moonlet asked of the API server since the namespace was made.
func (e *Env) Requests() Requests { return e.Plane.Requests(e.T, e.User) }

// Apply creates or updates objects from YAML, as the judge; namespace NS unless they name one.
func (e *Env) Apply(text string) {
	e.T.Helper()
	for _, doc := range strings.Split(text, "\n---\n") {
		obj := e.parse(doc)
		Eventually(e.T, "apply "+obj.GetKind()+" "+obj.GetName(), func() error { return e.apply(obj) })
	}
}

// TryApply is Apply of one object, once.
func (e *Env) TryApply(text string) error { return e.apply(e.parse(text)) }

func (e *Env) apply(obj *unstructured.Unstructured) error {
	_, err := e.resource(obj).Apply(Background(), obj.GetName(), obj,
		meta.ApplyOptions{FieldManager: "judge", Force: true})
	return err
}

func (e *Env) parse(doc string) *unstructured.Unstructured {
	e.T.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &obj.Object); err != nil {
		e.T.Fatal(err)
	}
	return obj
}

func (e *Env) resource(obj *unstructured.Unstructured) resourceInterface {
	gvr := Resource(obj.GetAPIVersion(), obj.GetKind())
	switch obj.GetKind() {
	case "Node", "Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "Tenant",
		"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		return e.Dynamic.Resource(gvr)
	}
	if obj.GetNamespace() == "" {
		obj.SetNamespace(e.NS)
	}
	return e.Dynamic.Resource(gvr).Namespace(obj.GetNamespace())
}

// Resource guesses the plural of a kind as Kubebuilder does.
func Resource(apiVersion, kind string) schema.GroupVersionResource {
	gv, _ := schema.ParseGroupVersion(apiVersion)
	name := strings.ToLower(kind)
	switch {
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "ch"):
		name += "es"
	case strings.HasSuffix(name, "y"):
		name = strings.TrimSuffix(name, "y") + "ies"
	default:
		name += "s"
	}
	return gv.WithResource(name)
}

// Object is the object "apiVersion/Kind" called name in the test's namespace.
func (e *Env) Object(apiVersion, kind, name string) (*unstructured.Unstructured, error) {
	return e.Dynamic.Resource(Resource(apiVersion, kind)).Namespace(e.NS).Get(Background(), name, meta.GetOptions{})
}

// Delete deletes that object in the background, as kubectl does.
func (e *Env) Delete(apiVersion, kind, name string) {
	e.T.Helper()
	background := meta.DeletePropagationBackground
	err := e.Dynamic.Resource(Resource(apiVersion, kind)).Namespace(e.NS).Delete(Background(), name,
		meta.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		e.T.Fatal(err)
	}
}

// ConfigMap makes or changes a ConfigMap.
func (e *Env) ConfigMap(name string, data map[string]string) {
	e.T.Helper()
	text, _ := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name}, "data": data})
	e.Apply(string(text))
}

// EventuallyData waits until the ConfigMap says want under key.
func (e *Env) EventuallyData(name, key, want string) {
	e.T.Helper()
	Eventually(e.T, fmt.Sprintf("ConfigMap %s has %s=%s", name, key, want), func() error {
		cm, err := e.Kube.CoreV1().ConfigMaps(e.NS).Get(Background(), name, meta.GetOptions{})
		if err != nil {
			return err
		}
		if cm.Data[key] != want {
			return fmt.Errorf("%s=%q", key, cm.Data[key])
		}
		return nil
	})
}

// EventuallyGone waits until the object is not there.
func (e *Env) EventuallyGone(apiVersion, kind, name string) {
	e.T.Helper()
	Eventually(e.T, kind+" "+name+" is gone", func() error {
		_, err := e.Object(apiVersion, kind, name)
		if isNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there (%v)", err)
	})
}

// Eventually polls until cond answers nil, and fails with its last error.
func Eventually(t testing.TB, what string, cond func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = cond(); err == nil {
			return
		}
	}
	t.Fatalf("never: %s: %v", what, err)
}

// Never is for what must not happen: it looks for a while and fails at once when cond is not nil.
func Never(t testing.TB, what string, d time.Duration, cond func() error) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := cond(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
