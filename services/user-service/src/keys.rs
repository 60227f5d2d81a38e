//! Keeps the keys that sign tokens as they should be (see `domain::keyring`), and this replica's copy of them.

use std::time::Duration;

use flotilla_kit::{
    database::bounded,
    drain::{Drain, Phase},
};
use jiff::Timestamp;
use tokio::time::sleep;

use crate::{
    app::App,
    crypto::{Key, Purpose, Unable},
    domain::keyring::{Known, Plan, Rotation, plan},
    store::signing_keys::{self, Kept},
};

/// How often it is looked. Keys of other replicas are known after so long.
const PAUSE: Duration = Duration::from_secs(60);

/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Why keys are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error("the keys cannot be read")]
    Database(#[from] sqlx::Error),
    /// A key was sealed with another master key, or none can be made.
    #[error("a key cannot be made or opened; SHOP_USER_MASTER_KEY must be the one that it was sealed with")]
    Unable(#[from] Unable),
}

/// Looks from time to time, until the end of the service.
pub async fn keep(app: App, drain: Drain) {
    let forever = async {
        loop {
            let pause = match bounded(rotate(&app)).await {
                Ok(()) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, source = ?std::error::Error::source(&error), "keys are not renewed");
                    RETRY
                }
            };
            sleep(pause).await;
        }
    };
    tokio::select! {
        () = drain.at_least(Phase::Ending) => {}
        () = forever => {}
    }
}

/// Makes and removes what is due, and takes over what there is.
pub async fn rotate(app: &App) -> Result<(), Failed> {
    let mut kept = signing_keys::list(&app.pool).await?;
    let rotation = app.config.lifetimes.rotation();
    if due(&kept, &rotation) != Plan::default() {
        let mut transaction = app.pool.begin().await?;
        signing_keys::lock(&mut transaction).await?;
        // Another replica may have done it meanwhile.
        kept = signing_keys::list(&mut *transaction).await?;
        let plan = due(&kept, &rotation);
        for signs_from in plan.make {
            let key = Key::random(signs_from)?;
            let private_key =
                app.master.seal(Purpose::SigningKey, key.id.as_bytes(), key.private.expose())?;
            tracing::info!(key = key.id, %signs_from, "a key is published");
            let new = Kept { id: key.id, public_key: key.public, private_key, signs_from };
            signing_keys::insert(&mut transaction, &new).await?;
        }
        for id in plan.remove {
            tracing::info!(key = id, "a key is withdrawn");
            signing_keys::delete(&mut transaction, &id).await?;
        }
        kept = signing_keys::list(&mut *transaction).await?;
        transaction.commit().await?;
    }
    let open = |kept: Kept| {
        let private = app.master.open(Purpose::SigningKey, kept.id.as_bytes(), &kept.private_key)?;
        Ok(Key { id: kept.id, signs_from: kept.signs_from, public: kept.public_key, private })
    };
    app.keyring.replace(kept.into_iter().map(open).collect::<Result<_, Unable>>()?);
    Ok(())
}

fn due(kept: &[Kept], rotation: &Rotation) -> Plan {
    let known: Vec<_> =
        kept.iter().map(|key| Known { id: key.id.clone(), signs_from: key.signs_from }).collect();
    plan(&known, Timestamp::now(), rotation)
}
