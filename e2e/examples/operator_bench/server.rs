//! What the API server says of the writes that it has answered, by its own metrics.

use anyhow::{Context, Result};
use kube::Client;

/// Verbs that write.
const WRITES: [&str; 5] = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];

/// A histogram of durations: bounds in seconds, and how many requests took no longer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency(Vec<(f64, f64)>);

impl Latency {
    /// Of every write that the API server has answered since it started.
    pub(crate) async fn of_writes(client: &Client) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = client.request_text(request).await.context("cannot read the API server's metrics")?;
        let mut histogram: Vec<(f64, f64)> = Vec::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("apiserver_request_duration_seconds_bucket{") else {
                continue;
            };
            let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split('"').next()
            };
            if !label("verb").is_some_and(|verb| WRITES.contains(&verb)) {
                continue;
            }
            let bound = match label("le") {
                Some("+Inf") => f64::INFINITY,
                Some(bound) => bound.parse()?,
                None => continue,
            };
            let count: f64 = value.parse()?;
            match histogram.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, sum)) => *sum += count,
                None => histogram.push((bound, count)),
            }
        }
        histogram.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Ok(Self(histogram))
    }

    /// What was added since an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let former = |bound: f64| {
            before
                .0
                .iter()
                .find(|(known, _)| known.total_cmp(&bound).is_eq())
                .map_or(0.0, |(_, count)| *count)
        };
        Self(self.0.iter().map(|(bound, count)| (*bound, count - former(*bound))).collect())
    }

    /// How many requests.
    pub(crate) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The seconds that this share of the requests did not exceed, between the bounds of its bucket by proportion.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = self.count() * share;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= wanted {
                let within = if count > &below { (wanted - below) / (count - below) } else { 1.0 };
                return if bound.is_finite() { low + (bound - low) * within } else { low };
            }
            (low, below) = (*bound, *count);
        }
        low
    }
}
