package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// AppService is what tests/bench/controllers/appservice.lua declares.
type AppService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		Replicas int32  `json:"replicas"`
		Image    string `json:"image"`
	} `json:"spec"`
	Status appStatus `json:"status,omitempty"`
}

type appStatus struct {
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
	Deployment         string `json:"deployment,omitempty"`
	NodePort           int32  `json:"nodePort,omitempty"`
	ReadyReplicas      int32  `json:"readyReplicas,omitempty"`
}

// AppServiceList is its list.
type AppServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AppService `json:"items"`
}

func (a *AppService) copy() *AppService {
	other := *a
	a.ObjectMeta.DeepCopyInto(&other.ObjectMeta)
	return &other
}

// DeepCopyObject is what runtime.Object asks for.
func (a *AppService) DeepCopyObject() runtime.Object { return a.copy() }

// DeepCopyObject is what runtime.Object asks for.
func (l *AppServiceList) DeepCopyObject() runtime.Object {
	other := *l
	other.Items = nil
	for i := range l.Items {
		other.Items = append(other.Items, *l.Items[i].copy())
	}
	return &other
}

func addAppService(known *runtime.Scheme) {
	version := schema.GroupVersion{Group: "app.example.com", Version: "v1alpha1"}
	known.AddKnownTypes(version, &AppService{}, &AppServiceList{})
	metav1.AddToGroupVersion(known, version)
}

func serveAppServices(made manager.Manager, workers int) error {
	return ctrl.NewControllerManagedBy(made).For(&AppService{}).Owns(&appsv1.Deployment{}).Owns(&corev1.Service{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&operator{made.GetClient(), made.GetScheme()})
}

type operator struct {
	client.Client
	known *runtime.Scheme
}

// ensure creates `object` or updates what differs.
func (o *operator) ensure(ctx context.Context, app *AppService, object client.Object, fill func()) error {
	err := o.Get(ctx, client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	missing := err != nil
	before := object.DeepCopyObject()
	fill()
	if err := controllerutil.SetControllerReference(app, object, o.known); err != nil {
		return err
	}
	if missing {
		return o.Create(ctx, object)
	}
	if equality.Semantic.DeepEqual(before, object) {
		return nil
	}
	return o.Update(ctx, object)
}

func (o *operator) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app := &AppService{}
	if err := o.Get(ctx, request.NamespacedName, app); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	labels := map[string]string{"app": app.Name}
	key := metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name}
	deployment := &appsv1.Deployment{ObjectMeta: key}
	err := o.ensure(ctx, app, deployment, func() {
		deployment.Spec.Replicas = &app.Spec.Replicas
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		if len(deployment.Spec.Template.Spec.Containers) == 0 {
			deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app"}}
		}
		deployment.Spec.Template.Spec.Containers[0].Image = app.Spec.Image
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	service := &corev1.Service{ObjectMeta: key}
	err = o.ensure(ctx, app, service, func() {
		service.Spec.Type, service.Spec.Selector = corev1.ServiceTypeNodePort, labels
		if len(service.Spec.Ports) == 0 {
			service.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		}
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	status := appStatus{app.Generation, deployment.Name, service.Spec.Ports[0].NodePort, deployment.Status.ReadyReplicas}
	if status == app.Status {
		return reconcile.Result{}, nil
	}
	app.Status = status
	return reconcile.Result{}, o.Status().Update(ctx, app)
}
