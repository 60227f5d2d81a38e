//! A connection that is no longer one of HTTP (RFC 9110 section 7.8): bytes go both ways until one side ends.

use http::{Response, StatusCode, Version, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, sync::oneshot, task::spawn_local};

use super::failure::Failure;
use crate::{
    body::ResponseBody,
    edge::{Upgrade, strip_hop_by_hop},
    record::Record,
    upstream::{Answered, Lease, Tunnel},
};

/// Opens a tunnel between a client and a backend that has agreed to it. One that has asked by an extended CONNECT is told so
/// by 200, and knows no key (RFC 8441 section 5).
pub(super) fn open(
    response: Response<Answered>,
    client: OnUpgrade,
    wanted: Upgrade,
    is_extended: bool,
    lease: Lease,
) -> Result<Response<ResponseBody>, Failure> {
    let agreed = response.headers().get(header::UPGRADE);
    if !agreed.is_some_and(|agreed| agreed.as_bytes().eq_ignore_ascii_case(wanted.token().as_bytes())) {
        return Err(Failure::BadAnswer);
    }
    let (mut parts, body) = response.into_parts();
    let Answered::Http1(body) = body else { return Err(Failure::BadAnswer) };
    let backend = body.tunnel().ok_or(Failure::BadAnswer)?;
    strip_hop_by_hop(&mut parts.headers);
    if is_extended {
        parts.status = StatusCode::OK;
        parts.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    } else {
        parts.headers.insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, wanted.token());
    }
    parts.version = Version::HTTP_11;
    let (sender, record) = oneshot::channel::<Box<Record>>();
    spawn_local(async move {
        // Both are held until the end: the request is counted as long as its tunnel is there.
        let (_lease, record) = (lease, record.await);
        match run(client, backend).await {
            Ok(sent) => {
                if let Ok(mut record) = record {
                    record.sent(usize::try_from(sent).unwrap_or(usize::MAX));
                }
            }
            Err(error) => tracing::debug!(%error, "a tunnel broke"),
        }
    });
    Ok(Response::from_parts(parts, ResponseBody::tunnel(sender)))
}

/// Why a tunnel broke.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

async fn run(client: OnUpgrade, mut backend: Tunnel) -> Result<u64, Error> {
    let mut client: TokioIo<Upgraded> = TokioIo::new(client.await?);
    let (_received, sent) = copy_bidirectional(&mut client, &mut backend).await?;
    Ok(sent)
}
