// peer is the opponent: what the benches have moonlet do, done with controller-runtime. KUBECONFIG says where.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// newManager is set up as one does for large caches: managedFields are dropped, and a reconciler that changes
// nothing it reads is `lent` what is in the cache. Built-in kinds go as protobuf.
func newManager(lent bool) manager.Manager {
	known := runtime.NewScheme()
	check(scheme.AddToScheme(known))
	addAppService(known)
	settings, err := config.GetConfig()
	check(err)
	settings.QPS = -1
	made, err := manager.New(settings, manager.Options{
		Scheme:  known,
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields(), DefaultUnsafeDisableDeepCopy: &lent},
		Client:  client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Metrics: server.Options{BindAddress: "0"},
	})
	check(err)
	return made
}

// noter makes the ConfigMap that an object's annotation bench/last asks for.
type noter struct {
	client.Client
	fresh func() client.Object
}

func (n noter) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := n.fresh()
	if err := n.Get(ctx, request.NamespacedName, object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	name := object.GetAnnotations()["bench/last"]
	if name == "" {
		return reconcile.Result{}, nil
	}
	wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: request.Namespace, Name: name}}
	if err := n.Create(ctx, wanted); err != nil && !apierrors.IsAlreadyExists(err) {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, nil
}

func main() {
	work := flag.String("work", "pods", "pods, kinds, appservice or admission")
	kinds := flag.Int("kinds", 100, "of small objects that `kinds` watches")
	workers := flag.Int("workers", 1, "MaxConcurrentReconciles of `appservice`")
	certificates := flag.String("cert-dir", "", "folder with tls.crt and tls.key, for `admission`")
	port := flag.Int("port", 9443, "on 127.0.0.1, of `admission`")
	flag.Parse() // controller-runtime adds --kubeconfig
	ctrl.SetLogger(logr.Discard())
	ctx := ctrl.SetupSignalHandler()
	if *work == "admission" {
		check(serveAdmission(ctx, *certificates, *port))
		return
	}
	made := newManager(*work != "appservice")
	note := func(name string, fresh func() client.Object) {
		check(ctrl.NewControllerManagedBy(made).Named(name).For(fresh()).Complete(noter{made.GetClient(), fresh}))
	}
	switch *work {
	case "pods":
		note("pods", func() client.Object { return &corev1.Pod{} })
	case "kinds":
		for i := range *kinds {
			kind := schema.GroupVersionKind{Group: "bench.moonlet.dev", Version: "v1", Kind: fmt.Sprintf("Thing%03d", i)}
			note(kind.Kind, func() client.Object {
				object := &unstructured.Unstructured{}
				object.SetGroupVersionKind(kind)
				return object
			})
		}
	case "appservice":
		check(serveAppServices(made, *workers))
	default:
		check(fmt.Errorf("unknown work %q", *work))
	}
	check(made.Start(ctx))
}
