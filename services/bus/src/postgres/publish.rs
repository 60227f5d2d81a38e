//! Publishing: an event once, and a delivery of it for each consumer that wants it.

use sqlx::{PgPool, types::Json};

use super::lock::lock;
use crate::{Error, Event, Subscription};

/// Makes a consumer known, or what it wants.
pub(super) async fn register(pool: &PgPool, subscription: &Subscription) -> Result<(), Error> {
    let patterns: Vec<_> = subscription.types.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    sqlx::query!(
        "insert into bus.consumers (name, patterns) values ($1, $2)
         on conflict (name) do update set patterns = excluded.patterns
         where consumers.patterns <> excluded.patterns",
        subscription.consumer.as_str(),
        &patterns,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Publishes events, and tells which consumers have something new. What is known already is left out, unless it is published
/// again on purpose.
pub(super) async fn publish(pool: &PgPool, events: &[Event], is_again: bool) -> Result<Vec<String>, Error> {
    for event in events {
        event.to_json()?;
    }
    let bodies: Vec<_> = events.iter().map(Json).collect();
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, events.iter().map(|event| event.key.as_str())).await?;
    // Numbers are given in the order of the array.
    let new = sqlx::query_scalar!(
        "insert into bus.events (source, id, kind, key, event)
         select event ->> 'source', (event ->> 'id')::uuid, event ->> 'type', event ->> 'partitionkey', event
         from unnest($1::jsonb[]) with ordinality as given (event, position)
         order by position
         on conflict (source, id) do nothing
         returning seq",
        &bodies as _,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let published = if is_again {
        sqlx::query_scalar!(
            "update bus.events set published_at = now() where (source, id) in (
                 select event ->> 'source', (event ->> 'id')::uuid from unnest($1::jsonb[]) as event
             ) returning seq",
            &bodies as _,
        )
        .fetch_all(&mut *transaction)
        .await?
    } else {
        new
    };
    let mut consumers = sqlx::query_scalar!(
        r#"insert into bus.deliveries (consumer, seq, key, is_head)
           select consumer.name, event.seq, event.key,
               row_number() over (partition by consumer.name, event.key order by event.seq) = 1
               and not exists (
                   select from bus.deliveries earlier
                   where earlier.consumer = consumer.name and earlier.key = event.key
               )
           from bus.events event
           join bus.consumers consumer on exists (
               select from unnest(consumer.patterns) pattern
               where event.kind = pattern
                   or (right(pattern, 1) = '*' and starts_with(event.kind, left(pattern, -1)))
           )
           where event.seq = any ($1)
           on conflict (consumer, seq) do nothing
           returning consumer"#,
        &published,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    consumers.sort_unstable();
    consumers.dedup();
    Ok(consumers)
}
