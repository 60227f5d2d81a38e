//! What a new shop on this machine has. The first admin is made by the command line of user-service, as nobody else may.

use std::{path::Path, time::Duration};

use flotilla_kit::correlation::CorrelationId;
use http::Uri;

use super::{Error, journal::Shown, process::Program, settings::Settings};
use crate::{
    fill::{self, ADMIN},
    name::Name,
    walk::{Client, Version, inbox::Inbox},
};

/// How long the mail about an address may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts in what is not there yet.
pub async fn fill(settings: &Settings<'_>, program: &Path) -> Result<(), Error> {
    let at = |port: u16| Uri::try_from(format!("http://127.0.0.1:{port}")).unwrap_or_default();
    let client = |port| Client::new(&at(port), Version::Http1, None).map_err(Error::People);
    let (shop, inbox) = (client(settings.ports.gateway)?, Inbox::new(client(settings.ports.inbox)?));
    let id = CorrelationId::new();
    fill::people(&shop, &inbox, &id, PATIENCE).await.map_err(Error::People)?;
    if !fill::is_kept(&shop, &id).await.map_err(Error::People)? {
        let grant = Program::new(Name::UserService, program, settings, Shown::Warnings);
        grant.run(&["grant", "--email", ADMIN.email, "--role", "admin"])?.succeeded().await?;
    }
    fill::catalogue(&shop, &id).await.map_err(Error::Catalogue)
}
