//! Something that somebody was told.

use async_graphql::{
    ComplexObject, Context, Enum, ID, Object, SimpleObject,
    connection::{Connection, Edge, EmptyFields},
};
use axum::http::StatusCode;
use flotilla_kit::http::Problem;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    context::{app, deliveries},
    preferences::NotificationChannel,
};
use crate::{
    actions::notifications::{list, scope},
    domain::{
        channel::Channel,
        outcome::{State, Status},
    },
    store::{
        deliveries::{Attempt, Delivery},
        notifications,
    },
};

/// Notifications of a page at most, as over REST.
const MAX: u32 = 100;

/// What became of a notification.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub(super) enum NotificationStatus {
    /// It is on its way.
    Queued,
    /// It has reached somebody.
    Sent,
    /// It was given up.
    Failed,
    /// There is no such recipient.
    Bounced,
    /// Nobody is to have it.
    Suppressed,
}

/// Where a delivery is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "State")]
pub(super) enum DeliveryState {
    /// It waits for its time.
    Queued,
    /// Somebody sends it.
    Sending,
    /// It was taken.
    Sent,
    /// It was given up.
    Dead,
    /// There is no such recipient.
    Bounced,
    /// It is not to be sent.
    Suppressed,
}

/// A notification on its way to one recipient.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct NotificationDelivery {
    id: ID,
    channel: Option<NotificationChannel>,
    state: Option<DeliveryState>,
    /// What was said of the last attempt.
    reason: Option<String>,
    #[graphql(skip)]
    attempts: Vec<NotificationAttempt>,
}

#[ComplexObject]
impl NotificationDelivery {
    /// Its attempts, the first one first.
    #[graphql(complexity = "1 + 10 * child_complexity")]
    async fn attempts(&self) -> &[NotificationAttempt] {
        &self.attempts
    }
}

/// An attempt to deliver.
#[derive(SimpleObject)]
pub(super) struct NotificationAttempt {
    number: i32,
    started_at: Timestamp,
    duration_ms: i32,
    /// sent, later, refused, bounced or suppressed.
    outcome: String,
    /// The status of SMTP or HTTP.
    status: Option<i16>,
    detail: String,
    /// 0: the template of the program.
    template_version: Option<i32>,
}

impl From<Delivery> for NotificationDelivery {
    fn from(of: Delivery) -> Self {
        let attempt = |attempt: Attempt| NotificationAttempt {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            outcome: attempt.outcome,
            status: attempt.status,
            detail: attempt.detail,
            template_version: attempt.template_version,
        };
        Self {
            id: of.id.into(),
            channel: of.channel.parse::<Channel>().ok().map(NotificationChannel::from),
            state: of.state.parse::<State>().ok().map(DeliveryState::from),
            reason: of.reason,
            attempts: of.attempts.into_iter().map(attempt).collect(),
        }
    }
}

/// Something that somebody was told.
pub(super) struct Notification(pub notifications::Notification);

#[Object]
impl Notification {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it was told with.
    async fn template(&self) -> &str {
        &self.0.template
    }

    /// What it is about, such as the id of an order.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The type of the event that it comes from, or `request`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    async fn status(&self) -> NotificationStatus {
        self.0.status().into()
    }

    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Its deliveries, with each attempt.
    #[graphql(complexity = "1 + 5 * child_complexity")]
    async fn deliveries(&self, context: &Context<'_>) -> Option<Result<Vec<NotificationDelivery>, Problem>> {
        let found = deliveries(context, self.0.id).await;
        Some(found.map(|found| found.into_iter().map(NotificationDelivery::from).collect()))
    }
}

/// What a user was told, the newest first.
pub(super) type Notifications = Connection<String, Notification, EmptyFields, EmptyFields>;

/// A page of what a user was told.
pub(super) async fn page(
    context: &Context<'_>,
    of: Uuid,
    first: u32,
    after: Option<&str>,
) -> Result<Notifications, Problem> {
    if !(1..=MAX).contains(&first) {
        let detail = "an argument cannot be taken; errors says which";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
        return Err(problem.parameter("first", format!("write from 1 to {MAX}")));
    }
    let app = app(context)?;
    let part = list(app, Some(of), first, after).await?;
    let mut page = Connection::new(after.is_some(), part.next_cursor.is_some());
    let scope = scope(Some(of));
    for item in part.items {
        let cursor = app.cursors.seal(&scope, &item.id).map_err(|error| Problem::internal(&error))?;
        page.edges.push(Edge::new(cursor, Notification(item)));
    }
    Ok(page)
}
