//! Deployments as an API server gives them, and what becomes of them.

use super::*;
use crate::{
    output::{Form, objects},
    schema::Schema,
};

fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// A Deployment with what the API server fills in.
fn deployment(container: &str, pod: &str) -> Value {
    value(&format!(
        r"
metadata: {{name: orders, namespace: shop}}
spec:
  replicas: 1
  progressDeadlineSeconds: 600
  revisionHistoryLimit: 10
  selector: {{matchLabels: {{app: orders}}}}
  strategy: {{type: RollingUpdate, rollingUpdate: {{maxSurge: 25%, maxUnavailable: 25%}}}}
  template:
    metadata: {{labels: {{app: orders}}}}
    spec:
      containers:
      - {{name: orders, image: 'orders:1', imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log,
          terminationMessagePolicy: File, resources: {{limits: {{memory: 1Gi}}}}, {container}}}
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {{}}
      terminationGracePeriodSeconds: 30
      {pod}
"
    ))
}

fn converted(container: &str, pod: &str, services: &str) -> (Value, Vec<String>) {
    let mut found = convert(&deployment(container, pod), &value(services), &json!([]));
    let object = found.objects.remove(0);
    assert_eq!(Schema::of_microservice().unwrap().check(&object).findings, [], "{object}");
    (object["spec"].clone(), found.notes)
}

#[test]
fn what_the_api_server_fills_in_is_left_out() {
    let (spec, notes) =
        converted("securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true}", "", "[]");
    assert_eq!(
        spec,
        json!({"image": "orders:1", "resources": {"limits": {"memory": "1Gi"}}, "security": {"runAsUser": 1000}})
    );
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn a_whole_deployment() {
    let text = r"
metadata: {name: orders}
spec:
  replicas: 3
  minReadySeconds: 5
  selector: {matchLabels: {app: orders}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {app: orders, team: shop}
      annotations: {prometheus.io/scrape: 'true', kubectl.kubernetes.io/restartedAt: now}
    spec:
      serviceAccountName: orders
      imagePullSecrets: [{name: registry}]
      nodeSelector: {disk: ssd}
      tolerations: [{key: dedicated, operator: Exists, effect: NoSchedule}]
      affinity: {podAntiAffinity: {x: 1}}
      terminationGracePeriodSeconds: 60
      hostNetwork: true
      securityContext: {runAsNonRoot: true, fsGroup: 1000}
      volumes:
      - {name: conf, configMap: {name: orders, defaultMode: 420}}
      - {name: tmp, emptyDir: {}}
      - {name: node, hostPath: {path: /var/log}}
      initContainers:
      - {name: migrate, image: 'orders:1', args: [migrate], env: [{name: A, value: b}]}
      - {name: proxy, image: 'proxy:2', restartPolicy: Always, ports: [{name: admin, containerPort: 9901}],
          readinessProbe: {httpGet: {path: /ready, port: admin}}}
      containers:
      - {name: log, image: 'log:1', securityContext: {runAsUser: 0}}
      - name: orders
        image: registry.example.com/orders:1
        args: [serve]
        workingDir: /srv
        env:
        - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: api}}}
        ports:
        - {name: http, containerPort: 8080, protocol: TCP}
        - {containerPort: 50051}
        readinessProbe: {httpGet: {path: /readyz, port: http, scheme: HTTP}, periodSeconds: 5, timeoutSeconds: 1}
        livenessProbe: {tcpSocket: {port: 8080}, failureThreshold: 5}
        startupProbe: {exec: {command: [/orders, check]}, periodSeconds: 2, failureThreshold: 30}
        lifecycle: {preStop: {exec: {command: [/bin/sh, -c, sleep 15]}}}
        resources: {requests: {cpu: 250m, memory: 512Mi}}
        securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}, allowPrivilegeEscalation: false}
        volumeMounts:
        - {name: conf, mountPath: /etc/orders, readOnly: true}
        - {name: tmp, mountPath: /tmp}
";
    let services = value(
        r"
- {metadata: {name: orders}, spec: {selector: {app: orders}, type: ClusterIP, ports: [
    {name: http, port: 80, targetPort: http}, {name: grpc, port: 9090, targetPort: 50051, appProtocol: kubernetes.io/h2c}]}}
- {metadata: {name: orders-public}, spec: {selector: {team: shop}, type: LoadBalancer, ports: [{port: 443, targetPort: 8080}]}}
- {metadata: {name: other}, spec: {selector: {app: other}, ports: [{port: 1}]}}
",
    );
    let ingresses = value(
        "[{metadata: {name: shop}, spec: {rules: [{http: {paths: [{backend: {service: {name: orders, port: {number: 80}}}}]}}]}}]",
    );
    let found = convert(&value(text), &services, &ingresses);
    insta::assert_snapshot!("deployment_orders", objects(Form::Yaml, &found.objects).unwrap());
    insta::assert_snapshot!("deployment_orders_notes", found.notes.join("\n"));
    assert_eq!(Schema::of_microservice().unwrap().check(&found.objects[0]).findings, []);
}

#[test]
fn each_way_to_drain() {
    for (hook, seconds) in [
        ("sleep: {seconds: 7}", json!(7)),
        ("exec: {command: [sleep, '8']}", json!(8)),
        ("exec: {command: [/bin/sh, -c, sleep 9s]}", json!(9)),
        ("exec: {command: [/bin/stop]}", Value::Null),
        ("exec: {command: [sh, -c, stop && sleep 3]}", Value::Null),
    ] {
        let (spec, notes) = converted(&format!("lifecycle: {{preStop: {{{hook}}}}}"), "", "[]");
        assert_eq!(spec["lifecycle"]["drainSeconds"], seconds, "{hook}");
        assert_eq!(seconds.is_null(), notes.iter().any(|note| note.contains("preStop")), "{notes:?}");
    }
}

#[test]
fn a_port_that_only_the_service_names() {
    let service = "[{metadata: {name: orders}, spec: {selector: {app: orders}, ports: [{port: 80, targetPort: 8080}]}}]";
    let (spec, _) = converted("args: []", "", service);
    assert_eq!(spec["ports"], json!([{"name": "http", "port": 8080, "servicePort": 80}]));
}

#[test]
fn nothing_is_lost_silently() {
    for (container, pod, expected) in [
        ("volumeDevices: [{name: a}]", "", "container orders.volumeDevices"),
        ("args: []", "runtimeClassName: gvisor", "pod.runtimeClassName"),
        ("args: []", "dnsPolicy: None", "pod.dnsPolicy"),
        ("args: []", "hostPID: true", "pod.hostPID"),
        ("securityContext: {privileged: true}", "", "container orders.securityContext.privileged"),
        ("securityContext: {procMount: Unmasked}", "", "container orders.securityContext.procMount"),
        ("lifecycle: {postStart: {exec: {command: [a]}}}", "", "container orders.lifecycle.postStart"),
    ] {
        let text = if pod.starts_with("dnsPolicy") { "hostname: x" } else { pod };
        let mut source = deployment(container, text);
        if pod.starts_with("dnsPolicy") {
            source["spec"]["template"]["spec"]["dnsPolicy"] = "None".into();
        }
        let notes = convert(&source, &json!([]), &json!([])).notes;
        assert!(notes.iter().any(|note| note.starts_with(expected)), "{expected}: {notes:?}");
    }
}
