package main

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Lists of pods that are merged, and the members by which.
var merged = map[string][]string{
	"ownerReferences": {"uid"}, "containers": {"name"}, "env": {"name"}, "volumes": {"name"}, "volumeMounts": {"mountPath"},
	"ports": {"containerPort", "protocol"}, "conditions": {"type"}, "podIPs": {"ip"}, "hostIPs": {"ip"},
}

// fieldsOf is who owns what, in the form of fieldsV1: an owner of all that is in `value`.
func fieldsOf(name string, value any) map[string]any {
	fields := map[string]any{}
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			fields["f:"+key] = fieldsOf(key, member)
		}
	case []any:
		keys := merged[name]
		if keys == nil {
			break
		}
		fields["."] = map[string]any{}
		for _, item := range value {
			var by []string
			for _, key := range keys {
				text, _ := json.Marshal(item.(map[string]any)[key])
				by = append(by, fmt.Sprintf("%q:%s", key, text))
			}
			own := fieldsOf("", item)
			own["."] = map[string]any{}
			fields["k:{"+strings.Join(by, ",")+"}"] = own
		}
	}
	return fields
}

// managers says that the controller manager made the pod, and that the kubelet wrote its status.
func managers(pod *corev1.Pod, id identity) []metav1.ManagedFieldsEntry {
	text, _ := json.Marshal(pod)
	var whole map[string]any
	_ = json.Unmarshal(text, &whole)
	metadata, spec := whole["metadata"].(map[string]any), whole["spec"].(map[string]any)
	for _, key := range []string{"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
		"deletionTimestamp", "deletionGracePeriodSeconds"} {
		delete(metadata, key)
	}
	delete(spec, "nodeName")
	entry := func(manager, subresource string, seconds int64, owned any) metav1.ManagedFieldsEntry {
		raw, _ := json.Marshal(fieldsOf("", owned))
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: "Update", APIVersion: "v1", Time: ptr(at(seconds)),
			FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: raw}, Subresource: subresource}
	}
	entries := []metav1.ManagedFieldsEntry{entry("kube-controller-manager", "", id.created, map[string]any{"metadata": metadata, "spec": spec})}
	if pod.Status.PodIP != "" {
		entries = append(entries, entry("kubelet", "status", id.changed, map[string]any{"status": whole["status"]}))
	}
	return entries
}
