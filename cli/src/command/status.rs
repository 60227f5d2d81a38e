//! `status`: how a service is.

use std::time::Duration;

use clap::Args;
use flotilla_crds::v1alpha1::Microservice;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Api,
    api::ListParams,
    runtime::{WatchStreamExt as _, watcher},
};

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Form, Terminal},
    summary::{self, Summary},
};

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service; all of the namespace when left out
    name: Option<String>,

    /// Services of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,

    /// Wait until it is as its spec says, or until nothing more can be waited for
    #[arg(short, long, requires = "name")]
    watch: bool,

    /// How many seconds to wait with --watch
    #[arg(long, default_value_t = 600, value_name = "SECONDS", requires = "watch")]
    timeout: u64,

    /// Form for programs
    #[arg(short, long)]
    output: Option<Form>,
}

/// Shows how a service is, or all of them.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    let Some(name) = &arguments.name else { return all(arguments, &cluster, terminal).await };
    if arguments.watch {
        return watch(arguments, name, &cluster, terminal).await;
    }
    let summary = Summary::of(&cluster.microservice(name).await?);
    show(&summary, arguments.output, terminal)?;
    Ok(Answer::from(summary.is_ready()))
}

fn show(summary: &Summary, form: Option<Form>, terminal: &mut Terminal<'_>) -> Result<(), Error> {
    if let Some(form) = form {
        return terminal.value(form, summary);
    }
    let text = summary::detail(summary, Timestamp::now(), terminal.paint);
    terminal.data(&text)
}

async fn all(arguments: &Arguments, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let api: Api<Microservice> =
        if arguments.all_namespaces { Api::all(cluster.client.clone()) } else { cluster.api() };
    let list = api.list(&ListParams::default()).await.map_err(Error::api("list Microservices"))?;
    let summaries: Vec<_> = list.items.iter().map(Summary::of).collect();
    match arguments.output {
        Some(form) => terminal.value(form, &summaries)?,
        None if summaries.is_empty() => terminal.say("there are no Microservices")?,
        None => {
            let text = summary::list(&summaries, arguments.all_namespaces, terminal.paint);
            terminal.data(&text)?;
        }
    }
    Ok(Answer::from(summaries.iter().all(Summary::is_ready)))
}

/// Follows a service. Each change is a line for people; a program gets the end alone.
async fn watch(
    arguments: &Arguments,
    name: &str,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    // A watch waits for what is not there yet; whoever asks wants to know that it is not there.
    cluster.microservice(name).await?;
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(cluster.api::<Microservice>(), config).default_backoff();
    let settled = async {
        let mut last = None;
        futures::pin_mut!(events);
        loop {
            let event = match events.next().await {
                // A watch that breaks off is begun anew.
                Some(Err(_)) => continue,
                Some(Ok(event)) => event,
                None => return Ok(last),
            };
            let microservice = match event {
                watcher::Event::Apply(found) | watcher::Event::InitApply(found) => found,
                watcher::Event::Delete(_) => return Err(cluster.no_microservice(name)),
                watcher::Event::Init | watcher::Event::InitDone => continue,
            };
            let summary = Summary::of(&microservice);
            if arguments.output.is_none() && last.as_ref() != Some(&summary) {
                let line = summary::line(&summary, terminal.paint);
                terminal.data(&line)?;
            }
            let is_settled = summary.is_settled();
            last = Some(summary);
            if is_settled {
                return Ok(last);
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(arguments.timeout), settled).await;
    let last = waited.map_err(|_| {
        let seconds = arguments.timeout;
        Error::Timeout(format!(
            "{name} is still on its way after {seconds} seconds: kubectl flotilla why {name} tells what it waits for"
        ))
    })??;
    let Some(summary) = last else { return Err(cluster.no_microservice(name)) };
    if let Some(form) = arguments.output {
        terminal.value(form, &summary)?;
    }
    Ok(Answer::from(summary.is_done()))
}
