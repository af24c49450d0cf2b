// peer is the opponent of the admission bench: a controller-runtime webhook that puts one label on a Pod.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type labeller struct{}

func (labeller) Default(_ context.Context, pod *corev1.Pod) error {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels["bench"] = "seen"
	return nil
}

func main() {
	dir := flag.String("cert-dir", "", "folder with tls.crt and tls.key")
	port := flag.Int("port", 9443, "port on 127.0.0.1")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *dir})
	server.Register("/mutate", admission.WithDefaulter[*corev1.Pod](scheme.Scheme, labeller{}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := server.Start(ctx); err != nil {
		ctrl.Log.Error(err, "serve")
		os.Exit(1)
	}
}
