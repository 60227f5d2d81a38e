//! A namespace for each test, with what tests do in it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus};
use futures::future::LocalBoxFuture;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde_json::{Value, json};

use crate::{client, eventually, kubectl};

/// The label of every namespace that a test made.
pub const TEST_LABEL: &str = "flotilla.dev/test";

/// A namespace that belongs to one test. It enforces Pod Security `restricted`.
#[derive(Clone)]
pub struct TestNamespace {
    /// A client of the cluster.
    pub client: Client,
    /// Its name.
    pub name: String,
}

/// Runs a test in a namespace of its own, which is deleted when it passes. When it fails, what the namespace had
/// is part of the error.
pub fn in_namespace<'t, F>(
    test: &'t str,
    body: impl FnOnce(TestNamespace) -> F + 't,
) -> LocalBoxFuture<'t, Result<()>>
where
    F: Future<Output = Result<()>>,
{
    // In a box: the whole of a test is too large for the stack of its caller.
    Box::pin(async move {
        let namespace = TestNamespace::create(test).await?;
        match body(namespace.clone()).await {
            Ok(()) => namespace.delete().await,
            Err(error) => {
                let state = namespace.describe().await;
                namespace.delete().await.ok();
                Err(error.context(format!("in namespace {}\n{state}", namespace.name)))
            }
        }
    })
}

/// The condition of this type.
pub fn condition<'a>(status: &'a MicroserviceStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// The label of pods that are run to call a service.
const CALLER: [(&str, &str); 1] = [("flotilla-test", "caller")];

/// A `network` block that lets pods in which a test runs.
pub fn allow_callers() -> Value {
    json!({"allowFrom": [{"podLabels": BTreeMap::from(CALLER)}]})
}

impl TestNamespace {
    async fn create(test: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let client = client().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let name = format!("t-{test}-{:x}-{}", now & 0xff_ffff, COUNT.fetch_add(1, Ordering::Relaxed));
        let labels = BTreeMap::from([
            (TEST_LABEL.to_owned(), test.to_owned()),
            ("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned()),
        ]);
        let metadata = ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        Ok(Self { client, name })
    }

    async fn delete(&self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.delete(&self.name, &DeleteParams::background()).await?;
        Ok(())
    }

    /// What is in the namespace, for the error of a failed test.
    async fn describe(&self) -> String {
        let mut text = String::new();
        for arguments in [
            ["get", "msvc,msvcrev,deploy,rs,pod,svc,sa,netpol,pdb,hpa", "-o", "wide"].as_slice(),
            &["get", "msvc", "-o", "yaml"],
            &["get", "events", "--sort-by=.metadata.creationTimestamp"],
        ] {
            let arguments = [arguments, &["-n", &self.name]].concat();
            let output = kubectl(&arguments, "").await.unwrap_or_else(|error| error.to_string());
            text.extend(["$ kubectl ", &arguments.join(" "), "\n", &output, "\n"]);
        }
        text
    }

    /// Objects of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Applies a `Microservice`, as `kubectl apply --server-side` would.
    pub async fn apply(&self, name: &str, spec: Value) -> Result<Microservice> {
        let object = json!({
            "apiVersion": "flotilla.dev/v1alpha1",
            "kind": "Microservice",
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        self.api()
            .patch(name, &params, &Patch::Apply(&object))
            .await
            .with_context(|| format!("cannot apply {name}"))
    }

    /// Merges a change into an object of this namespace, as another tool would.
    pub async fn edit<K>(&self, name: &str, change: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let params = PatchParams { field_manager: Some("somebody-else".into()), ..PatchParams::default() };
        Ok(self.api().patch(name, &params, &Patch::Merge(&change)).await?)
    }

    /// Waits until a `Microservice` is as wanted, and returns it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Microservice, &MicroserviceStatus) -> bool,
    ) -> Result<Microservice> {
        let api: Api<Microservice> = self.api();
        let (api, wanted) = (&api, &wanted);
        eventually(what, || async move {
            let object = api.get(name).await?;
            let status = object.status.clone().unwrap_or_default();
            let current = status.observed_generation == object.metadata.generation;
            Ok(if current && wanted(&object, &status) { Ok(object) } else { Err(status) })
        })
        .await
    }

    /// Waits until a `Microservice` is done: Ready, and neither Reconciling nor Stalled.
    pub async fn until_ready(&self, name: &str) -> Result<Microservice> {
        self.until(name, &format!("{name} is ready"), |_, status| {
            condition(status, "Ready").is_some_and(|ready| ready.status == "True")
                && condition(status, "Reconciling").is_none()
                && condition(status, "Stalled").is_none()
        })
        .await
    }

    /// Waits until an event warns of this in a service, which may be a moment after its status says so.
    pub async fn until_warned(&self, name: &str, reason: &str) -> Result<()> {
        let of = format!("msvc/{name}");
        eventually(&format!("an event of {name} warns of {reason}"), || async {
            let events = kubectl(&["events", "--for", &of, "-n", &self.name], "").await?;
            let warns = events.lines().any(|line| line.contains("Warning") && line.contains(reason));
            Ok(if warns { Ok(()) } else { Err(events) })
        })
        .await
    }

    /// Waits until a service answers with this at a path of a port (`web:http`), asked through the API server, which may learn
    /// of a pod later than its Deployment does.
    pub async fn until_says(&self, service_and_port: &str, path: &str, text: &str) -> Result<()> {
        let what = format!("{service_and_port} says {text:?} at {path}");
        let path = format!("/api/v1/namespaces/{}/services/{service_and_port}/proxy{path}", self.name);
        eventually(&what, || async {
            let answer = kubectl(&["get", "--raw", &path], "").await.map_err(|error| error.to_string());
            Ok(answer.and_then(|answer| if answer.contains(text) { Ok(()) } else { Err(answer) }))
        })
        .await
    }

    /// The Deployment of this name.
    pub async fn deployment(&self, name: &str) -> Result<Deployment> {
        Ok(self.api().get(name).await?)
    }

    /// The living pods of a service.
    pub async fn pods(&self, service: &str) -> Result<Vec<Pod>> {
        let params = ListParams::default().labels(&format!("flotilla.dev/microservice={service}"));
        let pods = self.api::<Pod>().list(&params).await?.items;
        Ok(pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect())
    }

    /// Runs a command in a pod of a service and returns what it prints; an error has what it prints when it fails.
    pub async fn exec(&self, service: &str, command: &[&str]) -> Result<String> {
        let target = format!("deployment/{service}");
        kubectl(&[&["exec", &target, "-n", &self.name, "-c", service, "--"], command].concat(), "").await
    }

    /// Runs a pod, which has the labels of [`allow_callers`], to its end and returns its log; fails when the pod does.
    pub async fn run_pod(&self, name: &str, image: &str, command: &[&str]) -> Result<String> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": BTreeMap::from(CALLER)},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "main",
                    "image": image,
                    "command": command,
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        });
        let api: Api<Pod> = self.api();
        api.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
        let pods = &api;
        let phase = eventually(&format!("pod {name} ends"), || async move {
            let pod = pods.get(name).await?;
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
            Ok(if matches!(phase.as_str(), "Succeeded" | "Failed") { Ok(phase) } else { Err(pod.status) })
        })
        .await?;
        let log = api.logs(name, &LogParams::default()).await?;
        api.delete(name, &DeleteParams::default()).await?;
        if phase != "Succeeded" {
            bail!("pod {name} ({}) failed:\n{log}", command.join(" "));
        }
        Ok(log)
    }

    /// Names of everything that a service owns, by kind, sorted.
    pub async fn owned(&self, service: &Microservice) -> Result<Vec<String>> {
        let uid = service.uid().unwrap_or_default();
        let mut names = Vec::new();
        for kind in flotilla_operator::cluster::kind::Kind::ALL {
            let api: Api<kube::api::DynamicObject> =
                Api::namespaced_with(self.client.clone(), &self.name, &kind.api_resource());
            let objects = match api.list(&ListParams::default()).await {
                // Not every cluster has the optional kinds; a group that is not served has only a status code.
                Err(kube::Error::Api(status)) if status.code == 404 && kind.definition().is_some() => {
                    continue;
                }
                objects => objects?,
            };
            for object in objects {
                if object.owner_references().iter().any(|owner| owner.uid == uid) {
                    names.push(format!("{kind}/{}", object.name_any()));
                }
            }
        }
        names.sort();
        Ok(names)
    }
}
