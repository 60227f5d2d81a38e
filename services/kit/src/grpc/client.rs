//! Asks other services.

use std::time::Duration;

use ::http::{HeaderValue, Uri};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::{
    auth::{HEADER, NoIdentity, Signer, Subject},
    correlation::{self, CorrelationId},
    trace,
};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a connection that nobody uses is asked whether it is there: one to a machine that has gone is silent for minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a service, which is made when it is needed, and made again after it broke.
pub fn channel(address: Uri) -> Channel {
    Endpoint::from(address)
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
        .connect_lazy()
}

/// A request that says who asks and for whom, with the correlation id and the trace that it is in. An answer may take `patience`;
/// the one that is asked stops then as well.
pub fn request<T>(
    message: T,
    signer: &Signer,
    audience: &str,
    subject: &Subject,
    patience: Duration,
) -> Result<Request<T>, NoIdentity> {
    let mut identity = HeaderValue::from_str(signer.sign(audience, subject)?.expose())?;
    // So that no list of headers shows it.
    identity.set_sensitive(true);
    let mut request = Request::new(message);
    request.set_timeout(patience);
    let headers = request.metadata_mut().as_mut();
    headers.insert(HEADER, identity);
    headers.insert(correlation::HEADER, CorrelationId::current().unwrap_or_default().header());
    if let Some(traceparent) = trace::traceparent().and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert("traceparent", traceparent);
    }
    Ok(request)
}
