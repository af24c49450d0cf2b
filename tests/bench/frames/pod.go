package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What a pod is going through.
type phase uint8

const (
	ready phase = iota
	failing
	pending
	ending
)

// identity is what differs between the pods of one Deployment. All texts have a fixed length, so that a
// template can be filled in by overwriting (template.go).
type identity struct {
	suffix, hash, uid, owner, version   string // of the name, its ReplicaSet's, UIDs, of the image
	podIP, hostIP, node, token          string // token: of the volume kube-api-access-...
	container, sidecar, resourceVersion string
	created, changed                    int64 // seconds; changed: when the kubelet wrote last
}

// deployment says what its pods share.
type deployment struct {
	number          int
	namespace, name string
	app             string
}

var apps = [...]string{"checkout", "search", "billing", "catalog", "sessions", "shipping", "reports", "gateway"}

func deploymentOf(number int) deployment {
	app := apps[number%len(apps)]
	return deployment{number: number, namespace: fmt.Sprintf("shop-%03d", number/20), name: fmt.Sprintf("%s-%04d", app, number), app: app}
}

func at(seconds int64) metav1.Time { return metav1.Time{Time: time.Unix(seconds, 0).UTC()} }

func ptr[T any](value T) *T { return &value }

// podOf is a pod as its parts write it: a ReplicaSet creates it, the scheduler binds it, the kubelet reports.
func podOf(d deployment, id identity, now phase, annotations map[string]string) *corev1.Pod {
	set := d.name + "-" + id.hash
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: set + "-" + id.suffix, GenerateName: set + "-", Namespace: d.namespace, UID: types.UID(id.uid),
			ResourceVersion: id.resourceVersion, Generation: 1, CreationTimestamp: at(id.created),
			Labels: map[string]string{"app.kubernetes.io/name": d.app, "app.kubernetes.io/instance": d.name,
				"app.kubernetes.io/component": "server", "pod-template-hash": id.hash, "owner": fmt.Sprintf("team-%d", d.number%40)},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9102",
				"config/sha256": fmt.Sprintf("%064x", d.number*7919)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: set,
				UID: types.UID(id.owner), Controller: ptr(true), BlockOwnerDeletion: ptr(true)}},
		},
		Spec:   specOf(d, id),
		Status: statusOf(d, id, now),
	}
	for key, value := range annotations {
		pod.Annotations[key] = value
	}
	if now == pending {
		pod.Spec.NodeName = ""
	}
	if now == ending {
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = ptr(at(id.changed)), ptr(int64(30))
	}
	pod.ManagedFields = managers(pod, id)
	return pod
}

func specOf(d deployment, id identity) corev1.PodSpec {
	token := corev1.VolumeMount{Name: "kube-api-access-" + id.token, ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
	}
	probe := func(path string, delay int32) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http"), Scheme: "HTTP"}},
			InitialDelaySeconds: delay, TimeoutSeconds: 2, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}
	}
	needs := func(cpu, memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse(memory)},
			Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}}
	}
	main := corev1.Container{
		Name: "server", Image: "registry.example.com/shop/" + d.app + ":" + id.version,
		Args:  []string{"--listen=:8080", "--config=/etc/server/config.yaml", "--shutdown-grace=20s"},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: "TCP"}, {Name: "metrics", ContainerPort: 9102, Protocol: "TCP"}},
		Env: []corev1.EnvVar{field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace"), field("NODE_NAME", "spec.nodeName"),
			{Name: "LOG_LEVEL", Value: "info"}, {Name: "DATABASE_URL", Value: "postgres://" + d.name + "-db." + d.namespace + ".svc.cluster.local:5432/shop"},
			{Name: "DATABASE_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: d.name + "-db"}, Key: "password"}}}},
		Resources:     needs("200m", fmt.Sprintf("%dMi", 128*(1+d.number%4))),
		VolumeMounts:  []corev1.VolumeMount{{Name: "config", ReadOnly: true, MountPath: "/etc/server"}, {Name: "scratch", MountPath: "/tmp"}, token},
		LivenessProbe: probe("/live", 15), ReadinessProbe: probe("/ready", 2), TerminationMessagePath: "/dev/termination-log",
		TerminationMessagePolicy: "File", ImagePullPolicy: "IfNotPresent",
		SecurityContext: &corev1.SecurityContext{RunAsNonRoot: ptr(true), ReadOnlyRootFilesystem: ptr(true),
			AllowPrivilegeEscalation: ptr(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
	}
	logs := corev1.Container{
		Name: "logs", Image: "registry.example.com/base/log-shipper:2.8.1", Args: []string{"--from=/tmp/log", "--to=logs.observability:4317"},
		Resources: needs("20m", "48Mi"), VolumeMounts: []corev1.VolumeMount{{Name: "scratch", MountPath: "/tmp"}, token},
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: "File", ImagePullPolicy: "IfNotPresent",
	}
	tolerate := func(key string) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: "Exists", Effect: "NoExecute", TolerationSeconds: ptr(int64(300))}
	}
	return corev1.PodSpec{
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: d.name}, DefaultMode: ptr(int32(420))}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: token.Name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: ptr(int32(420)), Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: ptr(int64(3607)), Path: "token"}},
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
					Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
				{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "namespace",
					FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}}}},
			}}}},
		},
		Containers: []corev1.Container{main, logs}, RestartPolicy: "Always", TerminationGracePeriodSeconds: ptr(int64(30)),
		DNSPolicy: "ClusterFirst", ServiceAccountName: d.name, DeprecatedServiceAccount: d.name, NodeName: id.node,
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: ptr(int64(10001)), FSGroup: ptr(int64(10001))},
		SchedulerName:   "default-scheduler", Priority: ptr(int32(0)), EnableServiceLinks: ptr(true),
		PreemptionPolicy: ptr(corev1.PreemptLowerPriority),
		Tolerations:      []corev1.Toleration{tolerate("node.kubernetes.io/not-ready"), tolerate("node.kubernetes.io/unreachable")},
	}
}

func statusOf(d deployment, id identity, now phase) corev1.PodStatus {
	if now == pending {
		return corev1.PodStatus{Phase: "Pending", QOSClass: "Burstable"}
	}
	condition := func(kind corev1.PodConditionType, status corev1.ConditionStatus, since int64) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: status, ObservedGeneration: 1, LastTransitionTime: at(since)}
	}
	good, since := corev1.ConditionTrue, id.created
	if now != ready {
		good, since = corev1.ConditionFalse, id.changed
	}
	conditions := []corev1.PodCondition{condition("PodReadyToStartContainers", "True", id.created), condition("Initialized", "True", id.created),
		condition("Ready", good, since), condition("ContainersReady", good, since), condition("PodScheduled", "True", id.created)}
	if now != ready {
		for i := 2; i < 4; i++ {
			conditions[i].Reason, conditions[i].Message = "ContainersNotReady", "containers with unready status: [server]"
		}
	}
	container := func(name, image, key string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, Image: image, ImageID: image + "@sha256:" + fmt.Sprintf("%064x", len(image)*104729+d.number%len(apps)),
			ContainerID: "containerd://" + key, Ready: true, Started: ptr(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(id.created)}}}
	}
	server := container("server", "registry.example.com/shop/"+d.app+":"+id.version, id.container)
	if now == failing {
		server.Ready, server.Started = false, ptr(false)
		server.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container"}}
		server.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error",
			StartedAt: at(id.created), FinishedAt: at(id.changed), ContainerID: "containerd://" + id.container}
		server.RestartCount = 3
	}
	return corev1.PodStatus{ObservedGeneration: 1, Phase: "Running", Conditions: conditions, HostIP: id.hostIP, HostIPs: []corev1.HostIP{{IP: id.hostIP}},
		PodIP: id.podIP, PodIPs: []corev1.PodIP{{IP: id.podIP}}, StartTime: ptr(at(id.created)), QOSClass: "Burstable",
		ContainerStatuses: []corev1.ContainerStatus{container("logs", "registry.example.com/base/log-shipper:2.8.1", id.sidecar), server}}
}
