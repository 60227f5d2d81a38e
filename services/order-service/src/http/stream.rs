//! What happens to an order, as it happens (server-sent events). Each has its version as its id, so that whoever was cut off
//! goes on with `Last-Event-ID`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use flotilla_kit::{
    drain::Phase,
    http::{Path, Problem},
};
use futures::stream::{self, Stream};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc::Sender},
    time::{MissedTickBehavior, interval, sleep},
};
use uuid::Uuid;

use super::{Answer, private};
use crate::{
    actions::{Principal, orders::visible},
    app::App,
    domain::order::Status,
    shape::OrderEvent,
    store::{self, audit},
};

/// How often it is looked.
const POLL: Duration = Duration::from_millis(250);

/// Events that are read at a time.
const BATCH: i64 = 100;

/// How long a stream lasts. Whoever wants more comes again, with a token that is still good.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What happens to an order, until it ends.
#[utoipa::path(get, path = "/v1/orders/{id}/stream", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("Last-Event-ID" = Option<i64>, Header, description = "The version that was seen last"),
), responses(
    (status = 200, description = "Events, with versions as ids", content_type = "text/event-stream", body = OrderEvent),
    (status = 204, description = "All of it was seen, and nothing more will happen: do not come again"),
))]
pub(super) async fn stream(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Answer {
    let order = visible(&app, &principal, id).await?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    if order.status.is_final() && seen >= order.version {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::unavailable(Duration::from_secs(5), "too many follow their orders now; look again later")
    })?;
    let follower = Follower { app, id, seen, is_admin: principal.is_admin(), _place: place };
    let events = Sse::new(follower.happening()).keep_alive(KeepAlive::default());
    Ok(private(events.into_response()))
}

/// Somebody who follows an order.
struct Follower {
    app: App,
    id: Uuid,
    seen: i64,
    is_admin: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn happening(mut self) -> impl Stream<Item = Result<Event, Infallible>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            let mut ending = std::pin::pin!(self.app.drain.at_least(Phase::Leaving));
            let mut lifetime = std::pin::pin!(sleep(LIFETIME));
            let mut ticks = interval(POLL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = &mut ending => return,
                    () = &mut lifetime => return,
                    () = sender.closed() => return,
                    _ = ticks.tick() => {}
                }
                match self.tell(&sender).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        tracing::warn!(%error, "what happens to an order cannot be read; whoever follows it comes again");
                        return;
                    }
                }
            }
        });
        stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|event| (event, receiver)))
    }

    /// Tells what has happened since. Whether there may be more.
    async fn tell(&mut self, sender: &Sender<Result<Event, Infallible>>) -> Result<bool, store::Error> {
        loop {
            let happened = audit::happened(&self.app.pool, self.id, self.seen, BATCH).await?;
            if happened.is_empty() {
                return Ok(true);
            }
            let mut is_over = false;
            for one in happened {
                self.seen = one.version;
                is_over = one.to.parse().is_ok_and(Status::is_final);
                let event = Event::default().id(self.seen.to_string()).event(one.kind.clone());
                let Ok(event) = event.json_data(OrderEvent::new(one, self.is_admin)) else {
                    return Ok(false);
                };
                if sender.send(Ok(event)).await.is_err() {
                    return Ok(false);
                }
            }
            // Of an order that has ended more may have happened, such as refunds: until there is nothing more.
            if is_over {
                return Ok(!audit::happened(&self.app.pool, self.id, self.seen, 1).await?.is_empty());
            }
        }
    }
}
