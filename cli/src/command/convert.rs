//! `convert`: a `Microservice` of what people have.

use clap::{Args, Subcommand};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress};
use kube::{Api, api::ListParams};
use serde_json::Value;

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    convert::{Converted, compose, deployment},
    input,
    output::{self, Form, Terminal},
    schema::Schema,
};

/// Arguments of `convert`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// What to convert
    #[command(subcommand)]
    from: From,

    /// Form of the objects
    #[arg(short, long, default_value = "yaml", global = true)]
    output: Form,
}

/// What can be converted.
#[derive(Subcommand, Clone, Debug)]
enum From {
    /// A compose file: a Microservice for each service
    Compose {
        /// The file, `-` for standard input
        #[arg(short = 'f', long = "filename", value_name = "FILE")]
        file: String,
    },
    /// A Deployment of the cluster, with the Services and Ingresses that lead to it
    Deployment {
        /// Its name
        name: String,
    },
}

/// Converts, and says on standard error what could not be carried over.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let converted = match &arguments.from {
        From::Compose { file } => from_compose(file)?,
        From::Deployment { name } => from_deployment(&Cluster::connect(global).await?, name).await?,
    };
    terminal.data(&output::objects(arguments.output, &converted.objects)?)?;
    for note in &converted.notes {
        terminal.say(note)?;
    }
    let schema = Schema::of_microservice()?;
    for object in &converted.objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        for finding in schema.check(object).findings {
            terminal.say(&format!("{name} is not valid yet: {finding}"))?;
        }
    }
    Ok(Answer::Yes)
}

fn from_compose(path: &str) -> Result<Converted, Error> {
    let empty =
        || Error::Empty { path: input::shown(path), wanted: "services", advice: "name a compose file" };
    let document =
        input::parse(&input::shown(path), &input::text(path)?)?.into_iter().next().ok_or_else(empty)?;
    if !document.value["services"].is_object() {
        return Err(empty());
    }
    Ok(compose::convert(&document.value, &|name| std::env::var(name).ok()))
}

async fn from_deployment(cluster: &Cluster, name: &str) -> Result<Converted, Error> {
    let api: Api<Deployment> = cluster.api();
    let live = api.get_opt(name).await.map_err(Error::api(format!("read Deployment {name:?}")))?;
    let live = live.ok_or_else(|| Error::NotFound {
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
        namespace: cluster.namespace.clone(),
        advice: "write its namespace with -n".to_owned(),
    })?;
    let all = ListParams::default();
    let services = cluster.api::<Service>().list(&all).await.map_err(Error::api("list Services"))?.items;
    let ingresses = cluster.api::<Ingress>().list(&all).await.map_err(Error::api("list Ingresses"))?.items;
    Ok(deployment::convert(&json_of(&live)?, &json_of(&services)?, &json_of(&ingresses)?))
}

fn json_of<T: serde::Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Format(error.to_string()))
}
