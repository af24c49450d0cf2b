// manager is an operator on controller-runtime, with leader election: for each ConfigMap that is
// labelled copy=yes it keeps a Secret of the same name. It speaks JSON, as the embedded API server
// wants it.
package main

import (
	"context"
	"flag"
	"log"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type copier struct{ client.Client }

func (c copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var from core.ConfigMap
	if err := c.Get(ctx, request.NamespacedName, &from); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if from.Labels["copy"] != "yes" || from.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	to := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: from.Name, Namespace: from.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, c.Client, to, func() error {
		to.Data = map[string][]byte{}
		for key, value := range from.Data {
			to.Data[key] = []byte(value)
		}
		return controllerutil.SetControllerReference(&from, to, c.Scheme())
	})
	return ctrl.Result{}, err
}

func main() {
	path := flag.String("kubeconfig-file", "", "of the server")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	config, err := clientcmd.BuildConfigFromFlags("", *path)
	must(err)
	config.ContentType = "application/json"
	manager, err := ctrl.NewManager(config, ctrl.Options{LeaderElection: true, LeaderElectionID: "manager.example.com",
		LeaderElectionNamespace: "default", LeaderElectionReleaseOnCancel: true,
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0"})
	must(err)
	must(ctrl.NewControllerManagedBy(manager).For(&core.ConfigMap{}).Owns(&core.Secret{}).
		Complete(copier{manager.GetClient()}))
	must(manager.Start(ctrl.SetupSignalHandler()))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
