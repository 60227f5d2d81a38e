//! Texts that mean something, each checked once, where it is read.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What is wrong with a text, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum BadText {
    /// No host.
    #[error("{0:?} is no host: write a name such as shop.example.com, in lower case")]
    Host(String),
    /// No host and no pattern of hosts.
    #[error("{0:?} is no host: write a name such as shop.example.com or *.example.com, in lower case")]
    HostPattern(String),
    /// No path.
    #[error("{0:?} is no path: it begins with / and has none of ? # and characters outside of ASCII")]
    Path(String),
    /// No regular expression.
    #[error("{text:?} is no regular expression: {source}")]
    Pattern {
        /// What was written.
        text: String,
        /// What is wrong.
        source: Box<regex::Error>,
    },
    /// No method.
    #[error("{0:?} is no method: write one such as GET")]
    Method(String),
    /// No name of a header.
    #[error("{0:?} is no name of a header (RFC 9110 section 5.1)")]
    HeaderName(String),
    /// No name of a cookie.
    #[error("{0:?} is no name of a cookie: it has letters, digits and some signs (RFC 6265 section 4.1.1)")]
    CookieName(String),
    /// No claim of a token.
    #[error(
        "{0:?} is no claim: write a name such as sub, or a pointer such as /realm_access/roles (RFC 6901)"
    )]
    Claim(String),
    /// No value of a header.
    #[error("a value of a header has no control characters (RFC 9110 section 5.5)")]
    HeaderText,
    /// No status of a redirect.
    #[error("{0} is no status of a redirect: write 301, 302, 303, 307 or 308")]
    RedirectStatus(u16),
    /// No share.
    #[error("a share is a number from 0 to 1, such as 0.01 for one of a hundred")]
    Share,
}

/// A host's name, in lower case.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(try_from = "String")]
pub struct Hostname(String);

impl Hostname {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Hostname {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        if is_host(&text) { Ok(Self(text)) } else { Err(BadText::Host(text)) }
    }
}

/// One host, or all below one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum HostPattern {
    /// This one.
    Exact(Hostname),
    /// Every host whose name ends in a dot and this, at any depth.
    Below(Hostname),
}

impl HostPattern {
    /// Whether a host, in lower case and without its port, is meant.
    pub fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(own) => own.0 == host,
            Self::Below(parent) => host
                .strip_suffix(&parent.0)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let parent = text.strip_prefix("*.");
        if !is_host(parent.unwrap_or(&text)) {
            return Err(BadText::HostPattern(text));
        }
        Ok(match parent {
            Some(parent) => Self::Below(Hostname(parent.to_owned())),
            None => Self::Exact(Hostname(text)),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(own) => formatter.write_str(&own.0),
            Self::Below(parent) => write!(formatter, "*.{}", parent.0),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A DNS name (RFC 1123), or an IPv4 address, which looks like one.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(is_label)
}

/// A path, as it is in a request: encoded, without a query.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(try_from = "String")]
pub struct Path(String);

impl Path {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Path {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let is_good = text.starts_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if is_good { Ok(Self(text)) } else { Err(BadText::Path(text)) }
    }
}

/// A regular expression that is held against the whole of a text.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    written: String,
    compiled: regex::Regex,
}

impl Pattern {
    /// Whether it fits the whole text.
    pub fn fits(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        // First as it is: a parenthesis too many must not be closed by ours.
        let compiled = regex::Regex::new(&text).and_then(|_| regex::Regex::new(&format!("^(?:{text})$")));
        match compiled {
            Ok(compiled) => Ok(Self { written: text, compiled }),
            Err(source) => Err(BadText::Pattern { text, source: Box::new(source) }),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pattern({:?})", self.written)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

/// A method of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Method(pub http::Method);

impl TryFrom<String> for Method {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        text.parse().map(Self).map_err(|_| BadText::Method(text))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// The name of a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderName(pub http::HeaderName);

/// Headers that say where a message ends or speak of one connection: whoever changes them makes a message that two programs
/// read in two ways.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl HeaderName {
    /// Whether it says where a message ends, or speaks of one connection. Such a header is the gateway's own.
    pub fn frames_messages(&self) -> bool {
        FRAMING.contains(&self.0.as_str())
    }
}

impl TryFrom<String> for HeaderName {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        text.parse().map(Self).map_err(|_| BadText::HeaderName(text))
    }
}

impl Serialize for HeaderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// The value of a header.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderText(String);

impl HeaderText {
    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HeaderText {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        if http::HeaderValue::from_str(&text).is_ok() { Ok(Self(text)) } else { Err(BadText::HeaderText) }
    }
}

impl From<HeaderText> for String {
    fn from(text: HeaderText) -> Self {
        text.0
    }
}

/// The status of a redirect.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(try_from = "u16", into = "u16")]
pub struct RedirectStatus(u16);

impl TryFrom<u16> for RedirectStatus {
    type Error = BadText;

    fn try_from(code: u16) -> Result<Self, BadText> {
        if matches!(code, 301 | 302 | 303 | 307 | 308) {
            Ok(Self(code))
        } else {
            Err(BadText::RedirectStatus(code))
        }
    }
}

impl From<RedirectStatus> for u16 {
    fn from(status: RedirectStatus) -> Self {
        status.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_hosts_is_for_names_below_it_alone() {
        let pattern = HostPattern::try_from("*.example.com".to_owned()).unwrap();
        assert!(pattern.fits("a.example.com") && pattern.fits("a.b.example.com"));
        assert!(
            !pattern.fits("example.com") && !pattern.fits("aexample.com") && !pattern.fits(".example.com")
        );
        assert_eq!(pattern.to_string(), "*.example.com");
        let exact = HostPattern::try_from("example.com".to_owned()).unwrap();
        assert!(exact.fits("example.com") && !exact.fits("a.example.com"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in
            ["", "*", "*.", "a..b", "-a", "a-", "A.example.com", "a_b", "a:80", "a.*.b", &"a".repeat(64)]
        {
            assert!(HostPattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_fits_the_whole_text() {
        let pattern = Pattern::try_from("a|bc".to_owned()).unwrap();
        assert!(pattern.fits("a") && pattern.fits("bc") && !pattern.fits("abc") && !pattern.fits("ab"));
        assert!(Pattern::try_from("a)(b".to_owned()).is_err());
    }

    #[test]
    fn a_path_is_as_in_a_request() {
        for (text, is_path) in
            [("/", true), ("/a%20b", true), ("a", false), ("/a b", false), ("/a?b", false), ("/ü", false)]
        {
            assert_eq!(Path::try_from(text.to_owned()).is_ok(), is_path, "{text:?}");
        }
    }
}
