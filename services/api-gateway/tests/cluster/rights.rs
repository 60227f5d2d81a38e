//! What a gateway may do, and what it may not: who takes one over holds no secret of the cluster but its own.

use flotilla_gateway_config::package::PART_LIMIT;
use http::StatusCode;
use k8s_openapi::api::{core::v1::Secret, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::{
    backend::Backend,
    gateway::Gateway,
    namespace::{Endpoint, SECRET, in_namespace},
};

fn code<T>(result: Result<T, kube::Error>) -> Option<u16> {
    match result {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.code),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn the_rights_for_one_secret_and_endpoints_are_enough() {
    in_namespace(async |namespace| {
        let backend = Backend::start("a").await;
        namespace.slice("one", &[Endpoint::ready(&backend)]).await;
        let mut config = namespace.config(0);
        let gateway = Gateway::start(namespace).await;
        config["listeners"][0]["port"] = json!(gateway.port());
        namespace.configure(&config, PART_LIMIT).await;
        gateway.ready().await;
        gateway.answers("/", 200, "a").await;
        assert_eq!(gateway.metric("watch_failures_total").await, 0);
        assert_eq!(gateway.metric("api_server_up").await, 1);

        // With the token that the gateway has.
        let kubeconfig = Kubeconfig::read_from(gateway.folder().join("kubeconfig")).unwrap();
        let with_token =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(with_token).unwrap();
        let secrets = Api::<Secret>::namespaced(client.clone(), &namespace.name);
        assert_eq!(code(secrets.get(SECRET).await), None);
        assert_eq!(code(secrets.list(&ListParams::default()).await), Some(403));
        assert_eq!(code(secrets.get("another").await), Some(403));
        let only = ListParams::default().fields(&format!("metadata.name={SECRET}"));
        assert_eq!(code(secrets.list(&only).await), None);
        assert_eq!(code(secrets.delete(SECRET, &kube::api::DeleteParams::default()).await), Some(403));
        assert_eq!(code(Api::<Secret>::all(client.clone()).list(&ListParams::default()).await), Some(403));
        assert_eq!(code(Api::<EndpointSlice>::all(client).list(&ListParams::default().limit(1)).await), None);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn it_is_not_ready_before_it_knows_the_endpoints_that_it_needs() {
    in_namespace(async |namespace| {
        let backend = Backend::start("a").await;
        namespace.slice("one", &[Endpoint::ready(&backend)]).await;
        namespace.blind().await;
        let gateway = Gateway::start(namespace).await;
        namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
        gateway.answers("/", 503, "the backend has no endpoints").await;
        let expected = (
            StatusCode::SERVICE_UNAVAILABLE,
            "the EndpointSlices of the cluster are not known yet\n".to_owned(),
        );
        assert_eq!(gateway.readiness().await, expected);
        // What needs no Service is ready without.
        let mut config = namespace.config(gateway.port());
        let address = json!({"host": backend.address.ip(), "port": backend.address.port()});
        config["backends"]["orders"] = json!({"endpoints": [address]});
        namespace.configure(&config, PART_LIMIT).await;
        gateway.ready().await;
        gateway.answers("/", 200, "a").await;
        namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
        gateway.answers("/", 503, "the backend has no endpoints").await;
        assert_eq!(gateway.readiness().await, expected);
        namespace.unblind().await;
        gateway.ready().await;
        gateway.answers("/", 200, "a").await;
    })
    .await;
}
