//! `logs`: of all pods of a service, each line with its pod in front.

use std::collections::HashSet;

use clap::Args;
use flotilla_operator::cluster::MICROSERVICE_LABEL;
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::LogParams,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Paint, Terminal},
};

/// Arguments of `logs`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service
    name: String,

    /// Go on with new lines and new pods
    #[arg(short, long, conflicts_with = "previous")]
    follow: bool,

    /// How many of the last lines of each pod; all when left out
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,

    /// The container; the one that runs the image of the service when left out
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,

    /// Of the former run of containers that began anew
    #[arg(short, long)]
    previous: bool,

    /// Lines that are newer than so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
    since: Option<i64>,

    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
}

/// Lines that may wait between the pods and the terminal.
const BUFFERED: usize = 1024;

/// A line of a pod, or why there are none.
type Line = (String, Result<String, Error>);

/// Shows the logs.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    // A name with a typing error would otherwise be a service without pods.
    cluster.microservice(&arguments.name).await?;
    let reader = Reader::new(arguments, &cluster);
    if arguments.follow { follow(&reader, terminal).await } else { once(&reader, &cluster, terminal).await }
}

/// How the log of a pod is read.
struct Reader {
    api: Api<Pod>,
    service: String,
    params: LogParams,
}

impl Reader {
    fn new(arguments: &Arguments, cluster: &Cluster) -> Self {
        let params = LogParams {
            // The container that runs the image is named like the service.
            container: Some(arguments.container.clone().unwrap_or_else(|| arguments.name.clone())),
            follow: arguments.follow,
            tail_lines: arguments.tail,
            previous: arguments.previous,
            since_seconds: arguments.since,
            timestamps: arguments.timestamps,
            ..LogParams::default()
        };
        Self { api: cluster.api(), service: arguments.name.clone(), params }
    }

    /// Sends the lines of a pod until there are no more.
    fn read(&self, pod: String, lines: mpsc::Sender<Line>) -> impl Future<Output = ()> + Send + use<> {
        let (api, params) = (self.api.clone(), self.params.clone());
        async move {
            let failed = |error| Err(Error::api(format!("read the log of pod {pod:?}"))(error));
            let stream = match api.log_stream(&pod, &params).await {
                Ok(stream) => stream,
                // Nobody listens any more when this fails, so there is nobody to tell.
                Err(error) => return drop(lines.send((pod.clone(), failed(error))).await),
            };
            let all = stream.lines();
            pin_mut!(all);
            while let Some(line) = all.next().await {
                let line = line.map_err(Error::Output);
                if lines.send((pod.clone(), line)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What there is now, one pod after the other, so that the lines of a pod stay together.
async fn once(reader: &Reader, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let pods = cluster.pods(&reader.service).await?;
    if pods.is_empty() {
        terminal.say(&format!("{} has no pods: kubectl flotilla why {0} tells why", reader.service))?;
        return Ok(Answer::No);
    }
    let mut answer = Answer::Yes;
    for pod in pods {
        let (sender, mut lines) = mpsc::channel(BUFFERED);
        let reading = tokio::spawn(reader.read(pod.name_any(), sender));
        while let Some(line) = lines.recv().await {
            answer = if write(&line, terminal)? { answer } else { Answer::No };
        }
        reading.await.ok();
    }
    Ok(answer)
}

/// What there is, and what comes, also of pods that come.
async fn follow(reader: &Reader, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let config = watcher::Config::default().labels(&format!("{MICROSERVICE_LABEL}={}", reader.service));
    let pods = watcher(reader.api.clone(), config).default_backoff().applied_objects();
    pin_mut!(pods);
    let (sender, mut lines) = mpsc::channel(BUFFERED);
    let mut readers = JoinSet::new();
    let mut known = HashSet::new();
    let container = reader.params.container.clone().unwrap_or_default();
    loop {
        tokio::select! {
            Some(line) = lines.recv() => {
                write(&line, terminal)?;
            }
            // A watch that breaks off is begun anew.
            pod = pods.try_next() => if let Ok(Some(pod)) = pod
                && let Some(run) = running(&pod, &container)
                && known.insert((pod.name_any(), run))
            {
                readers.spawn(reader.read(pod.name_any(), sender.clone()));
            },
        }
    }
}

/// The ID of the container when it runs: each run has a log of its own.
fn running(pod: &Pod, container: &str) -> Option<String> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let found = all.into_iter().find(|found| found.name == container)?;
    found.state.as_ref()?.running.as_ref()?;
    found.container_id.clone()
}

/// Writes a line. Returns whether it is one, and not the reason why there are none.
fn write((pod, line): &Line, terminal: &mut Terminal<'_>) -> Result<bool, Error> {
    match line {
        Ok(line) => {
            let text = shown(pod, line, terminal.paint);
            terminal.data(&text)?;
            Ok(true)
        }
        Err(error) => {
            terminal.say(&format!("{pod}: {error}"))?;
            Ok(false)
        }
    }
}

fn shown(pod: &str, line: &str, paint: Paint) -> String {
    format!("{} {line}\n", paint.place(&format!("{pod} |")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_has_its_pod_in_front() {
        assert_eq!(shown("orders-b-1", "ready", Paint::default()), "orders-b-1 | ready\n");
    }

    #[test]
    fn each_run_of_a_container_is_followed_once() {
        let pod = |state: serde_json::Value| {
            crate::pod::tests::pod(
                "a",
                json!({"containerStatuses": [{"name": "orders",
            "image": "", "imageID": "", "ready": true, "restartCount": 0, "containerID": "containerd://1", "state": state}]}),
            )
        };
        assert_eq!(running(&pod(json!({"running": {}})), "orders").as_deref(), Some("containerd://1"));
        assert_eq!(running(&pod(json!({"running": {}})), "proxy"), None);
        assert_eq!(running(&pod(json!({"waiting": {}})), "orders"), None);
    }
}
