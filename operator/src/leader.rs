//! Leadership among the replicas of the operator, by a Lease and by the rules of client-go: others' clocks are
//! never trusted, and a leader that cannot renew stops before anybody else may start.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::metrics::LeaderMetrics;

/// How long a lease counts after its last renewal was seen.
const LEASE_DURATION: Duration = Duration::from_secs(15);

/// How long the leader goes on after its last renewal: less than a lease lasts for those who wait.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// Time between attempts.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// What is known of leadership: until when this replica may write.
type Claim = Option<Instant>;

/// Whether this replica leads. Cheap to clone, and asked before each write.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// `None` for an operator that is alone.
    claim: Option<watch::Receiver<Claim>>,
}

impl Leadership {
    /// Leadership of an operator that is alone, without a Lease.
    pub fn alone() -> Self {
        Self { claim: None }
    }

    /// Whether this replica leads now. A claim that was not renewed in time does not count, even if nobody
    /// has noticed yet.
    pub fn holds(&self) -> bool {
        self.claim.as_ref().is_none_or(|claim| claim.borrow().is_some_and(|until| Instant::now() < until))
    }

    /// Waits until this replica, which did not lead, leads.
    pub async fn won(&mut self) {
        let Some(claim) = &mut self.claim else {
            return std::future::pending().await;
        };
        // The two waits fail only when the election is over, and then nothing is won any more.
        if claim.wait_for(Option::is_none).await.is_err() || claim.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Where and as whom leadership is sought.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Name of this replica: its pod.
    pub holder: String,
}

/// The running election.
#[derive(Debug)]
pub struct Election {
    claim: watch::Receiver<Claim>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Election {
    /// Starts to seek leadership.
    pub fn start(client: Client, identity: Identity, metrics: LeaderMetrics) -> Self {
        let (sender, claim) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let api = Api::namespaced(client, &identity.namespace);
        let candidate = Candidate { api, identity, seen: None };
        let task = tokio::spawn(run(candidate, sender, stopped, metrics));
        Self { claim, stop, task }
    }

    /// Whether this replica leads, for those who ask.
    pub fn leadership(&self) -> Leadership {
        Leadership { claim: Some(self.claim.clone()) }
    }

    /// Waits for the election to die, which happens only by a defect.
    pub async fn died(&mut self) {
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the election died");
        }
    }

    /// Gives the Lease back, so that another replica need not wait for it to expire.
    pub async fn release(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the election died");
        }
    }
}

async fn run(
    mut candidate: Candidate,
    claim: watch::Sender<Claim>,
    mut stopped: watch::Receiver<bool>,
    metrics: LeaderMetrics,
) {
    let lease = candidate.identity.lease.clone();
    metrics.leads(&lease, false);
    loop {
        let began = Instant::now();
        match tokio::time::timeout(RETRY_PERIOD * 2, candidate.attempt()).await {
            Ok(Ok(true)) => publish(&claim, Some(began + RENEW_DEADLINE), &lease, &metrics),
            Ok(Ok(false)) => publish(&claim, None, &lease, &metrics),
            Ok(Err(error)) => tracing::warn!(%error, lease, "cannot read or write the Lease"),
            Err(_) => tracing::warn!(lease, "the API server did not answer about the Lease in time"),
        }
        if claim.borrow().is_some_and(|until| Instant::now() >= until) {
            publish(&claim, None, &lease, &metrics);
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_PERIOD) => {}
            // An error means that the election was dropped, which also ends it.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    let led = claim.send_replace(None).is_some();
    if led && let Err(error) = candidate.give_back().await {
        tracing::warn!(%error, lease, "cannot give the Lease back; it expires by itself");
    }
    metrics.leads(&lease, false);
}

fn publish(claim: &watch::Sender<Claim>, next: Claim, lease: &str, metrics: &LeaderMetrics) {
    let before = claim.send_replace(next);
    if before.is_some() != next.is_some() {
        tracing::info!(lease, leads = next.is_some(), "leadership changed");
        metrics.leads(lease, next.is_some());
    }
}

struct Candidate {
    api: Api<Lease>,
    identity: Identity,
    /// The Lease as it was last seen, and since when it has been so by our own clock.
    seen: Option<(Lease, Instant)>,
}

impl Candidate {
    /// Takes or renews the Lease if that is allowed; says whether it is ours now.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.identity.lease).await? else {
            let lease = self.claim_of(None);
            return self.settle(self.api.create(&PostParams::default(), &lease).await);
        };
        self.look(&lease);
        if !self.may_take(&lease) {
            return Ok(false);
        }
        let mut next = self.claim_of(Some(&lease));
        // The resource version makes the write fail when another replica was faster.
        next.metadata.resource_version.clone_from(&lease.metadata.resource_version);
        self.settle(self.api.replace(&self.identity.lease, &PostParams::default(), &next).await)
    }

    async fn give_back(&mut self) -> Result<(), kube::Error> {
        let Some((lease, _)) = self.seen.take() else {
            return Ok(());
        };
        let mut free = lease;
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        free.metadata.managed_fields = None;
        self.api.replace(&self.identity.lease, &PostParams::default(), &free).await.map(drop)
    }

    fn settle(&mut self, result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
        match result {
            Ok(lease) => {
                self.seen = Some((lease, Instant::now()));
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn look(&mut self, lease: &Lease) {
        if self.seen.as_ref().is_none_or(|(known, _)| known.spec != lease.spec) {
            self.seen = Some((lease.clone(), Instant::now()));
        }
    }

    fn may_take(&self, lease: &Lease) -> bool {
        let holder = holder(lease);
        let expired = self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= LEASE_DURATION);
        holder.is_none() || holder == Some(&self.identity.holder) || expired
    }

    fn claim_of(&self, former: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let spec = former.and_then(|lease| lease.spec.as_ref());
        let mine = former.and_then(holder) == Some(&self.identity.holder);
        let before = spec.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let transitions = if mine || former.is_none() { before } else { before + 1 };
        Lease {
            metadata: ObjectMeta {
                name: Some(self.identity.lease.clone()),
                namespace: Some(self.identity.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.holder.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: spec
                    .filter(|_| mine)
                    .and_then(|spec| spec.acquire_time.clone())
                    .or(Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}
