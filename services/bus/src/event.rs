//! An event, as CloudEvents 1.0 has it (structured mode, JSON), with its extensions for tracing (`traceparent`) and
//! partitioning (`partitionkey`), and `correlationid`, `causationid` and `aggregateversion` of this shop.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, EventType};

/// Bytes that an event may have as JSON. Brokers take more, but not gladly.
pub const MAX_BYTES: usize = 256 * 1024;

/// Bytes that each text of the envelope may have.
const MAX_TEXT: usize = 256;

/// Why an envelope is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// It is of another specification.
    #[error("specversion: {0:?} is not known here, only \"1.0\"")]
    Version(String),
    /// Data is of another kind.
    #[error("datacontenttype: {0:?} is not known here, only \"application/json\"")]
    ContentType(String),
    /// A text is empty, or too long.
    #[error("{0}: write from 1 to {MAX_TEXT} bytes")]
    Length(&'static str),
    /// It is too large as a whole.
    #[error("{0} bytes are more than the {MAX_BYTES} that an event may have")]
    Size(usize),
}

/// Something that has happened.
///
/// It shows itself without its data, which may be about people.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Envelope", into = "Envelope")]
pub struct Event {
    /// What makes it this event, together with `source`. A UUID of version 7.
    pub id: Uuid,
    /// The service that it happened in, such as `/order-service`.
    pub source: String,
    /// What has happened.
    pub kind: EventType,
    /// What it happened to, such as the id of an order.
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// Where the JSON Schema of `data` is.
    pub schema: Option<String>,
    /// The trace that it is in (W3C Trace Context).
    pub traceparent: Option<String>,
    /// The request that it came from.
    pub correlation_id: Option<String>,
    /// The event that it came from.
    pub causation_id: Option<Uuid>,
    /// Events with one key are delivered in order.
    pub key: String,
    /// How often the subject has changed, so that a consumer can tell what is old.
    pub aggregate_version: Option<u32>,
    /// What else is to be said.
    pub data: Value,
}

impl Event {
    /// Something that happens now. Its subject is its key.
    pub fn new(source: impl Into<String>, kind: EventType, subject: impl Into<String>, data: Value) -> Self {
        let subject = subject.into();
        Self {
            id: Uuid::now_v7(),
            source: source.into(),
            kind,
            key: subject.clone(),
            subject,
            time: Timestamp::now(),
            schema: None,
            traceparent: None,
            correlation_id: None,
            causation_id: None,
            aggregate_version: None,
            data,
        }
    }

    /// The same, caused by another event and of the same request.
    #[must_use]
    pub fn caused_by(mut self, cause: &Self) -> Self {
        self.causation_id = Some(cause.id);
        self.correlation_id.clone_from(&cause.correlation_id);
        self.traceparent.clone_from(&cause.traceparent);
        self
    }

    /// As JSON, if it may be sent so.
    pub fn to_json(&self) -> Result<String, Error> {
        let refuse = |reason: &dyn fmt::Display| Error::Refused(format!("event {}: {reason}", self.id));
        check_texts(&Envelope::from(self.clone())).map_err(|error| refuse(&error))?;
        let json = serde_json::to_string(self).map_err(|error| refuse(&error))?;
        if json.len() > MAX_BYTES {
            return Err(refuse(&Invalid::Size(json.len())));
        }
        Ok(json)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// What is written.
#[derive(Serialize, Deserialize)]
struct Envelope {
    specversion: String,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: EventType,
    subject: String,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataschema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<Uuid>,
    partitionkey: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregateversion: Option<u32>,
    #[serde(default)]
    data: Value,
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: event.id,
            source: event.source,
            kind: event.kind,
            subject: event.subject,
            time: event.time,
            datacontenttype: Some("application/json".to_owned()),
            dataschema: event.schema,
            traceparent: event.traceparent,
            correlationid: event.correlation_id,
            causationid: event.causation_id,
            partitionkey: event.key,
            aggregateversion: event.aggregate_version,
            data: event.data,
        }
    }
}

impl TryFrom<Envelope> for Event {
    type Error = Invalid;

    fn try_from(envelope: Envelope) -> Result<Self, Invalid> {
        if envelope.specversion != "1.0" {
            return Err(Invalid::Version(envelope.specversion));
        }
        if let Some(kind) = envelope.datacontenttype.as_deref().filter(|kind| *kind != "application/json") {
            return Err(Invalid::ContentType(kind.to_owned()));
        }
        check_texts(&envelope)?;
        Ok(Self {
            id: envelope.id,
            source: envelope.source,
            kind: envelope.kind,
            subject: envelope.subject,
            time: envelope.time,
            schema: envelope.dataschema,
            traceparent: envelope.traceparent,
            correlation_id: envelope.correlationid,
            causation_id: envelope.causationid,
            key: envelope.partitionkey,
            aggregate_version: envelope.aggregateversion,
            data: envelope.data,
        })
    }
}

fn check_texts(envelope: &Envelope) -> Result<(), Invalid> {
    for (name, text) in [
        ("source", Some(&envelope.source)),
        ("subject", Some(&envelope.subject)),
        ("dataschema", envelope.dataschema.as_ref()),
        ("traceparent", envelope.traceparent.as_ref()),
        ("correlationid", envelope.correlationid.as_ref()),
        ("partitionkey", Some(&envelope.partitionkey)),
    ] {
        if text.is_some_and(|text| text.is_empty() || text.len() > MAX_TEXT) {
            return Err(Invalid::Length(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paid() -> Event {
        let kind = EventType::try_from("shop.order.paid.v1").unwrap();
        Event::new("/order-service", kind, "o-12", json!({ "total": 4_980, "card": "4242424242424242" }))
    }

    #[test]
    fn it_is_written_as_cloud_events_have_it() {
        let mut event = paid();
        event.id = Uuid::from_u128(7);
        event.time = "2026-11-22T10:00:00Z".parse().unwrap();
        event.correlation_id = Some("c-1".to_owned());
        event.aggregate_version = Some(7);
        let written: Value = serde_json::from_str(&event.to_json().unwrap()).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000007",
            "source": "/order-service",
            "type": "shop.order.paid.v1",
            "subject": "o-12",
            "time": "2026-11-22T10:00:00Z",
            "datacontenttype": "application/json",
            "correlationid": "c-1",
            "partitionkey": "o-12",
            "aggregateversion": 7,
            "data": { "total": 4_980, "card": "4242424242424242" },
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Event>(written).unwrap(), event);
    }

    #[test]
    fn what_is_no_event_is_refused_with_a_reason() {
        let good = serde_json::to_value(paid()).unwrap();
        for (field, value, reason) in [
            ("specversion", json!("0.3"), "specversion"),
            ("source", json!(""), "source"),
            ("subject", json!("s".repeat(MAX_TEXT + 1)), "subject"),
            ("partitionkey", json!(""), "partitionkey"),
            ("datacontenttype", json!("text/xml"), "datacontenttype"),
            ("type", json!("Paid"), "no type of events"),
            ("id", json!("seven"), "UUID"),
            ("time", json!("yesterday"), "year"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let error = serde_json::from_value::<Event>(bad).unwrap_err().to_string();
            assert!(error.contains(reason), "{field}: {error}");
        }
        let mut unknown = good;
        unknown["extension"] = json!("of somebody else");
        serde_json::from_value::<Event>(unknown).unwrap();
    }

    #[test]
    fn what_would_be_refused_is_not_sent() {
        let mut large = paid();
        large.data = json!("x".repeat(MAX_BYTES));
        assert!(large.to_json().unwrap_err().to_string().contains("may have"));
        let mut keyless = paid();
        keyless.key.clear();
        assert!(keyless.to_json().unwrap_err().to_string().contains("partitionkey"));
    }

    #[test]
    fn its_data_is_not_in_what_it_shows_of_itself() {
        let shown = format!("{:?}", paid());
        assert!(shown.contains("shop.order.paid.v1") && !shown.contains("4242"), "{shown}");
    }

    #[test]
    fn what_it_causes_is_of_the_same_request() {
        let mut cause = paid();
        cause.correlation_id = Some("c-1".to_owned());
        let effect = paid().caused_by(&cause);
        assert_eq!(effect.causation_id, Some(cause.id));
        assert_eq!(effect.correlation_id, cause.correlation_id);
    }
}
