//! Asks a backend, and another of its endpoints when that is allowed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Response, StatusCode};
use smallvec::SmallVec;
use tokio::time::{sleep, timeout, timeout_at};

use super::{Exchange, failure::Failure, outgoing::Head};
use crate::{
    body::RequestBody,
    record::Record,
    route::Rule,
    upstream::{Answered, Cause, Endpoint, Lease, Outbound, SendError, Upstream, Wish},
};

/// How often another endpoint is asked when not a byte of the request has been sent, which is always safe.
const UNSENT: u32 = 2;

/// What came of one attempt.
#[expect(
    clippy::large_enum_variant,
    reason = "most are answers, and an allocation for each costs more than a move"
)]
enum Outcome {
    Answer(Response<Answered>, Lease),
    Failure {
        failure: Failure,
        /// The request, when not a byte of it has been sent.
        unsent: Option<Box<Outbound>>,
        /// Whether the request may have met the end of its connection.
        met_end: bool,
    },
}

/// What may still be tried.
struct Chances {
    unsent: u32,
    ends: u32,
    counted: u32,
}

impl Exchange<'_> {
    /// Asks endpoints of a backend until one answers, or no more may be asked.
    pub(super) async fn attempts(
        &self,
        rule: &Rule,
        (upstream, wish): (&Arc<Upstream>, Wish),
        head: Head,
        body: RequestBody,
        record: &mut Record,
    ) -> Result<(Response<Answered>, Lease), Failure> {
        let admitted = upstream.admit()?;
        let limit = rule.limit(self.is_grpc);
        let begun = record.begun;
        let all = async {
            let (response, mut lease) = self.all_attempts(rule, (upstream, wish), head, body, record).await?;
            lease.hold(admitted);
            Ok((response, lease))
        };
        match limit {
            None => all.await,
            Some(limit) => timeout_at((begun + limit).into(), all).await.unwrap_or(Err(Failure::TimedOut)),
        }
    }

    async fn all_attempts(
        &self,
        rule: &Rule,
        (upstream, wish): (&Arc<Upstream>, Wish),
        head: Head,
        body: RequestBody,
        record: &mut Record,
    ) -> Result<(Response<Answered>, Lease), Failure> {
        let mut tried: SmallVec<[u64; 4]> = SmallVec::new();
        let retry = rule.retry.as_ref();
        let mut chances =
            Chances { unsent: UNSENT, ends: 1, counted: retry.map_or(0, |retry| retry.attempts) };
        let is_repeatable = matches!(body, RequestBody::Empty) && head.is_idempotent();
        let spare = is_repeatable.then(|| head.clone());
        // Asking for the time costs as much as finding the route: the first attempt is taken to begin with its request.
        let mut now = record.begun;
        let mut endpoint = &*record.endpoint.insert(choose(upstream, wish, &tried, now)?);
        let mut request = head.request(endpoint, body)?;
        // Held while the attempt that it allows is under way.
        let mut permit;
        loop {
            record.attempts += 1;
            let outcome = self.attempt(rule, upstream, endpoint, request).await;
            record.upstream_time = Some(now.elapsed());
            let is_counted = match outcome {
                Outcome::Answer(response, lease) => {
                    let status = response.status().as_u16();
                    let again = retry.is_some_and(|retry| retry.codes.contains(&status));
                    let (Some(spare), true, true) = (&spare, again, chances.counted > 0) else {
                        return Ok((response, lease));
                    };
                    permit = upstream.retry();
                    if permit.is_none() {
                        return Ok((response, lease));
                    }
                    request = spare.clone().request(endpoint, RequestBody::Empty)?;
                    true
                }
                Outcome::Failure { failure, unsent, met_end } => {
                    let is_free = chances.free(unsent.is_some(), met_end && spare.is_some());
                    if !is_free {
                        permit = upstream.retry().filter(|_| chances.counted > 0);
                        if permit.is_none() {
                            return Err(failure);
                        }
                    }
                    request = match (unsent, &spare) {
                        (Some(unsent), _) => *unsent,
                        (None, Some(spare)) => spare.clone().request(endpoint, RequestBody::Empty)?,
                        (None, None) => return Err(failure),
                    };
                    !is_free
                }
            };
            if is_counted {
                chances.counted -= 1;
                if let Some(pause) = retry.and_then(|retry| retry.backoff_ms) {
                    sleep(Duration::from_millis(pause)).await;
                }
            }
            tried.push(endpoint.id);
            // All endpoints of a backend are spoken to alike, so the request is the same for each.
            now = Instant::now();
            endpoint = record.endpoint.insert(choose(upstream, wish, &tried, now)?);
        }
    }

    async fn attempt(
        &self,
        rule: &Rule,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        request: Outbound,
    ) -> Outcome {
        let sending = self.worker.pools.send(upstream, endpoint, request);
        let sent = match rule.backend_timeout {
            None => Some(sending.await),
            Some(limit) => timeout(limit, sending).await.ok(),
        };
        let (failure, reason, unsent, met_end) = match sent {
            Some(Ok((response, lease))) => {
                if says_it_cannot(response.status()) {
                    endpoint.health.failed(Instant::now());
                } else {
                    endpoint.health.succeeded();
                }
                return Outcome::Answer(response, lease);
            }
            Some(Err(error)) => match error.of_client() {
                Ok(error) => {
                    let failure = Failure::Body(Box::new(error));
                    return Outcome::Failure { failure, unsent: None, met_end: false };
                }
                // It says nothing of the endpoint.
                Err(SendError { cause: Cause::Overloaded(error), .. }) => {
                    return Outcome::Failure { failure: error.into(), unsent: None, met_end: false };
                }
                Err(SendError { cause, unsent, met_end }) => {
                    let reason = match cause {
                        Cause::Connect(_) => "connect",
                        Cause::Http1(_) | Cause::Http2(_) | Cause::Overloaded(_) => "connection",
                    };
                    tracing::debug!(backend = %upstream.name, error = %cause, "a backend gave no answer");
                    (Failure::Unreachable(Box::new(cause)), reason, unsent, met_end)
                }
            },
            None => (Failure::TimedOut, "timeout", None, false),
        };
        endpoint.health.failed(Instant::now());
        self.worker.metrics.backend_failed(&upstream.name, reason);
        Outcome::Failure { failure, unsent, met_end }
    }
}

impl Chances {
    /// Whether another attempt is allowed that no rule has to allow.
    fn free(&mut self, is_unsent: bool, met_end: bool) -> bool {
        let left = if is_unsent {
            &mut self.unsent
        } else if met_end {
            &mut self.ends
        } else {
            return false;
        };
        let is_free = *left > 0;
        *left = left.saturating_sub(1);
        is_free
    }
}

fn says_it_cannot(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn choose(upstream: &Upstream, wish: Wish, tried: &[u64], now: Instant) -> Result<Arc<Endpoint>, Failure> {
    upstream
        .choose(wish, tried, now, fastrand::u64(..))
        .ok_or_else(|| if upstream.is_empty() { Failure::NoEndpoint } else { Failure::NoneWell })
}
