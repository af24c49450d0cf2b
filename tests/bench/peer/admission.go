package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// labeller puts one label on a Pod.
type labeller struct{}

func (labeller) Default(_ context.Context, pod *corev1.Pod) error {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels["bench"] = "seen"
	return nil
}

func serveAdmission(ctx context.Context, certificates string, port int) error {
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: certificates})
	server.Register("/mutate", admission.WithDefaulter[*corev1.Pod](scheme.Scheme, labeller{}))
	return server.Start(ctx)
}
