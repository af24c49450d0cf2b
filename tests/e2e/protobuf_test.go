package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"moonlet.dev/e2e/harness"
)

const protobufType = "application/vnd.kubernetes.protobuf"

func protobufConfig(dev *harness.Dev) *rest.Config {
	config := rest.CopyConfig(dev.Config)
	config.ContentType, config.AcceptContentTypes = protobufType, protobufType+",application/json"
	return config
}

// A typed client as people set it up for built-in kinds: it writes protobuf and takes JSON.
func TestTypedClientsSpeakProtobuf(t *testing.T) {
	dev := harness.NewDev(t)
	kube := kubernetes.NewForConfigOrDie(protobufConfig(dev))
	ctx := t.Context()
	deployments := kube.AppsV1().Deployments("default")
	percent := intstr.FromString("50%")
	made, err := deployments.Create(ctx, &apps.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: apps.DeploymentSpec{
			Replicas: new(int32),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Strategy: apps.DeploymentStrategy{RollingUpdate: &apps.RollingUpdateDeployment{MaxSurge: &percent}},
			Template: core.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
				Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "example.com/web"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *made.Spec.Replicas != 0 || made.Spec.Strategy.RollingUpdate.MaxSurge.StrVal != "50%" || made.Generation != 1 {
		t.Errorf("another deployment: %+v", made.Spec)
	}
	made.Spec.Template.Spec.Containers[0].Image = "example.com/web:2"
	if made, err = deployments.Update(ctx, made, metav1.UpdateOptions{}); err != nil || made.Generation != 2 {
		t.Errorf("update: generation %d, %v", made.Generation, err)
	}
	made.Status.Replicas = 1
	if made, err = deployments.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil || made.Status.Replicas != 1 {
		t.Errorf("status: %+v, %v", made, err)
	}
	scale, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = 3
	if scale, err = deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{}); err != nil || scale.Spec.Replicas != 3 {
		t.Errorf("scale: %+v, %v", scale, err)
	}
	made.ResourceVersion = "1"
	if _, err = deployments.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of an old version: %v", err)
	}
	other := made.UID + "x"
	err = deployments.Delete(ctx, "web", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	if !apierrors.IsConflict(err) {
		t.Errorf("a deletion of another one: %v", err)
	}
	if err = deployments.Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	evictByProtobuf(ctx, t, kube)
	eventsAreSeenThroughBoth(ctx, t, kube)
}

// Events of the two groups are one store.
func eventsAreSeenThroughBoth(ctx context.Context, t *testing.T, kube kubernetes.Interface) {
	about := core.ObjectReference{Kind: "Pod", Name: "p", Namespace: "default"}
	_, err := kube.CoreV1().Events("default").Create(ctx, &core.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e"}, InvolvedObject: about, Reason: "Because", Message: "hello",
		LastTimestamp: metav1.Now(), Type: "Normal", Count: 2,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := kube.EventsV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "regarding.name=p"})
	if err != nil || len(seen.Items) != 1 || seen.Items[0].Note != "hello" || seen.Items[0].Regarding != about ||
		seen.Items[0].DeprecatedCount != 2 {
		t.Errorf("through events.k8s.io: %+v, %v", seen, err)
	}
}

func evictByProtobuf(ctx context.Context, t *testing.T, kube kubernetes.Interface) {
	pods := kube.CoreV1().Pods("default")
	pod := &core.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: core.PodSpec{Containers: []core.Container{{Name: "c", Image: "i"}}}}
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &core.Binding{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Target: core.ObjectReference{Kind: "Node", Name: "n"}}
	if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Error(err)
	}
	if err := pods.EvictV1(ctx, &policy.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p"}}); err != nil {
		t.Error(err)
	}
}

// createDry sends an object in a content type, and tells what would be stored.
func createDry(t *testing.T, kube kubernetes.Interface, mapping *meta.RESTMapping, object runtime.Object, contentType string) (map[string]any, int) {
	t.Helper()
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), contentType)
	body, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, mapping.GroupVersionKind.GroupVersion()), object)
	if err != nil {
		t.Fatal(err)
	}
	request := kube.CoreV1().RESTClient().Post().AbsPath(path(mapping.Resource)).Resource(mapping.Resource.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		request = request.Namespace("default")
	}
	var code int
	text, _ := request.Param("dryRun", "All").Param("fieldManager", "m").SetHeader("Content-Type", contentType).
		Body(body).Do(t.Context()).StatusCode(&code).Raw()
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%v: %v: %s", mapping.GroupVersionKind, err, text)
	}
	return answer, code
}

func path(of schema.GroupVersionResource) string {
	if of.Group == "" {
		return "/api/" + of.Version
	}
	return "/apis/" + of.Group + "/" + of.Version
}

// timeless is an answer without what differs from one request to the next.
func timeless(answer map[string]any) map[string]any {
	if metadata, is := answer["metadata"].(map[string]any); is {
		delete(metadata, "uid")
		delete(metadata, "creationTimestamp")
		entries, _ := metadata["managedFields"].([]any)
		for _, one := range entries {
			delete(one.(map[string]any), "time")
		}
		for _, key := range []string{"clusterIP", "clusterIPs", "ports"} { // picked by chance
			if spec, is := answer["spec"].(map[string]any); is && answer["kind"] == "Service" {
				delete(spec, key)
			}
		}
		if answer["kind"] == "Job" { // its uid in labels
			delete(answer, "spec")
			delete(metadata, "labels")
		}
	}
	return answer
}

// The objects whose defaults the real server told: sent in JSON and in protobuf, the answer is the same.
func TestProtobufIsStoredAsJSONIs(t *testing.T) {
	dev := harness.NewDev(t)
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(harness.Root(), "tests", "plane", "kinds", "objects.json"))
	if err != nil {
		t.Fatal(err)
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(text, &objects); err != nil {
		t.Fatal(err)
	}
	kube := kubernetes.NewForConfigOrDie(dev.Config)
	groups, err := restmapper.GetAPIGroupResources(kube.Discovery())
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	stored := 0
	for _, text := range objects {
		object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		want, code := createDry(t, kube, mapping, object, "application/json")
		got, _ := createDry(t, kube, mapping, object, protobufType)
		if code == http.StatusCreated {
			stored++
		} else {
			t.Logf("%v: %d %v", kind, code, want["message"])
		}
		if !reflect.DeepEqual(timeless(want), timeless(got)) {
			t.Errorf("%v: JSON and protobuf differ:\n%v\n%v", kind, want, got)
		}
	}
	if stored < len(objects)*9/10 {
		t.Errorf("only %d of %d objects were made", stored, len(objects))
	}
	refuseWhatStaysRefused(t, dev)
}

func refuseWhatStaysRefused(t *testing.T, dev *harness.Dev) {
	client := kubernetes.NewForConfigOrDie(dev.Config).CoreV1().RESTClient()
	for contentType, want := range map[string]int{protobufType: 400, "application/cbor": 415} {
		var code int
		client.Post().AbsPath("/api/v1/namespaces").SetHeader("Content-Type", contentType).
			Body(strings.NewReader("k8s")).Do(t.Context()).StatusCode(&code)
		if code != want {
			t.Errorf("%s: %d", contentType, code)
		}
	}
	var code int
	client.Get().AbsPath("/api/v1/namespaces").SetHeader("Accept", protobufType).Do(t.Context()).StatusCode(&code)
	if code != 406 {
		t.Errorf("protobuf as the only answer: %d", code)
	}
}
