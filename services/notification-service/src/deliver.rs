//! One attempt of a delivery: who it is for, what it says, and how that is sent.

use flotilla_kit::{Secret, database::Pool};
use serde_json::json;
use uuid::Uuid;

use crate::{
    domain::{
        category::Category,
        channel::Channel,
        greeting::greeting,
        identity::message_id,
        outcome::{Outcome, Report},
        rules, schedule,
    },
    keys::Keys,
    people::{self, People},
    send::{
        mail::{Mail, Mailer},
        outbound::Outbound,
        push::{self, Vapid},
        webhook,
    },
    store::{self, deliveries::Claimed, endpoints, preferences, push_subscriptions, suppressions, templates},
    template::{self, Context, Rendered},
    unsubscribe,
};

/// Sends things.
#[derive(Debug)]
pub struct Deliverer {
    /// The database.
    pub pool: Pool,
    /// Who knows people.
    pub people: People,
    /// The keys of the service.
    pub keys: Keys,
    /// Sends mail.
    pub mailer: Mailer,
    /// Sends to those outside.
    pub outbound: Outbound,
    /// Signs pushes. Nothing: there are none.
    pub vapid: Option<Vapid>,
    /// The name of the shop.
    pub shop: String,
    /// What links begin with.
    pub url: String,
}

/// What is sent to a reader.
struct Letter {
    contact: people::Contact,
    rendered: Rendered,
    version: i32,
    unsubscribe_url: Option<String>,
    secret: Option<Secret<String>>,
}

fn later(detail: impl AsRef<str>) -> Report {
    Report::new(Outcome::Later(None), detail)
}

impl Deliverer {
    /// Makes an attempt.
    pub async fn deliver(&self, claimed: &Claimed) -> Report {
        if schedule::is_beyond(rules::urgency(&claimed.template), claimed.tries) {
            return Report::new(Outcome::Refused, "whoever attempts it dies before the end");
        }
        match claimed.channel.parse() {
            Ok(Channel::Email) => self.mail(claimed).await,
            Ok(Channel::Push) => self.push(claimed).await,
            Ok(Channel::Webhook) => self.webhook(claimed).await,
            Err(error) => Report::new(Outcome::Refused, format!("{error}")),
        }
    }

    async fn mail(&self, claimed: &Claimed) -> Report {
        let letter = match self.letter(claimed, Channel::Email).await {
            Ok(letter) => letter,
            Err(report) => return report,
        };
        let hash = self.keys.hash_address(&letter.contact.email);
        match suppressions::find(&self.pool, &hash).await {
            Ok(None) => {}
            Ok(Some(known)) => {
                return Report::new(Outcome::Suppressed, format!("the address bounced: {}", known.reason));
            }
            Err(error) => return later(error.to_string()),
        }
        let id = message_id(&claimed.dedupe_key, self.mailer.domain());
        let mail = Mail {
            address: &letter.contact.email,
            name: &letter.contact.name,
            rendered: &letter.rendered,
            message_id: &id,
            correlation_id: claimed.correlation_id.as_deref(),
            unsubscribe_url: letter.unsubscribe_url.as_deref(),
            secret: letter.secret.as_ref(),
        };
        let mut report = self.mailer.send(&mail).await;
        report.template_version = Some(letter.version);
        report
    }

    /// Who is written to, and what.
    async fn letter(&self, claimed: &Claimed, channel: Channel) -> Result<Letter, Report> {
        let user = claimed.user.ok_or_else(|| Report::new(Outcome::Refused, "it is for nobody"))?;
        let category = claimed.category.parse::<Category>();
        let category = category.map_err(|error| Report::new(Outcome::Refused, format!("{error}")))?;
        if !self.is_wanted(user, category, channel).await? {
            return Err(Report::new(Outcome::Suppressed, "it is not wanted any more"));
        }
        let has_secret = rules::of_template(&claimed.template).is_some_and(|rule| rule.has_secret);
        let (mut contact, secret) = if has_secret {
            let reference = claimed.data.get("reference").and_then(|reference| reference.as_str());
            let reference =
                reference.ok_or_else(|| Report::new(Outcome::Refused, "the event has no reference"))?;
            let redeemed = self.people.redeem(reference).await.map_err(unknown)?;
            (redeemed.contact, Some(Secret::new(percent_encode(redeemed.token.expose()))))
        } else {
            (self.people.contact(user).await.map_err(unknown)?, None)
        };
        contact.name = greeting(&contact.name).to_owned();
        let source = templates::best(&self.pool, &claimed.template, &contact.locale).await;
        let source = source.map_err(|error| later(error.to_string()))?;
        let source = source.ok_or_else(|| Report::new(Outcome::Refused, "there is no such template"))?;
        let unsubscribe_url = unsubscribe::url(&self.keys, &self.url, user, category, channel);
        let context = Context {
            shop: self.shop.clone(),
            url: self.url.clone(),
            locale: source.locale.clone(),
            name: contact.name.clone(),
            data: claimed.data.clone(),
            token: secret.as_ref().map(|secret| secret.expose().clone()),
            unsubscribe_url: unsubscribe_url.clone(),
        };
        let rendered = template::render(&source, &context).map_err(|error| {
            let detail = format!("version {} of the template: {error}", source.version);
            Report { template_version: Some(source.version), ..Report::new(Outcome::Refused, detail) }
        })?;
        Ok(Letter { contact, rendered, version: source.version, unsubscribe_url, secret })
    }

    /// Whether somebody still wants it: they may have unsubscribed since it was queued.
    async fn is_wanted(&self, user: Uuid, category: Category, channel: Channel) -> Result<bool, Report> {
        let known = async {
            let mut connection = self.pool.acquire().await?;
            let known = preferences::get(&mut connection, user).await?;
            connection.done();
            Ok::<_, store::Error>(known)
        };
        let (preferences, _version) = known.await.map_err(|error| later(error.to_string()))?;
        Ok(preferences.wants(category, channel))
    }

    async fn push(&self, claimed: &Claimed) -> Report {
        let Some(vapid) = &self.vapid else {
            return Report::new(Outcome::Suppressed, "nothing is pushed: there is no SHOP_VAPID_KEY");
        };
        let (Some(user), Ok(id)) = (claimed.user, claimed.recipient.parse()) else {
            return Report::new(Outcome::Refused, "it is for nobody");
        };
        let subscription = match push_subscriptions::get(&self.pool, id, user).await {
            Ok(Some(subscription)) => subscription,
            Ok(None) => return Report::new(Outcome::Suppressed, "the browser is not subscribed any more"),
            Err(error) => return later(error.to_string()),
        };
        let letter = match self.letter(claimed, Channel::Push).await {
            Ok(letter) => letter,
            Err(report) => return report,
        };
        // The first line greets.
        let text =
            letter.rendered.text.lines().filter(|line| !line.trim().is_empty()).nth(1).unwrap_or_default();
        let payload = json!({
            "id": claimed.notification,
            "template": claimed.template,
            "title": letter.rendered.subject,
            "body": text,
            "subject": claimed.subject,
            "url": self.url,
        });
        let payload = payload.to_string();
        if payload.len() > push::MAX {
            return Report::new(Outcome::Refused, format!("a push has at most {} bytes", push::MAX));
        }
        // RFC 8030: 32 characters of base64url. A UUID without its dashes is that.
        let topic = claimed.notification.simple().to_string();
        let mut report = vapid.push(&self.outbound, &subscription, payload.as_bytes(), &topic).await;
        report.template_version = Some(letter.version);
        report
    }

    async fn webhook(&self, claimed: &Claimed) -> Report {
        let Ok(id) = claimed.recipient.parse::<Uuid>() else {
            return Report::new(Outcome::Refused, "it is for no endpoint");
        };
        let (url, sealed) = match endpoints::target(&self.pool, id).await {
            Ok(Some(target)) => target,
            Ok(None) => return Report::new(Outcome::Suppressed, "the endpoint is gone, or switched off"),
            Err(error) => return later(error.to_string()),
        };
        let secrets: Result<Vec<_>, _> = sealed.iter().map(|sealed| self.keys.open(id, sealed)).collect();
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(error) => return Report::new(Outcome::Refused, error.to_string()),
        };
        let body = json!({ "type": claimed.kind, "timestamp": claimed.created_at, "data": claimed.data });
        let message = format!("msg_{}", claimed.notification.simple());
        webhook::send(&self.outbound, &url, &secrets, &message, body.to_string().into()).await
    }
}

/// Whoever is not known any more is not written to; whoever cannot be asked for now is, later.
fn unknown(error: people::Error) -> Report {
    match error {
        people::Error::None(_) => Report::new(Outcome::Suppressed, error.to_string()),
        people::Error::Unavailable(status) => later(format!("user-service cannot be asked: {status}")),
        people::Error::Identity(_) => later(error.to_string()),
    }
}

/// What is not plain in a query. Tokens mostly are.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(["%", &format!("{byte:02X}")]);
        }
    }
    encoded
}
