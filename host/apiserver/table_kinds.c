#include <string.h>

#include "apiserver/table_internal.h"

/* --- kinds of a few cells ------------------------------------------------------------------ */

static void cells_plain(struct row *row) {
    row_name(row);
    row_age(row);
}

static void cells_config_map(struct row *row) {
    row_name(row);
    row_int(row, (int64_t)(json_object_size(row_list(row, "data")) +
                           json_object_size(row_list(row, "binaryData"))));
    row_age(row);
}

static void cells_secret(struct row *row) {
    row_name(row);
    row_string(row, "type", "");
    row_int(row, (int64_t)json_object_size(row_list(row, "data")));
    row_age(row);
}

static void cells_namespace(struct row *row) {
    row_name(row);
    row_string(row, "status.phase", "");
    row_age(row);
}

static void cells_lease(struct row *row) {
    row_name(row);
    row_string(row, "spec.holderIdentity", "");
    row_age(row);
}

static void cells_hooks(struct row *row) {
    row_name(row);
    row_int(row, (int64_t)json_array_size(row_list(row, "webhooks")));
    row_age(row);
}

static void cells_priority(struct row *row) {
    row_name(row);
    row_number(row, "value");
    row_flag(row, "globalDefault", false);
    row_age(row);
    row_string(row, "preemptionPolicy", "");
}

static void cells_runtime(struct row *row) {
    row_name(row);
    row_string(row, "handler", "");
    row_age(row);
}

static void cells_storage_class(struct row *row) {
    const json_t *notes = row_list(row, "metadata.annotations");
    static const char *const marks[] = {"storageclass.kubernetes.io/is-default-class",
                                        "storageclass.beta.kubernetes.io/is-default-class"};
    bool chosen = false;
    for (int i = 0; i < 2; i++) {
        const char *mark = json_string_value(json_object_get(notes, marks[i]));
        chosen |= mark && strcmp(mark, "true") == 0;
    }
    row_format(row, "%s%s", document_meta(row->object, "name"), chosen ? " (default)" : "");
    row_string(row, "provisioner", "");
    row_string(row, "reclaimPolicy", "Delete");
    row_string(row, "volumeBindingMode", "Immediate");
    row_flag(row, "allowVolumeExpansion", false);
    row_age(row);
}

/* --- all ----------------------------------------------------------------------------------- */

#define TEMPLATE "|+Containers|+Images"
#define SELECTED TEMPLATE "|+Selector"
#define SUBJECTS "Name|Role|Age|+Users|+Groups|+ServiceAccounts"
#define EVENT "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name"
#define ADMISSION "admissionregistration.k8s.io"
#define RBAC "rbac.authorization.k8s.io"

static const struct table_kind kinds[] = {
    {"", "configmaps", "Name|Data|Age", cells_config_map},
    {"", "endpoints", "Name|Endpoints|Age", cells_endpoints},
    {"", "events", EVENT, cells_event},
    {"events.k8s.io", "events", EVENT, cells_event},
    {"", "namespaces", "Name|Status|Age", cells_namespace},
    {"", "nodes",
     "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|"
     "+Container-Runtime",
     cells_node},
    {"", "persistentvolumeclaims",
     "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode",
     cells_claim},
    {"", "persistentvolumes",
     "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|"
     "Reason|Age|+VolumeMode",
     cells_volume},
    {"", "pods", "Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates",
     cells_pod},
    {"", "podtemplates", "Name|Containers|Images|Pod Labels", cells_pod_template},
    {"", "replicationcontrollers", "Name|#Desired|#Current|#Ready|Age" SELECTED, cells_replica_set},
    {"", "resourcequotas", "Name|Request|Limit|Age", cells_quota},
    {"", "secrets", "Name|Type|Data|Age", cells_secret},
    {"", "serviceaccounts", "Name|Age", cells_plain},
    {"", "services", "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector", cells_service},
    {ADMISSION, "mutatingwebhookconfigurations", "Name|#Webhooks|Age", cells_hooks},
    {ADMISSION, "validatingwebhookconfigurations", "Name|#Webhooks|Age", cells_hooks},
    {"apps", "controllerrevisions", "Name|Controller|Revision|Age", cells_controller_revision},
    {"apps", "daemonsets",
     "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age" SELECTED,
     cells_daemon_set},
    {"apps", "deployments", "Name|Ready|Up-to-date|Available|Age" SELECTED, cells_deployment},
    {"apps", "replicasets", "Name|#Desired|#Current|#Ready|Age" SELECTED, cells_replica_set},
    {"apps", "statefulsets", "Name|Ready|Age" TEMPLATE, cells_stateful_set},
    {"autoscaling", "horizontalpodautoscalers",
     "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age", cells_autoscaler},
    {"batch", "cronjobs", "Name|Schedule|Timezone|?Suspend|#Active|Last Schedule|Age" SELECTED,
     cells_cron_job},
    {"batch", "jobs", "Name|Status|Completions|Duration|Age" SELECTED, cells_job},
    {"certificates.k8s.io", "certificatesigningrequests",
     "Name|Age|SignerName|Requestor|RequestedDuration|Condition", cells_request},
    {"coordination.k8s.io", "leases", "Name|Holder|Age", cells_lease},
    {"discovery.k8s.io", "endpointslices", "Name|AddressType|Ports|Endpoints|Age",
     cells_endpoint_slice},
    {"networking.k8s.io", "ingressclasses", "Name|Controller|Parameters|Age", cells_ingress_class},
    {"networking.k8s.io", "ingresses", "Name|Class|Hosts|Address|Ports|Age", cells_ingress},
    {"networking.k8s.io", "networkpolicies", "Name|Pod-Selector|Age", cells_network_policy},
    {"node.k8s.io", "runtimeclasses", "Name|Handler|Age", cells_runtime},
    {"policy", "poddisruptionbudgets",
     "Name|Min Available|Max Unavailable|#Allowed Disruptions|Age", cells_budget},
    {RBAC, "clusterrolebindings", SUBJECTS, cells_binding},
    {RBAC, "rolebindings", SUBJECTS, cells_binding},
    {"scheduling.k8s.io", "priorityclasses", "Name|#Value|?Global-Default|Age|PreemptionPolicy",
     cells_priority},
    {"storage.k8s.io", "storageclasses",
     "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
     cells_storage_class},
};

const struct table_kind *table_kind_find(const char *group, const char *plural) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].plural, plural) == 0 && strcmp(kinds[i].group, group) == 0)
            return &kinds[i];
    }
    return NULL;
}
