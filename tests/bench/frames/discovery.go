package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

type kind struct {
	resource, kind string
	namespaced     bool
}

const (
	thingGroup   = "bench.moonlet.dev"
	thingVersion = thingGroup + "/v1"
)

func thingKind(number int) string { return fmt.Sprintf("Thing%03d", number) }

// thingOf is the number of a kind of things, or -1.
func thingOf(resource string) int32 {
	if digits, ok := strings.CutPrefix(resource, "things"); ok {
		if number, err := strconv.Atoi(digits); err == nil {
			return int32(number)
		}
	}
	return -1
}

var builtin = map[string][]kind{
	"v1": {{"pods", "Pod", true}, {"configmaps", "ConfigMap", true}, {"events", "Event", true}, {"secrets", "Secret", true},
		{"services", "Service", true}, {"namespaces", "Namespace", false}, {"nodes", "Node", false}},
	"apps/v1":                 {{"deployments", "Deployment", true}, {"replicasets", "ReplicaSet", true}},
	"events.k8s.io/v1":        {{"events", "Event", true}},
	"coordination.k8s.io/v1":  {{"leases", "Lease", true}},
	"authorization.k8s.io/v1": {{"selfsubjectaccessreviews", "SelfSubjectAccessReview", false}},
	"apiextensions.k8s.io/v1": {{"customresourcedefinitions", "CustomResourceDefinition", false}},
}

func kindsOf(groupVersion string, things int) []kind {
	if groupVersion != thingVersion {
		return builtin[groupVersion]
	}
	var all []kind
	for i := range things {
		all = append(all, kind{fmt.Sprintf("things%03d", i), thingKind(i), true})
	}
	return all
}

func kindOf(resource string, things int) string {
	if number := thingOf(resource); number >= 0 && int(number) < things {
		return thingKind(int(number))
	}
	for _, kinds := range builtin {
		for _, one := range kinds {
			if one.resource == resource {
				return one.kind
			}
		}
	}
	return ""
}

func groupOf(groupVersion string) map[string]any {
	group, version, _ := strings.Cut(groupVersion, "/")
	one := map[string]any{"groupVersion": groupVersion, "version": version}
	return map[string]any{"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": []any{one}, "preferredVersion": one}
}

// discover answers what a client asks before it knows the kinds; false: this is another question.
func (s *server) discover(w http.ResponseWriter, r *http.Request) bool {
	path := strings.Trim(r.URL.Path, "/")
	if r.Method != http.MethodGet {
		return false
	}
	switch path {
	case "version":
		answer(w, 200, map[string]any{"major": "1", "minor": "36", "gitVersion": "v1.36.0-bench", "platform": "linux/amd64"})
		return true
	case "healthz", "readyz", "livez":
		fmt.Fprint(w, "ok")
		return true
	case "api":
		answer(w, 200, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}, "serverAddressByClientCIDRs": []any{}})
		return true
	case "apis":
		groups := []any{groupOf(thingVersion)}
		for groupVersion := range builtin {
			if groupVersion != "v1" {
				groups = append(groups, groupOf(groupVersion))
			}
		}
		answer(w, 200, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
		return true
	}
	groupVersion, ok := strings.CutPrefix(path, "apis/")
	if !ok {
		groupVersion, ok = strings.CutPrefix(path, "api/")
	}
	kinds := kindsOf(groupVersion, s.kinds)
	if !ok || kinds == nil {
		return false
	}
	resources := []any{}
	for _, one := range kinds {
		resources = append(resources, map[string]any{"name": one.resource, "singularName": strings.ToLower(one.kind), "kind": one.kind,
			"namespaced": one.namespaced, "verbs": []string{"create", "delete", "get", "list", "patch", "update", "watch"}})
	}
	answer(w, 200, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": resources})
	return true
}
