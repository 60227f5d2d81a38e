//! A namespace for a test, with an account that has the rights of a gateway and no others.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, resume_unwind},
    path::Path,
    sync::Once,
};

use flotilla_gateway_config::package::{INDEX_KEY, PART_KEY, pack};
use futures::FutureExt;
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::TokenRequest,
        authorization::v1::SubjectAccessReview,
        core::v1::{Namespace, Secret, ServiceAccount},
        discovery::v1::EndpointSlice,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::Kubeconfig,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::client::eventually;

/// The Secret of the index.
pub(crate) const SECRET: &str = "gateway";

/// Secrets that the account may read, for parts.
const PARTS: usize = 20;

/// Group, resource and name of what tells the endpoints of Services: all of them.
const SLICES: (&str, &str, &str) = ("discovery.k8s.io", "endpointslices", "");

/// A namespace that belongs to one test.
pub(crate) struct TestNamespace {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// Runs a test in a namespace of its own, which is deleted also when it fails.
pub(crate) async fn in_namespace(body: impl AsyncFnOnce(&TestNamespace)) {
    let namespace = TestNamespace::create().await;
    let outcome = AssertUnwindSafe(body(&namespace)).catch_unwind().await;
    namespace.delete().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl TestNamespace {
    async fn create() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
        let config = Config::infer().await.expect("set KUBECONFIG to the cluster to test");
        let client = Client::try_from(config).unwrap();
        let name = format!("gateway-{:08x}", fastrand::u32(..));
        let namespace = Self { client, name };
        let metadata = json!({"name": namespace.name, "labels": {"flotilla.dev/test": "gateway"}});
        namespace
            .create_in::<Namespace>(Api::all(namespace.client.clone()), json!({"metadata": metadata}))
            .await;
        namespace.grant().await;
        namespace
    }

    /// Takes the right to see `EndpointSlices`.
    pub(crate) async fn blind(&self) {
        let role = Api::<ClusterRole>::all(self.client.clone());
        let patch = json!({"rules": []});
        role.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        self.until_it_may(SLICES, false).await;
    }

    /// Gives the right to see `EndpointSlices`.
    pub(crate) async fn unblind(&self) {
        let role = Api::<ClusterRole>::all(self.client.clone());
        let patch = json!({"rules": [Self::slices_rule()]});
        role.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        self.until_it_may(SLICES, true).await;
    }

    /// Waits until the API server goes by the rights that the gateway's account was given, which it learns of by a watch.
    async fn until_it_may(&self, (group, resource, name): (&str, &str, &str), may: bool) {
        let asked = json!({"group": group, "resource": resource, "name": name, "namespace": self.name, "verb": "list"});
        let account = format!("system:serviceaccount:{}:{SECRET}", self.name);
        let review = json!({"metadata": {}, "spec": {"user": account, "resourceAttributes": asked}});
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let ask = async || {
            let answer = reviews.create(&PostParams::default(), &object(review.clone())).await.unwrap();
            answer.status.is_some_and(|status| status.allowed)
        };
        eventually("its rights are as given", ask, |allowed| *allowed == may).await;
    }

    fn slices_rule() -> Value {
        let ((group, resource, _), verbs) = (SLICES, ["get", "list", "watch"]);
        json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
    }

    async fn grant(&self) {
        let (client, name) = (&self.client, &self.name);
        let namespaced = json!({"name": SECRET, "namespace": name});
        let of = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let subject = json!([{"kind": "ServiceAccount", "name": SECRET, "namespace": name}]);
        let reads = json!(["get", "list", "watch"]);
        let mut secrets = vec![SECRET.to_owned()];
        secrets.extend((0..PARTS).map(|number| format!("{SECRET}-{number}")));
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
        self.create_in(accounts, json!({"metadata": namespaced})).await;
        let own =
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": secrets, "verbs": reads});
        let role = json!({"metadata": namespaced, "rules": [own]});
        self.create_in(Api::<Role>::namespaced(client.clone(), name), role).await;
        let binding = json!({"metadata": namespaced, "roleRef": of("Role", SECRET), "subjects": subject});
        self.create_in(Api::<RoleBinding>::namespaced(client.clone(), name), binding).await;
        let role = json!({"metadata": {"name": name}, "rules": [Self::slices_rule()]});
        self.create_in(Api::<ClusterRole>::all(client.clone()), role).await;
        let binding =
            json!({"metadata": {"name": name}, "roleRef": of("ClusterRole", name), "subjects": subject});
        self.create_in(Api::<ClusterRoleBinding>::all(client.clone()), binding).await;
        self.until_it_may(("", "secrets", SECRET), true).await;
        self.until_it_may(SLICES, true).await;
    }

    async fn create_in<T>(&self, api: Api<T>, value: Value)
    where
        T: Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        api.create(&PostParams::default(), &object(value)).await.unwrap();
    }

    async fn delete(self) {
        let now = DeleteParams::background();
        let client = &self.client;
        Api::<Namespace>::all(client.clone()).delete(&self.name, &now).await.unwrap();
        Api::<ClusterRole>::all(client.clone()).delete(&self.name, &now).await.unwrap();
        Api::<ClusterRoleBinding>::all(client.clone()).delete(&self.name, &now).await.unwrap();
    }

    /// Writes a kubeconfig with the token of the gateway's account. `server` is where the API server is, when not where it is.
    pub(crate) async fn kubeconfig(&self, file: &Path, server: Option<&str>) {
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.name);
        let request: TokenRequest = object(json!({"spec": {"audiences": [], "expirationSeconds": 3600}}));
        let answer: TokenRequest =
            accounts.create_subresource("token", SECRET, &PostParams::default(), &request).await.unwrap();
        let mut config = Kubeconfig::read().expect("KUBECONFIG is a file");
        for cluster in &mut config.clusters {
            let cluster = cluster.cluster.as_mut().unwrap();
            if let (Some(server), Some(known)) = (server, &cluster.server) {
                let host = known.parse::<http::Uri>().unwrap().host().unwrap().to_owned();
                cluster.tls_server_name = Some(host);
                cluster.server = Some(server.to_owned());
            }
        }
        let mut value = serde_json::to_value(&config).unwrap();
        for user in value["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": answer.status.as_ref().unwrap().token});
        }
        std::fs::write(file, value.to_string()).unwrap();
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Writes a key of a Secret, and leaves the others.
    pub(crate) async fn write(&self, secret: &str, key: &str, bytes: Vec<u8>) {
        let data = BTreeMap::from([(key.to_owned(), ByteString(bytes))]);
        let patch = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "data": data});
        let by = PatchParams::apply(&format!("test-{key}")).force();
        self.secrets().patch(secret, &by, &Patch::Apply(patch)).await.unwrap();
    }

    /// Writes a configuration as the operator does: what the index names, then the index.
    pub(crate) async fn configure(&self, config: &Value, part_limit: usize) -> usize {
        let (index, parts) = pack(SECRET, config.to_string().as_bytes(), part_limit).unwrap();
        let json = serde_json::to_vec(&index).unwrap();
        if let ([part], [bytes]) = (&*index.parts, &*parts) {
            let data = BTreeMap::from([
                (INDEX_KEY.to_owned(), ByteString(json)),
                (PART_KEY.to_owned(), ByteString(bytes.clone())),
            ]);
            let patch =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": part.name}, "data": data});
            self.secrets()
                .patch(&part.name, &PatchParams::apply("test").force(), &Patch::Apply(patch))
                .await
                .unwrap();
        } else {
            for (part, bytes) in index.parts.iter().zip(&parts) {
                self.write(&part.name, PART_KEY, bytes.clone()).await;
            }
            self.write(SECRET, INDEX_KEY, json).await;
        }
        parts.len()
    }

    /// Writes an EndpointSlice of Service `orders`, whose port is called `http`.
    pub(crate) async fn slice(&self, name: &str, endpoints: &[Endpoint]) {
        self.slice_of("orders", name, endpoints).await;
    }

    pub(crate) async fn slice_of(&self, service: &str, name: &str, endpoints: &[Endpoint]) {
        let port = endpoints.first().map_or(80, |endpoint| endpoint.address.port());
        assert!(endpoints.iter().all(|endpoint| endpoint.address.port() == port), "a slice has one port");
        let is_v6 = endpoints.iter().any(|endpoint| endpoint.address.is_ipv6());
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": if is_v6 { "IPv6" } else { "IPv4" },
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": endpoints.iter().map(Endpoint::json).collect::<Vec<_>>(),
        });
        let by = PatchParams::apply("test").force();
        self.slices().patch(name, &by, &Patch::Apply(slice)).await.unwrap();
    }

    pub(crate) async fn delete_slice(&self, name: &str) {
        self.slices().delete(name, &DeleteParams::default()).await.unwrap();
    }

    fn slices(&self) -> Api<EndpointSlice> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// A configuration with one route to Service `orders`.
    pub(crate) fn config(&self, port: u16) -> Value {
        json!({
            "listeners": [{"name": "web", "port": port, "protocol": "HTTP"}],
            "routes": [{"name": "orders", "rules": [{"backends": [{"backend": "orders"}]}]}],
            "backends": {"orders": {"service": {"namespace": self.name, "name": "orders", "portName": "http"}}},
        })
    }
}

/// An endpoint in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    address: std::net::SocketAddr,
    ready: bool,
    serving: bool,
    terminating: bool,
    for_zone: Option<&'static str>,
}

impl Endpoint {
    pub(crate) fn ready(backend: &crate::backend::Backend) -> Self {
        Self { address: backend.address, ready: true, serving: true, terminating: false, for_zone: None }
    }

    /// Meant for clients in a zone.
    pub(crate) fn for_zone(self, zone: &'static str) -> Self {
        Self { for_zone: Some(zone), ..self }
    }

    pub(crate) fn unready(backend: &crate::backend::Backend) -> Self {
        Self { ready: false, serving: false, ..Self::ready(backend) }
    }

    pub(crate) fn terminating(backend: &crate::backend::Backend) -> Self {
        Self { ready: false, terminating: true, ..Self::ready(backend) }
    }

    fn json(&self) -> Value {
        json!({
            "addresses": [self.address.ip()],
            "conditions": {"ready": self.ready, "serving": self.serving, "terminating": self.terminating},
            "hints": self.for_zone.map(|zone| json!({"forZones": [{"name": zone}]})),
        })
    }
}
