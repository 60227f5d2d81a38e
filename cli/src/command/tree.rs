//! `tree`: what a service consists of.

use clap::{Args, ValueEnum};
use flotilla_operator::cluster::{MICROSERVICE_LABEL, kind::Kind};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{self, Terminal},
    tree::{self, Found, Node, show},
};

/// Arguments of `tree`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service
    name: String,

    /// Form of the tree
    #[arg(short, long, default_value = "text")]
    output: TreeForm,
}

/// A form of a tree.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeForm {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// The language of Graphviz.
    Dot,
}

/// Shows the tree.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    let tree = fetch(&cluster, &arguments.name).await?;
    let text = match arguments.output {
        TreeForm::Text => show::text(&tree, terminal.paint),
        TreeForm::Json => output::json_text(&tree)?,
        TreeForm::Dot => show::dot(&tree),
    };
    terminal.data(&text)?;
    Ok(Answer::Yes)
}

async fn fetch(cluster: &Cluster, name: &str) -> Result<Node, Error> {
    let microservice = cluster.microservice(name).await?;
    let inventory = microservice.status.clone().unwrap_or_default().inventory;
    let objects = try_join_all(inventory.into_iter().map(|entry| async move {
        // An operator of another version may write kinds that this program does not know.
        let Some(kind) = Kind::find(&entry.group, &entry.kind) else { return Ok((entry, None)) };
        let api: Api<DynamicObject> =
            Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.api_resource());
        let live = api.get_opt(&entry.name).await;
        live.map_err(Error::api(format!("read {kind} {:?}", entry.name))).map(|live| (entry, live))
    }));
    let params = ListParams::default().labels(&format!("{MICROSERVICE_LABEL}={name}"));
    let sets = cluster.api::<ReplicaSet>();
    let sets = async { sets.list(&params).await.map_err(Error::api("list ReplicaSets")) };
    let (objects, sets, pods) = futures::try_join!(objects, sets, cluster.pods(name))?;
    Ok(tree::build(&microservice, &Found { objects, replica_sets: sets.items, pods }))
}
