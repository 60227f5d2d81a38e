//! Step 4: makes the plan true. Everything is written before anything is pruned, and nothing is pruned after a
//! failed write.

use super::{
    dereference::Caches,
    plan::{Plan, Prune, Write},
};
use crate::cluster::writer::{Error, Writer};

/// Carries out a plan in a namespace. The caches know each result at once.
pub async fn apply(plan: Plan, namespace: &str, writer: &Writer, caches: &Caches) -> Result<(), Error> {
    let Plan { writes, prunes, waits_for_deletion: _ } = plan;
    for Write { object, uid } in writes {
        let live = match &uid {
            None => writer.create(object.kind, namespace, &object.manifest).await?,
            Some(uid) => writer.update(object.kind, namespace, &object.manifest, uid).await?,
        };
        tracing::info!(kind = %object.kind, name = object.name, created = uid.is_none(), "applied");
        caches.of(object.kind).wrote(live);
    }
    for Prune { kind, name, uid } in prunes {
        writer.delete(kind, namespace, &name, &uid).await?;
        tracing::info!(%kind, name, "pruned");
    }
    Ok(())
}
