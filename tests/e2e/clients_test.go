package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"moonlet.dev/e2e/harness"
)

// client-go's informers see what the embedded server holds, and all that happens to it.
func TestInformersFollowTheEmbeddedServer(t *testing.T) {
	dev := harness.NewDev(t)
	kube := kubernetes.NewForConfigOrDie(dev.Config)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	maps := kube.CoreV1().ConfigMaps("default")
	put := func(name string) *core.ConfigMap {
		made, err := maps.Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	put("before")
	seen := map[string]int{}
	events := followConfigMaps(ctx, t, kube)
	for i := range 20 {
		made := put(fmt.Sprintf("after-%d", i))
		made.Data = map[string]string{"k": "v"}
		if _, err := maps.Update(ctx, made, meta.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := maps.Delete(ctx, made.Name, meta.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for len(seen) < 3 || seen["deleted"] < 20 {
		select {
		case event := <-events:
			seen[event]++
		case <-time.After(harness.Patience):
			t.Fatal("no more events after ", seen)
		}
	}
	if seen["added"] != 21 || seen["updated"] != 20 {
		t.Error("not what happened: ", seen)
	}
}

func followConfigMaps(ctx context.Context, t *testing.T, kube kubernetes.Interface) <-chan string {
	events := make(chan string, 1000)
	factory := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithNamespace("default"))
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { events <- "added" },
		UpdateFunc: func(any, any) { events <- "updated" },
		DeleteFunc: func(any) { events <- "deleted" },
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	t.Cleanup(factory.Shutdown)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer does not sync")
	}
	return events
}

// Two candidates: the second leads once the first has let go.
func TestClientsElectALeaderOnTheEmbeddedServer(t *testing.T) {
	dev := harness.NewDev(t)
	kube := kubernetes.NewForConfigOrDie(dev.Config)
	leads := make(chan string, 10)
	candidate := func(name string) context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{LeaseMeta: meta.ObjectMeta{Namespace: "default", Name: "lead"},
				Client: kube.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: name}},
			LeaseDuration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 100 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leads <- name },
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			elector.Run(ctx)
			close(ended)
		}()
		return func() {
			cancel()
			<-ended
		}
	}
	next := func(want string) {
		t.Helper()
		select {
		case name := <-leads:
			if name != want {
				t.Fatalf("%s leads, not %s", name, want)
			}
		case <-time.After(harness.Patience):
			t.Fatalf("%s does not lead", want)
		}
	}
	stopFirst := candidate("first")
	next("first")
	stopSecond := candidate("second")
	stopFirst()
	next("second")
	stopSecond()
}

// An operator on controller-runtime (manager/, a module of its own) leads, copies, and puts back
// what others take away; the garbage goes with its owner.
func TestControllerRuntimeWorksOnTheEmbeddedServer(t *testing.T) {
	goProgram, err := exec.Command(filepath.Join(harness.Root(), "tests", "plane", "plane"), "go").Output()
	if err != nil {
		t.Skip("SKIPPED: no Go: ", err)
	}
	binary := filepath.Join(t.TempDir(), "manager")
	build := exec.Command(strings.TrimSpace(string(goProgram)), "build", "-o", binary, ".")
	build.Dir = filepath.Join(harness.Root(), "tests", "e2e", "manager")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dev := harness.NewDev(t)
	kube := kubernetes.NewForConfigOrDie(dev.Config)
	manager := exec.Command(binary, "-kubeconfig-file", dev.Kubeconfig)
	var said bytes.Buffer
	manager.Stdout, manager.Stderr = &said, &said
	manager.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = manager.Process.Signal(syscall.SIGTERM)
		if err := manager.Wait(); err != nil || t.Failed() {
			t.Errorf("the manager: %v\n%s", err, said.String())
		}
	}()
	ctx, maps, secrets := t.Context(), kube.CoreV1().ConfigMaps("default"), kube.CoreV1().Secrets("default")
	config := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "a", Labels: map[string]string{"copy": "yes"}}, Data: map[string]string{"k": "1"}}
	if _, err := maps.Create(ctx, config, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	copied := func(want string) {
		t.Helper()
		harness.Eventually(t, "the copy is "+want, func() error {
			secret, err := secrets.Get(ctx, "a", meta.GetOptions{})
			if err == nil && string(secret.Data["k"]) != want {
				err = fmt.Errorf("%q", secret.Data["k"])
			}
			return err
		})
	}
	copied("1")
	if _, err := maps.Patch(ctx, "a", types.MergePatchType, []byte(`{"data":{"k":"2"}}`), meta.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	copied("2")
	if err := secrets.Delete(ctx, "a", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	copied("2")
	if lease, err := kube.CoordinationV1().Leases("default").Get(ctx, "manager.example.com", meta.GetOptions{}); err != nil || *lease.Spec.HolderIdentity == "" {
		t.Error("nobody leads: ", err)
	}
	if err := maps.Delete(ctx, "a", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the copy goes with its owner", func() error {
		if _, err := secrets.Get(ctx, "a", meta.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there (%v)", err)
		}
		return nil
	})
}
