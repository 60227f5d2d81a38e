//! What is asked for: requests of a file, made into what is sent once.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use serde::Deserialize;

/// A request as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    method: String,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// A request that is sent again and again.
struct Ready {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Requests that take turns.
pub(crate) struct Requests(Vec<Ready>);

impl Requests {
    /// Those of a file.
    pub(crate) fn read(path: &Path, host: SocketAddr) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, host).with_context(|| format!("reading {}", path.display()))
    }

    fn parse(text: &str, host: SocketAddr) -> Result<Self> {
        let written: Vec<Written> = serde_json::from_str(text)?;
        ensure!(!written.is_empty(), "there are no requests");
        let host = HeaderValue::from_str(&host.to_string())?;
        let ready = |Written { method, path, headers, body }: Written| -> Result<Ready> {
            let mut all = HeaderMap::from_iter([(header::HOST, host.clone())]);
            for (name, value) in headers {
                all.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
            }
            Ok(Ready { method: method.parse()?, uri: path.parse()?, headers: all, body: body.into() })
        };
        Ok(Self(written.into_iter().map(ready).collect::<Result<_>>()?))
    }

    /// The request whose turn it is.
    pub(crate) fn turn(&self, turn: u32) -> Option<Request<Full<Bytes>>> {
        let at = usize::try_from(turn).ok()?.checked_rem(self.0.len())?;
        let ready = self.0.get(at)?;
        let mut request = Request::new(Full::new(ready.body.clone()));
        request.method_mut().clone_from(&ready.method);
        request.uri_mut().clone_from(&ready.uri);
        request.headers_mut().clone_from(&ready.headers);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

    #[test]
    fn all_take_turns_and_go_to_the_host() {
        let text = r#"[{"method": "GET", "path": "/a"}, {"method": "POST", "path": "/b", "headers": [["x", "1"]], "body": "{}"}]"#;
        let requests = Requests::parse(text, HOST).unwrap();
        let paths: Vec<_> = (0..3).map(|turn| requests.turn(turn).unwrap().uri().to_string()).collect();
        assert_eq!(paths, ["/a", "/b", "/a"]);
        let request = requests.turn(1).unwrap();
        assert_eq!(
            (request.method(), &request.headers()["x"]),
            (&Method::POST, &HeaderValue::from_static("1"))
        );
        assert_eq!(request.headers()[header::HOST], "127.0.0.1:80");
    }

    #[test]
    fn a_file_that_has_none_is_refused() {
        for text in [
            "[]",
            "{}",
            r#"[{"method": "GET", "path": "/a", "boddy": ""}]"#,
            r#"[{"method": "", "path": "/"}]"#,
        ] {
            assert!(Requests::parse(text, HOST).is_err(), "{text}");
        }
    }
}
