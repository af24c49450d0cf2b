// apps makes AppServices on a real API server, as fast as it can or paced, and watches when each has its
// Deployment and its status. KUBECONFIG says where; it prints one line.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	services    = schema.GroupVersionResource{Group: "app.example.com", Version: "v1alpha1", Resource: "appservices"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "apps:", err)
		os.Exit(1)
	}
}

// times are the sights of one AppService.
type times struct{ sent, deployment, status time.Time }

// sights is what was seen. The mutex guards the map and what is in it.
type sights struct {
	mu    sync.Mutex
	of    map[string]*times
	left  int
	whole chan struct{} // closed when none is left
}

func (s *sights) note(name string, pick func(*times) *time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[name]
	if one == nil || !pick(one).IsZero() {
		return
	}
	*pick(one) = time.Now()
	if !one.deployment.IsZero() && !one.status.IsZero() {
		if s.left--; s.left == 0 {
			close(s.whole)
		}
	}
}

// follow notes each object of a kind that is `done`. The API server ends no watch this early.
func follow(ctx context.Context, api dynamic.ResourceInterface, done func(*unstructured.Unstructured) bool, note func(string)) {
	events, err := api.Watch(ctx, metav1.ListOptions{})
	check(err)
	go func() {
		for event := range events.ResultChan() {
			if object, ok := event.Object.(*unstructured.Unstructured); ok && done(object) {
				note(object.GetName())
			}
		}
	}()
}

func served(app *unstructured.Unstructured) bool {
	port, found, _ := unstructured.NestedInt64(app.Object, "status", "nodePort")
	return found && port > 0
}

func (s *sights) create(ctx context.Context, api dynamic.ResourceInterface, namespace string, names []string, rate float64) {
	work := make(chan string)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for name := range work {
				app := &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "app.example.com/v1alpha1", "kind": "AppService",
					"metadata": map[string]any{"name": name, "namespace": namespace},
					"spec":     map[string]any{"replicas": int64(1), "image": "example.com/app:1"}}}
				s.mu.Lock()
				s.of[name] = &times{sent: time.Now()}
				s.mu.Unlock()
				_, err := api.Create(ctx, app, metav1.CreateOptions{})
				check(err)
			}
		})
	}
	start := time.Now()
	for i, name := range names {
		if rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		work <- name
	}
	close(work)
	wait.Wait()
}

func main() {
	namespace := flag.String("namespace", "default", "where")
	prefix := flag.String("prefix", "app", "of the names")
	count := flag.Int("count", 1000, "AppServices")
	rate := flag.Float64("rate", 0, "a second; 0: as fast as 8 connections can")
	patience := flag.Duration("patience", 5*time.Minute, "until this gives up")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *patience)
	defer cancel()
	settings, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check(err)
	settings.QPS = -1
	client, err := dynamic.NewForConfig(settings)
	check(err)
	api := client.Resource(services).Namespace(*namespace)
	seen := &sights{of: map[string]*times{}, left: *count, whole: make(chan struct{})}
	follow(ctx, client.Resource(deployments).Namespace(*namespace), func(*unstructured.Unstructured) bool { return true },
		func(name string) { seen.note(name, func(t *times) *time.Time { return &t.deployment }) })
	follow(ctx, api, served, func(name string) { seen.note(name, func(t *times) *time.Time { return &t.status }) })
	var names []string
	for i := range *count {
		names = append(names, fmt.Sprintf("%s-%04d", *prefix, i))
	}
	start := time.Now()
	seen.create(ctx, api, *namespace, names, *rate)
	select {
	case <-seen.whole:
	case <-ctx.Done():
		seen.mu.Lock()
		check(fmt.Errorf("%d of %d are not served after %s", seen.left, *count, *patience))
	}
	wall := time.Since(start)
	var deployed, done []float64
	seen.mu.Lock()
	for _, one := range seen.of {
		deployed = append(deployed, float64(one.deployment.Sub(one.sent).Microseconds())/1000)
		done = append(done, float64(one.status.Sub(one.sent).Microseconds())/1000)
	}
	slices.Sort(deployed)
	slices.Sort(done)
	at := func(ms []float64, share float64) float64 { return ms[int(share*float64(len(ms)-1))] }
	fmt.Printf("wall_s %.2f p50_ms %.2f p99_ms %.2f served_p50_ms %.2f\n", wall.Seconds(), at(deployed, 0.5), at(deployed, 0.99), at(done, 0.5))
}
