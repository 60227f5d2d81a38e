//! What happens to an order, as it happens (server-sent events). Each has its version as its id, so that whoever was cut off
//! goes on with `Last-Event-ID`.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use flotilla_kit::{drain::Phase, http::Path};
use futures::stream::{self, Stream};
use tokio::time::{interval, sleep};
use uuid::Uuid;

use super::{Answer, openapi::Problems, orders::visible, principal::Principal, private, shape::OrderEvent};
use crate::{app::App, domain::order::Status, store::orders};

/// How often it is looked.
const POLL: Duration = Duration::from_millis(250);

/// Events that are read at a time.
const BATCH: i64 = 100;

/// How long a stream lasts. Whoever wants more comes again.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// What happens to an order, until it ends.
#[utoipa::path(get, path = "/v1/orders/{id}/stream", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("Last-Event-ID" = Option<i64>, Header, description = "The version that was seen last"),
), responses(
    (status = 200, description = "Events, with versions as ids", content_type = "text/event-stream", body = OrderEvent),
    Problems,
))]
pub(super) async fn stream(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Answer {
    visible(&app, &principal, id).await?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    let events = Sse::new(happening(app, id, seen)).keep_alive(KeepAlive::default());
    Ok(private(events.into_response()))
}

fn happening(app: App, id: Uuid, seen: i64) -> impl Stream<Item = Result<Event, Infallible>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut ending = std::pin::pin!(app.drain.at_least(Phase::Leaving));
        let mut lifetime = std::pin::pin!(sleep(LIFETIME));
        let (mut seen, mut ticks) = (seen, interval(POLL));
        loop {
            tokio::select! {
                () = &mut ending => return,
                () = &mut lifetime => return,
                () = sender.closed() => return,
                _ = ticks.tick() => {}
            }
            let happened = match orders::happened(&app.pool, id, seen, BATCH).await {
                Ok(happened) => happened,
                Err(error) => {
                    tracing::debug!(%error, "a stream cannot go on now");
                    continue;
                }
            };
            for one in happened {
                seen = one.version;
                let is_end = one.to.parse::<Status>().is_ok_and(Status::is_final) && one.kind == one.to;
                let event = Event::default().id(seen.to_string()).event(one.kind.clone());
                let Ok(event) = event.json_data(OrderEvent::from(one)) else { return };
                if sender.send(Ok(event)).await.is_err() || is_end {
                    return;
                }
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|event| (event, receiver)))
}
