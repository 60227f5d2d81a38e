//! The way to the cluster: the kubeconfig as kubectl reads it.

use flotilla_crds::v1alpha1::Microservice;
use flotilla_operator::cluster::MICROSERVICE_LABEL;
use http::{HeaderValue, header::USER_AGENT};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{Error, args::Global};

const AGENT: &str = concat!("kubectl-flotilla/", env!("CARGO_PKG_VERSION"));

/// A cluster, and the namespace to work in.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The namespace of `-n`, or of the context.
    pub namespace: String,
}

impl Cluster {
    /// Finds the cluster that the arguments name.
    pub async fn connect(global: &Global) -> Result<Self, Error> {
        let said = |error: kube::config::KubeconfigError| Error::Kubeconfig(error.to_string());
        let options = KubeConfigOptions { context: global.context.clone(), ..KubeConfigOptions::default() };
        let mut config = match &global.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(said)?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(said)?
            }
            None => match Config::from_kubeconfig(&options).await {
                Ok(config) => config,
                // In a pod there is none, and its service account is meant; with a context it is not.
                Err(error) if global.context.is_some() => return Err(said(error)),
                Err(error) => Config::incluster().map_err(|_| said(error))?,
            },
        };
        if let Some(user) = &global.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !global.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(global.impersonate_groups.clone());
        }
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::Kubeconfig(error.to_string()))?;
        Ok(Self { client, namespace })
    }

    /// The kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The service of this name.
    pub async fn microservice(&self, name: &str) -> Result<Microservice, Error> {
        let found = self.api::<Microservice>().get_opt(name).await;
        found
            .map_err(Error::api(format!("read Microservice {name:?}")))?
            .ok_or_else(|| self.no_microservice(name))
    }

    /// That there is no such service.
    pub fn no_microservice(&self, name: &str) -> Error {
        Error::NotFound {
            kind: "Microservice".to_owned(),
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            advice: "kubectl get msvc -A shows all that there are".to_owned(),
        }
    }

    /// The pods of a service.
    pub async fn pods(&self, name: &str) -> Result<Vec<Pod>, Error> {
        let params = ListParams::default().labels(&format!("{MICROSERVICE_LABEL}={name}"));
        let list = self.api::<Pod>().list(&params).await.map_err(Error::api("list pods"))?;
        Ok(list.items)
    }
}
