//! One request from its head to its answer.

mod attempt;
mod failure;
mod forwarded;
mod identity;
mod mirror;
mod outgoing;
mod tunnel;

pub use self::forwarded::Told;

use std::{convert::Infallible, net::IpAddr, rc::Rc, sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::Body;
use hyper::body::Incoming as Received;

use self::{failure::Failure, identity::CORRELATION_ID, outgoing::Head};
use crate::{
    body::{self, Guard, RequestBody, ResponseBody, tee},
    connection::Connection,
    edge::{Refused, admit, extended_connect, strip_hop_by_hop, upgrade},
    filter::{Incoming, Outgoing},
    policy::{Asking, Good, Policy, Refusal},
    record::Record,
    route::Found,
    snapshot::Snapshot,
    worker::Worker,
};

/// Answers a request, with what a backend says or with why none was asked.
pub async fn answer(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: Request<Received>,
) -> Result<Response<ResponseBody>, Infallible> {
    let snapshot = worker.snapshot();
    let (mut parts, body) = request.into_parts();
    let mut record = Record::new(
        &parts,
        connection.peer,
        connection.is_secure,
        Arc::clone(&snapshot.no_route),
        &worker.log,
        &connection.activity,
    );
    record.correlation_id = identity::correlation_id(&mut parts.headers);
    record.trace = identity::trace(&mut parts.headers);
    if let Some(traces) = &worker.traces {
        record.recorded = traces.begin(&mut parts.headers, record.trace.as_ref());
        if let Some(recorded) = &record.recorded {
            record.trace = recorded.header();
        }
    }
    let is_grpc = is_grpc(&parts);
    let is_http1 = parts.version < Version::HTTP_2;
    connection.activity.body(is_http1 && !body.is_end_stream());
    let exchange = Exchange { worker: &worker, connection: &connection, snapshot: &snapshot, is_grpc };
    let mut response = match exchange.forward(parts, body, &mut record).await {
        Ok(response) => response,
        Err(failure) => exchange.fail(&failure, &mut record),
    };
    let headers = response.headers_mut();
    headers.insert(CORRELATION_ID, record.correlation_id.clone());
    if is_http1 && (worker.is_leaving() || record.reason.is_some_and(failure::ends_connection)) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    record.answered(response.status());
    response.body_mut().record(record);
    Ok(response)
}

/// What a request has around it.
struct Exchange<'a> {
    worker: &'a Worker,
    connection: &'a Connection,
    snapshot: &'a Snapshot,
    is_grpc: bool,
}

impl Exchange<'_> {
    /// The answer of the gateway itself when there is none of a backend.
    fn fail(&self, failure: &Failure, record: &mut Record) -> Response<ResponseBody> {
        record.reason = Some(failure.reason());
        self.worker.metrics.refused(failure.reason());
        failure.response(self.is_grpc, record)
    }

    /// Whose token a request has, as far as a policy asks for one; or why it does not go on.
    fn admit(
        &self,
        policy: Option<&Policy>,
        headers: &HeaderMap,
        time: Instant,
    ) -> Result<Option<Good>, Refusal> {
        let Some(policy) = policy else { return Ok(None) };
        policy.admit(&Asking { headers, client: || self.client(headers), time })
    }

    fn client(&self, headers: &HeaderMap) -> IpAddr {
        forwarded::client(headers, self.connection.peer, &self.worker.settings.trusted)
    }

    /// The body of a request, which ends where it is too large.
    fn body(&self, body: Received, policy: Option<&Policy>) -> Result<RequestBody, Failure> {
        let settings = &self.worker.settings;
        let most = policy.and_then(|policy| policy.body_bytes).unwrap_or(u64::MAX).min(settings.body_bytes);
        if body.is_end_stream() {
            Ok(RequestBody::Empty)
        } else if body.size_hint().lower() > most {
            Err(Failure::Body(Box::new(body::Error::TooLarge(most))))
        } else {
            let patience = (!self.is_grpc).then_some(settings.patience.body);
            Ok(RequestBody::Client(Guard::new(body, most, patience)))
        }
    }

    async fn forward(
        &self,
        mut parts: Parts,
        body: Received,
        record: &mut Record,
    ) -> Result<Response<ResponseBody>, Failure> {
        let settings = &self.worker.settings;
        if let Some(reason) = self.connection.activity.suspicion() {
            return Err(Refused { status: StatusCode::BAD_REQUEST, reason }.into());
        }
        let extended = extended_connect(&mut parts)?;
        let target = record.target.insert(admit(&parts, settings.limits)?);
        let port = self.connection.port;
        let found = self.snapshot.table.find(port, &target.host, target.path(), &parts);
        let (listener, matched) = match found {
            Found::NoListener => return Err(Failure::NoListener),
            Found::NoRoute { listener } => (listener, None),
            Found::Rule { listener, matched } => (listener, Some(matched)),
        };
        if self.connection.listener.as_ref().is_some_and(|named| named != listener) {
            return Err(Failure::Misdirected);
        }
        let matched = matched.ok_or(Failure::NoRoute)?;
        let rule = matched.rule;
        record.rule.clone_from(&rule.name);
        if let Some(metrics) = self.snapshot.routes.get(&rule.route) {
            record.metrics = Arc::clone(metrics);
        }
        let incoming = Incoming {
            is_secure: self.connection.is_secure,
            port,
            host: &target.host,
            prefix: matched.prefix,
        };
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let policy = rule.policy.as_deref().filter(|_| !rule.filters.answers_preflight(&parts));
        let good = match self.admit(policy, &parts.headers, record.begun) {
            Ok(good) => good,
            Err(refusal) => {
                let mut response = self.fail(&refusal.into(), record);
                // Pages of other origins are to see why.
                rule.filters.on_response(origin.as_ref(), response.headers_mut());
                return Ok(response);
            }
        };
        if let Some(own) = rule.filters.answer(&parts, incoming, &target.path_and_query)? {
            let mut response = own.map(|()| ResponseBody::own(""));
            rule.filters.on_response(origin.as_ref(), response.headers_mut());
            return Ok(response);
        }
        let share = rule.backends.pick(fastrand::u32(..)).ok_or(Failure::NoBackend)?;
        let backend = share.backend.as_ref().ok_or(Failure::NoBackend)?;
        let upstream = self.snapshot.upstreams.get(backend).ok_or(Failure::NoBackend)?;
        record.backend = Some(Arc::clone(&upstream.name));
        let wish = upstream.wish(&parts.headers, || self.client(&parts.headers));

        let wanted = if parts.version < Version::HTTP_2 { upgrade(&parts)? } else { extended };
        let client = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        strip_hop_by_hop(&mut parts.headers);
        outgoing::tidy(&mut parts.headers, parts.version);
        if extended.is_some() {
            outgoing::add_key(&mut parts.headers)?;
        }
        forwarded::set(&mut parts.headers, self.connection, target, &settings.trusted);
        // Not before headers have gone that a client may have had removed.
        if let Some(policy) = policy {
            policy.tell(good.as_ref(), &mut parts.headers);
        }
        let mut towards = Outgoing { host: None, path_and_query: target.path_and_query.clone() };
        rule.filters.on_request(&mut parts.headers, matched.prefix, &mut towards)?;
        share.filters.on_request(&mut parts.headers, matched.prefix, &mut towards)?;
        let head = Head::new(&mut parts, target, towards, wanted)?;

        let random = fastrand::u32(..);
        let mirrors: smallvec::SmallVec<[_; 2]> =
            rule.filters.mirrors(random).chain(share.filters.mirrors(random)).collect();
        let body = self.body(body, policy)?;
        let body = self.mirrored(&mirrors, &head, body);

        let (mut response, lease) = self.attempts(rule, (upstream, wish), head, body, record).await?;
        let given = record
            .endpoint
            .as_ref()
            .and_then(|endpoint| upstream.token(endpoint, wish, self.connection.is_secure));
        if let Some((name, value)) = given {
            response.headers_mut().append(name, value);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(wanted), Some(client)) = (wanted, client) else {
                return Err(Failure::BadAnswer);
            };
            return tunnel::open(response, client, wanted, extended.is_some(), lease);
        }
        // A success would open the stream of a client that has asked for a tunnel, and there is none.
        if extended.is_some() && response.status().is_success() {
            return Err(Failure::BadAnswer);
        }
        let headers = response.headers_mut();
        strip_hop_by_hop(headers);
        share.filters.on_response(origin.as_ref(), headers);
        rule.filters.on_response(origin.as_ref(), headers);
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|body| ResponseBody::upstream(body, lease)))
    }

    /// Sends copies to those that only look on.
    fn mirrored(&self, mirrors: &[&Arc<str>], head: &Head, body: RequestBody) -> RequestBody {
        if mirrors.is_empty() {
            return body;
        }
        let (body, copies) = match body {
            RequestBody::Client(body) => {
                let (body, copies) = tee(body, mirrors.len());
                (RequestBody::Copied(body), copies.into_iter().map(RequestBody::Copy).collect())
            }
            body => (body, mirrors.iter().map(|_| RequestBody::Empty).collect::<Vec<_>>()),
        };
        for (name, copy) in mirrors.iter().zip(copies) {
            if let Some(upstream) = self.snapshot.upstreams.get(*name) {
                mirror::send(&self.worker.pools, &self.worker.metrics, upstream, head, copy);
            }
        }
        body
    }
}

fn is_grpc(parts: &Parts) -> bool {
    let kind = || parts.headers.get(header::CONTENT_TYPE);
    parts.version == Version::HTTP_2
        && kind().is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
