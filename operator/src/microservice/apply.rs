//! Step 4: makes the plan true. Everything is written before anything is pruned, and nothing is pruned after a
//! failed write.

use serde_json::Value;

use super::{
    dereference::Caches,
    plan::{Plan, Prune, StuckPod, Write},
    render::Object,
};
use crate::cluster::writer::{Error, Writer};

/// Carries out a plan in a namespace. The caches know each result at once.
pub async fn apply(plan: Plan, namespace: &str, writer: &Writer, caches: &Caches) -> Result<(), Error> {
    let Plan { writes, prunes, stuck, waits_for_deletion: _ } = plan;
    for Write { object, uid, handover, adopt } in writes {
        let live = match &uid {
            None => writer.create(object.kind, namespace, &created(&object)).await?,
            Some(uid) => {
                if let Some(former) = adopt {
                    writer.adopt(object.kind, namespace, &object.name, uid, &former).await?;
                    tracing::info!(kind = %object.kind, name = object.name, "taken over");
                }
                if let Some(replicas) = handover {
                    writer.hand_over(object.kind, namespace, &object.name, uid, replicas).await?;
                    tracing::info!(kind = %object.kind, name = object.name, replicas, "handed over");
                }
                writer.update(object.kind, namespace, &object.manifest, uid).await?
            }
        };
        tracing::info!(kind = %object.kind, name = object.name, created = uid.is_none(), "applied");
        caches.wrote(object.kind, live);
    }
    for Prune { kind, name, uid } in prunes {
        writer.delete(kind, namespace, &name, &uid).await?;
        tracing::info!(%kind, name, "pruned");
    }
    for StuckPod { name, uid } in stuck {
        writer.delete_pod(namespace, &name, &uid).await?;
        tracing::info!(name, "a pod of the failed version gives way");
    }
    Ok(())
}

/// An object as it is created: where `replicas` are others' from then on, with the number to begin with.
fn created(object: &Object) -> Value {
    let mut manifest = object.manifest.clone();
    if let Some(replicas) = object.first_replicas {
        manifest["spec"]["replicas"] = Value::from(replicas);
    }
    manifest
}
