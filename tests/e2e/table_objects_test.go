package e2e

// Objects whose rows are recorded, one YAML document each. "@-5h" is a time so long ago.
const tableObjects = `
apiVersion: v1
kind: Pod
metadata: {name: fresh}
spec:
  containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: running}
spec:
  nodeName: worker-1
  readinessGates: [{conditionType: example.com/one}, {conditionType: example.com/two}]
  containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]
status:
  phase: Running
  podIP: 10.1.2.3
  podIPs: [{ip: 10.1.2.3}]
  conditions: [{type: Ready, status: "True"}, {type: example.com/one, status: "True"}]
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: true, restartCount: 3, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: "@-5h30m30s"}}}
  - {name: b, image: "b:1", imageID: "", ready: false, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: "@-50h30m"}}}
---
apiVersion: v1
kind: Pod
metadata: {name: crashing}
spec:
  containers: [{name: a, image: "a:1"}]
status:
  phase: Running
  nominatedNodeName: worker-2
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: false, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec:
  containers: [{name: a, image: "a:1"}]
status:
  phase: Succeeded
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}
---
apiVersion: v1
kind: Pod
metadata: {name: failed}
spec:
  containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]
status:
  phase: Failed
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}
  - {name: b, image: "b:1", imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 3}}}
---
apiVersion: v1
kind: Pod
metadata: {name: evicted}
spec:
  containers: [{name: a, image: "a:1"}]
status: {phase: Failed, reason: Evicted}
---
apiVersion: v1
kind: Pod
metadata: {name: half}
spec:
  containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]
status:
  phase: Running
  conditions: [{type: Ready, status: "False"}]
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}
  - {name: b, image: "b:1", imageID: "", ready: true, restartCount: 0, state: {running: {}}}
---
apiVersion: v1
kind: Pod
metadata: {name: starting}
spec:
  initContainers:
  - {name: x, image: "x:1"}
  - {name: side, image: "s:1", restartPolicy: Always}
  - {name: "y", image: "y:1"}
  containers: [{name: a, image: "a:1"}]
status:
  phase: Pending
  initContainerStatuses:
  - {name: x, image: "x:1", imageID: "", ready: true, restartCount: 1, state: {terminated: {exitCode: 0, reason: Completed}}, lastState: {terminated: {exitCode: 1, finishedAt: "@-5h30m30s"}}}
  - {name: side, image: "s:1", imageID: "", ready: true, started: true, restartCount: 2, state: {running: {}}}
  - {name: "y", image: "y:1", imageID: "", ready: false, started: false, restartCount: 0, state: {running: {}}}
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: false, restartCount: 0, state: {waiting: {reason: PodInitializing}}}
---
apiVersion: v1
kind: Pod
metadata: {name: stuck}
spec:
  initContainers: [{name: x, image: "x:1"}]
  containers: [{name: a, image: "a:1"}]
status:
  phase: Pending
  initContainerStatuses:
  - {name: x, image: "x:1", imageID: "", ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff}}}
---
apiVersion: v1
kind: Pod
metadata: {name: killed}
spec:
  initContainers: [{name: x, image: "x:1"}]
  containers: [{name: a, image: "a:1"}]
status:
  phase: Pending
  initContainerStatuses:
  - {name: x, image: "x:1", imageID: "", ready: false, restartCount: 0, state: {terminated: {exitCode: 137, signal: 9}}}
---
apiVersion: v1
kind: Pod
metadata: {name: sided}
spec:
  initContainers: [{name: side, image: "s:1", restartPolicy: Always}]
  containers: [{name: a, image: "a:1"}]
status:
  phase: Running
  conditions: [{type: Initialized, status: "True"}, {type: Ready, status: "True"}]
  initContainerStatuses:
  - {name: side, image: "s:1", imageID: "", ready: true, started: true, restartCount: 2, state: {running: {}}}
  containerStatuses:
  - {name: a, image: "a:1", imageID: "", ready: true, restartCount: 0, state: {running: {}}}
---
apiVersion: v1
kind: Pod
metadata: {name: gated}
spec:
  schedulingGates: [{name: example.com/wait}]
  containers: [{name: a, image: "a:1"}]
status:
  phase: Pending
  conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated}]
---
apiVersion: v1
kind: Pod
metadata: {name: leaving, finalizers: [moonlet.dev/keep]}
spec:
  containers: [{name: a, image: "a:1"}]
status: {phase: Running}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: template}
template:
  metadata: {labels: {b: "2", a: "1"}}
  spec: {containers: [{name: a, image: "a:1"}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec:
  replicas: 0
  selector: {app: rc}
  template:
    metadata: {labels: {app: rc}}
    spec: {containers: [{name: a, image: "a:1"}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec:
  replicas: 0
  selector: {matchLabels: {app: rs}, matchExpressions: [{key: tier, operator: In, values: [c, b]}, {key: x, operator: Exists}, {key: "y", operator: DoesNotExist}, {key: z, operator: NotIn, values: [q]}]}
  template:
    metadata: {labels: {app: rs, tier: b, x: "1"}}
    spec: {containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  paused: true
  selector: {matchLabels: {app: web, tier: front}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 0
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: "a:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {nodeSelector: {zone: b, disk: ssd}, containers: [{name: a, image: "a:1"}]}
---
apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: db-1}
revision: 3
data: {a: 1}
---
apiVersion: batch/v1
kind: Job
metadata: {name: many}
spec:
  completions: 3
  managedBy: example.com/nobody
  template:
    spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}
status: {startTime: "@-5h30m30s", succeeded: 1}
---
apiVersion: batch/v1
kind: Job
metadata: {name: done}
spec:
  managedBy: example.com/nobody
  template:
    spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}
status:
  startTime: "@-6h0m30s"
  completionTime: "@-5h55m0s"
  succeeded: 1
  conditions:
  - {type: SuccessCriteriaMet, status: "True", lastTransitionTime: "@-5h55m0s"}
  - {type: Complete, status: "True", lastTransitionTime: "@-5h55m0s"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: queue}
spec:
  parallelism: 4
  managedBy: example.com/nobody
  template:
    spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}
status: {conditions: [{type: Suspended, status: "True"}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 1 1 *"
  timeZone: Etc/UTC
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}
status: {lastScheduleTime: "@-200m30s"}
---
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {clusterIP: None, selector: {b: "2", a: "1"}, ports: [{port: 80, name: http}, {port: 53, protocol: UDP, name: dns}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: shared}
spec: {clusterIP: None, externalIPs: [192.0.2.1, 192.0.2.2], ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: many}
subsets:
- addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]
  ports: [{port: 80, name: http}, {port: 443, name: https}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: none}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1}
addressType: IPv4
ports: [{name: http, port: 80}, {name: any}, {name: c, port: 3}, {name: d, port: 4}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-0}
addressType: IPv6
ports: []
endpoints: []
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {a: "1", b: "2"}
binaryData: {c: AAAA}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
stringData: {a: "1", b: "2"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: v1
kind: Node
metadata: {name: table-worker, labels: {node-role.kubernetes.io/worker: "", node-role.kubernetes.io/db: "", kubernetes.io/role: old}}
spec: {unschedulable: true}
status:
  addresses: [{type: Hostname, address: x}, {type: InternalIP, address: 10.0.0.7}, {type: ExternalIP, address: 192.0.2.7}]
  conditions: [{type: Ready, status: "True"}]
  nodeInfo: {architecture: amd64, bootID: "", machineID: "", systemUUID: "", operatingSystem: linux, kubeProxyVersion: "", kubeletVersion: v1.36.0, osImage: Linux, kernelVersion: "6.1", containerRuntimeVersion: "containerd://2"}
---
apiVersion: v1
kind: Node
metadata: {name: table-new}
---
apiVersion: v1
kind: Event
metadata: {name: old-event}
involvedObject: {kind: Pod, name: web, namespace: NAMESPACE, fieldPath: "spec.containers{a}"}
type: Warning
reason: BackOff
message: " it went wrong\n"
source: {component: kubelet, host: worker-1}
firstTimestamp: "@-50h30m"
lastTimestamp: "@-5h30m30s"
count: 7
---
apiVersion: v1
kind: Event
metadata: {name: bare-event}
involvedObject: {kind: Deployment, namespace: NAMESPACE}
reason: Seen
---
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: new-event}
regarding: {kind: Deployment, name: web, namespace: NAMESPACE}
type: Normal
reason: Scaled
action: Scale
note: it was scaled
eventTime: "@-200m30s.000000"
reportingController: example.com/scaler
reportingInstance: scaler-0
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: table-volume}
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadOnlyMany, ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: fast
  claimRef: {namespace: default, name: data}
  hostPath: {path: /tmp/x}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: fast
  resources: {requests: {storage: 1Gi}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  tls: [{hosts: [a.example.com]}]
  rules: [{host: a.example.com}, {host: b.example.com}, {host: c.example.com}, {host: d.example.com}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}, {hostname: a-rather-long-name.example.com}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: any}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: table-nginx, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/nginx, parameters: {apiGroup: example.com, kind: Config, name: main}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: some}
spec: {podSelector: {matchLabels: {app: web}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: ann}, {kind: User, name: bob}, {kind: Group, name: staff}, {kind: ServiceAccount, name: robot, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: table-reader}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: table-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: table-reader}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: held}
spec: {holderIdentity: me}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: free}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 5
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
  - {type: Pods, pods: {metric: {name: hits}, target: {type: AverageValue, averageValue: 1k}}}
  - {type: External, external: {metric: {name: queue}, target: {type: Value, value: "30"}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: measured}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 5
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 200Mi}}}
status:
  currentReplicas: 3
  desiredReplicas: 3
  conditions: []
  currentMetrics:
  - {type: Resource, resource: {name: cpu, current: {averageUtilization: 55, averageValue: 100m}}}
  - {type: Resource, resource: {name: memory, current: {averageValue: 100Mi}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: db}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tables.table.example.com}
spec:
  group: table.example.com
  scope: Namespaced
  names: {kind: Table, plural: tables}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    additionalPrinterColumns:
    - {name: Size, type: integer, format: int32, jsonPath: .spec.size, description: How many}
    - {name: Text, type: string, jsonPath: ".spec['text']"}
    - {name: First, type: string, jsonPath: ".spec.list[0].name", priority: 1}
    - {name: Last, type: string, jsonPath: ".spec.list[-1].name"}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Since, type: date, jsonPath: '.status.conditions[?(@.type=="Ready")].lastTransitionTime'}
    - {name: Odd, type: date, jsonPath: .spec.text}
    - {name: Share, type: number, jsonPath: .spec.share}
    - {name: "On", type: boolean, jsonPath: .spec.on}
    - {name: Whole, type: string, jsonPath: .spec.map}
    - {name: Names, type: string, jsonPath: ".spec.list[*].name"}
    - {name: Dotted, type: string, jsonPath: '.metadata.annotations.example\.com/note'}
    - {name: Number, type: string, jsonPath: .spec.share}
    - {name: Wrong, type: integer, jsonPath: .spec.text}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
---
apiVersion: table.example.com/v1
kind: Table
metadata: {name: full, annotations: {example.com/note: noted}}
spec: {size: 7, text: hello, share: 0.5, "on": true, list: [{name: x}, {name: "y"}], map: {b: [1, two], a: null}}
status: {conditions: [{type: Other, status: "False"}, {type: Ready, status: "True", lastTransitionTime: "@-5h30m30s"}]}
---
apiVersion: table.example.com/v1
kind: Table
metadata: {name: empty}
---
apiVersion: table.example.com/v1
kind: Table
metadata: {name: odd}
spec: {size: "7", text: 5, share: 2, list: [], map: []}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: table-hooks}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: table-hooks}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: table-fast, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: example.com/disk
allowVolumeExpansion: true
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: table-high}
value: 1000
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: table-vm}
handler: kata
---
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: table-request}
spec:
  signerName: example.com/signer
  expirationSeconds: 7200
  usages: [client auth]
  request: REQUEST
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: []}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {pods: "10", limits.cpu: "2", requests.cpu: "1"}}
status: {hard: {pods: "10", limits.cpu: "2", requests.cpu: "1"}, used: {pods: "1", limits.cpu: 500m, requests.cpu: 250m}}
`
