package e2e

import "k8s.io/client-go/dynamic"

type resourceClient = dynamic.ResourceInterface

var strategicObjects = map[string]string{
	"deployment": `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web, tier: front}
  annotations: {note: one}
  finalizers: [moonlet.dev/one, moonlet.dev/two, moonlet.dev/three]
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {disk: ssd}
      imagePullSecrets: [{name: one}, {name: two}]
      hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}, {ip: 10.0.0.2, hostnames: [c]}]
      tolerations: [{key: x, operator: Exists}, {key: "y", operator: Exists}]
      initContainers: [{name: init, image: "i:1"}]
      containers:
      - name: a
        image: a:1
        args: ["1", "2"]
        env: [{name: ONE, value: "1"}, {name: TWO, value: "2"}, {name: THREE, value: "3"}]
        ports: [{containerPort: 80, name: http}, {containerPort: 443, name: https}]
        volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /etc/config}]
      - {name: b, image: "b:1"}
      - {name: c, image: "c:1"}
      volumes: [{name: data, emptyDir: {}}, {name: config, configMap: {name: config}}]
`,
	"pod": `
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}, finalizers: [moonlet.dev/keep]}
spec:
  automountServiceAccountToken: false
  schedulerName: none
  containers: [{name: main, image: "m:1"}, {name: side, image: "s:1"}]
`,
	"service": `
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  selector: {app: web}
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: http, port: 80, targetPort: 8080}
  - {name: dns-tcp, port: 53, protocol: TCP}
`,
	"account": `
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
secrets: [{name: one}, {name: two}, {name: three}]
imagePullSecrets: [{name: pull}]
`,
	"node": `
apiVersion: v1
kind: Node
metadata: {name: strategic-cases, labels: {zone: a}}
spec:
  podCIDRs: [10.1.0.0/24]
  podCIDR: 10.1.0.0/24
  taints: [{key: a, effect: NoSchedule}, {key: b, effect: NoExecute, value: x}]
`,
	"map": `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  finalizers: [moonlet.dev/a, moonlet.dev/b, moonlet.dev/c, moonlet.dev/d]
  ownerReferences:
  - {apiVersion: none.moonlet.dev/v1, kind: Owner, name: i, uid: uid-x}
  - {apiVersion: none.moonlet.dev/v1, kind: Owner, name: j, uid: uid-y}
data: {one: "1", two: "2"}
`,
}

// One a line: the object and its patch.
const strategicPatches = `
map null
map {}
map {"data":{"one":"3"}}
map {"data":{"one":null,"three":"3"}}
map {"data":null}
map {"data":{"$patch":"replace","only":"1"}}
map {"data":{"$patch":"delete"}}
map {"data":{"$patch":"merge"}}
map {"data":{"$patch":5,"a":"b"}}
map {"data":{"$retainKeys":["one"],"one":"1"}}
map {"data":{"$retainKeys":["one","four"],"one":"9","four":"4"}}
map {"data":{"$retainKeys":["one"],"two":"9"}}
map {"data":{"$retainKeys":"one"}}
map {"binaryData":{"a":"AA=="}}
map {"metadata":{"finalizers":["moonlet.dev/e"]}}
map {"metadata":{"finalizers":["moonlet.dev/c","moonlet.dev/a"]}}
map {"metadata":{"finalizers":["moonlet.dev/e","moonlet.dev/b","moonlet.dev/e"]}}
map {"metadata":{"finalizers":[]}}
map {"metadata":{"finalizers":null}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":["moonlet.dev/b","moonlet.dev/x"]}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":["moonlet.dev/b"],"$setElementOrder/finalizers":["moonlet.dev/d","moonlet.dev/a","moonlet.dev/c"]}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":[]}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":"moonlet.dev/b"}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":null}}
map {"metadata":{"$deleteFromPrimitiveListfinalizers":["moonlet.dev/b"]}}
map {"metadata":{"$deleteFromPrimitiveList/finalizers":[1]}}
map {"metadata":{"$setElementOrder/finalizers":["moonlet.dev/d","moonlet.dev/c","moonlet.dev/b","moonlet.dev/a"]}}
map {"metadata":{"$setElementOrder/finalizers":["moonlet.dev/d","moonlet.dev/b"]}}
map {"metadata":{"$setElementOrder/finalizers":["moonlet.dev/c","moonlet.dev/e","moonlet.dev/a"],"finalizers":["moonlet.dev/e"]}}
map {"metadata":{"$setElementOrder/finalizers":["moonlet.dev/c"],"finalizers":["moonlet.dev/e"]}}
map {"metadata":{"$setElementOrder/finalizers":[],"finalizers":["moonlet.dev/e","moonlet.dev/f"]}}
map {"metadata":{"$setElementOrder/finalizers":"moonlet.dev/c"}}
map {"metadata":{"$setElementOrderfinalizers":["moonlet.dev/c"]}}
map {"metadata":{"$setElementOrder/labels":["a"]}}
map {"metadata":{"finalizers":[1]}}
map {"metadata":{"finalizers":[["moonlet.dev/x"]]}}
map {"metadata":{"ownerReferences":[{"uid":"uid-y","name":"z","kind":"Owner","apiVersion":"none.moonlet.dev/v1"}]}}
map {"metadata":{"ownerReferences":[{"uid":"uid-x","$patch":"delete"}]}}
map {"metadata":{"ownerReferences":[{"name":"z"}]}}
map {"metadata":{"ownerReferences":[{"name":"z","$patch":"delete"}]}}
map {"metadata":{"ownerReferences":[{"uid":"uid-x","$patch":"merge"}]}}
map {"metadata":{"ownerReferences":[{"uid":"uid-x","$patch":"away"}]}}
map {"metadata":{"labels":{"new":"1","gone":null}}}
map []
map 5
account {"secrets":[{"name":"four"},{"name":"one"}]}
account {"secrets":[{"name":"two","$patch":"delete"},{"name":"four"}]}
account {"secrets":[{"$patch":"replace"},{"name":"only"}]}
account {"secrets":[{"$patch":"replace"}]}
account {"$setElementOrder/secrets":[{"name":"three"},{"name":"one"},{"name":"two"}]}
account {"$setElementOrder/secrets":[{"name":"three"},{"name":"four"},{"name":"one"}],"secrets":[{"name":"four"},{"name":"two","$patch":"delete"}]}
account {"$setElementOrder/secrets":[{"name":"one"}],"secrets":[{"name":"four"}]}
account {"$setElementOrder/secrets":[{"nome":"one"}],"secrets":[{"name":"one"}]}
account {"$setElementOrder/secrets":["one"],"secrets":[{"name":"one"}]}
account {"imagePullSecrets":[{"name":"pull"},{"name":"more"}],"secrets":null}
service {"spec":{"ports":[{"port":80,"targetPort":9090}]}}
service {"spec":{"ports":[{"port":81,"name":"new","protocol":"TCP","targetPort":81}]}}
service {"spec":{"ports":[{"port":80,"$patch":"delete"}]}}
service {"spec":{"ports":[{"port":53,"name":"first"}]}}
service {"spec":{"$setElementOrder/ports":[{"port":80},{"port":53}],"ports":[{"port":80,"name":"web"}]}}
service {"spec":{"selector":{"app":"other","$patch":"replace"}}}
service {"spec":{"selector":{"tier":"x"},"sessionAffinity":"ClientIP"}}
node {"spec":{"taints":[{"key":"c","effect":"NoSchedule"},{"key":"a","effect":"NoExecute"}]}}
node {"spec":{"taints":[{"key":"a","effect":"NoExecute","$patch":"replace"}]}}
node {"spec":{"podCIDRs":["10.1.0.0/24"]}}
node {"metadata":{"labels":{"zone":null,"region":"r"}}}
pod {"spec":{"containers":[{"name":"side","image":"s:2"}]}}
pod {"spec":{"$setElementOrder/containers":[{"name":"main"},{"name":"side"}],"containers":[{"name":"main","image":"m:2"}]}}
pod {"spec":{"activeDeadlineSeconds":60}}
pod {"metadata":{"$deleteFromPrimitiveList/finalizers":["moonlet.dev/keep"]}}
pod {"spec":{"containers":[{"image":"s:2"}]}}
deployment {"spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"b","image":"b:2"}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"d","image":"d:1"},{"name":"a","image":"a:2"}]}}}}
deployment {"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"d"},{"name":"c"},{"name":"a"}],"containers":[{"name":"d","image":"d:1"},{"name":"b","$patch":"delete"}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"c","$patch":"delete"},{"name":"a","env":[{"name":"TWO","value":"22"},{"name":"ZERO","value":"0"},{"name":"ONE","$patch":"delete"}]}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"a","$setElementOrder/env":[{"name":"THREE"},{"name":"NEW"},{"name":"ONE"},{"name":"TWO"}],"env":[{"name":"NEW","value":"n"}]}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"a","args":["3"],"ports":[{"containerPort":80,"name":"web"},{"containerPort":8080}]}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"a","ports":[{"$patch":"replace"},{"containerPort":9000}],"volumeMounts":[{"mountPath":"/data","readOnly":true}]}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"a","image":null,"args":null},{"name":"b","image":"b:9"}]}}}}
deployment {"spec":{"template":{"spec":{"containers":[{"name":"a","env":null,"resources":{"limits":{"cpu":"1"},"requests":null}}]}}}}
deployment {"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}
deployment {"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}
deployment {"spec":{"strategy":{"$patch":"replace","type":"Recreate"}}}
deployment {"spec":{"strategy":{"$retainKeys":["type"],"rollingUpdate":{"maxSurge":2},"type":"RollingUpdate"}}}
deployment {"spec":{"template":{"spec":{"volumes":[{"name":"data","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x","type":""}}]}}}}
deployment {"spec":{"template":{"spec":{"volumes":[{"name":"config","configMap":{"items":[{"key":"a","path":"b"}]}},{"name":"more","emptyDir":{"medium":"Memory"}}]}}}}
deployment {"spec":{"template":{"spec":{"tolerations":[{"key":"z","operator":"Exists"}],"imagePullSecrets":[{"name":"three"},{"name":"one","$patch":"delete"}]}}}}
deployment {"spec":{"template":{"spec":{"hostAliases":[{"ip":"10.0.0.2","hostnames":["d"]},{"ip":"10.0.0.3","hostnames":["e"]}],"nodeSelector":{"disk":null,"arch":"arm"}}}}}
deployment {"spec":{"template":{"spec":{"securityContext":{"runAsUser":5,"supplementalGroups":[1,2]},"affinity":{"nodeAffinity":{"$patch":"delete"}}}}}}
deployment {"spec":{"template":{"spec":{"initContainers":[{"name":"init","command":["x"]},{"name":"second","image":"j:1"}],"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"a":"b"}}}]}}}}
deployment {"spec":{"selector":{"matchLabels":{"app":"web"},"matchExpressions":[]},"paused":true}}
deployment {"metadata":{"labels":{"tier":null},"annotations":{"$patch":"replace","only":"this"},"finalizers":["moonlet.dev/four","moonlet.dev/two"]}}
deployment {"metadata":{"$setElementOrder/finalizers":["moonlet.dev/three","moonlet.dev/four","moonlet.dev/one"],"finalizers":["moonlet.dev/four"],"$deleteFromPrimitiveList/finalizers":["moonlet.dev/two"]}}
`
