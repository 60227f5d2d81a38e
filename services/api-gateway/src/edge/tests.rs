use http::{Request, Version};
use proptest::prelude::*;

use super::*;

fn request(version: Version, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().version(version).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn reason(version: Version, uri: &str, headers: &[(&str, &str)]) -> &'static str {
    match admit(&request(version, uri, headers), Limits::default()) {
        Ok(_) => "good",
        Err(refused) => refused.reason,
    }
}

/// RFC 9112 section 6: what frames a message is there once and in one form.
#[test]
fn framing() {
    for (headers, expected) in [
        (&[][..], "good"),
        (&[("content-length", "3")], "good"),
        (&[("content-length", "3"), ("content-length", "3")], "content-length"),
        (&[("content-length", "3"), ("content-length", "4")], "content-length"),
        (&[("content-length", "3, 3")], "content-length"),
        (&[("content-length", "+3")], "content-length"),
        (&[("content-length", "-3")], "content-length"),
        (&[("content-length", "0x3")], "content-length"),
        (&[("content-length", "")], "content-length"),
        (&[("transfer-encoding", "chunked")], "good"),
        (&[("transfer-encoding", "Chunked")], "good"),
        (&[("transfer-encoding", "gzip, chunked")], "transfer-encoding"),
        (&[("transfer-encoding", "chunked, identity")], "transfer-encoding"),
        (&[("transfer-encoding", "xchunked")], "transfer-encoding"),
        (&[("transfer-encoding", "identity")], "transfer-encoding"),
        (&[("transfer-encoding", "")], "transfer-encoding"),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], "transfer-encoding"),
        (
            &[("transfer-encoding", "chunked"), ("content-length", "3")],
            "content-length-and-transfer-encoding",
        ),
    ] {
        let all: Vec<_> = [("host", "a")].into_iter().chain(headers.iter().copied()).collect();
        assert_eq!(reason(Version::HTTP_11, "/", &all), expected, "{headers:?}");
    }
    let chunked = [("host", "a"), ("transfer-encoding", "chunked")];
    assert_eq!(reason(Version::HTTP_10, "/", &chunked), "transfer-encoding-version");
    assert_eq!(reason(Version::HTTP_2, "http://a/", &chunked[1..]), "transfer-encoding-version");
}

/// RFC 9112 section 3.2: one host, and the same in each place.
#[test]
fn hosts() {
    for (uri, headers, expected) in [
        ("/", &[("host", "shop.example.com")][..], "good"),
        ("/", &[("host", "Shop.Example.com:8080")], "good"),
        ("/", &[("host", "[::1]:8080")], "good"),
        ("/", &[("host", "192.0.2.1")], "good"),
        ("/", &[], "host-missing"),
        ("/", &[("host", "")], "host"),
        ("/", &[("host", "a"), ("host", "a")], "host-twice"),
        ("/", &[("host", "a"), ("host", "b")], "host-twice"),
        ("/", &[("host", "a b")], "host"),
        ("/", &[("host", "a,b")], "host"),
        ("/", &[("host", "a/b")], "host"),
        ("/", &[("host", "user@a")], "host"),
        ("/", &[("host", "a:b")], "host"),
        ("/", &[("host", "a:0")], "host"),
        ("/", &[("host", "a:99999")], "host"),
        ("/", &[("host", "a:")], "host"),
        ("/", &[("host", "[::1")], "host"),
        ("/", &[("host", "[a]")], "host"),
        ("/", &[("host", "a?b")], "host"),
        ("/", &[("host", "a.b.")], "good"),
        ("/", &[("host", "a.b..")], "host"),
        ("/", &[("host", "a..b")], "host"),
        ("/", &[("host", ".a")], "host"),
        ("/", &[("host", ".")], "host"),
        ("http://a/", &[("host", "a")], "good"),
        ("http://a/", &[("host", "A")], "good"),
        ("http://a/", &[("host", "b")], "host-differs"),
        ("http://a/", &[("host", "a:80")], "host-differs"),
    ] {
        assert_eq!(reason(Version::HTTP_11, uri, headers), expected, "{uri} {headers:?}");
    }
    assert_eq!(reason(Version::HTTP_2, "http://a/", &[]), "good");
    assert_eq!(reason(Version::HTTP_2, "http://a/", &[("host", "b")]), "host-differs");
    assert_eq!(reason(Version::HTTP_2, "/", &[("host", "a")]), "host-missing");
    let target = target(&request(Version::HTTP_11, "/A?b=%61", &[("host", "Shop.Example.com.:81")])).unwrap();
    assert_eq!((target.host.as_str(), target.port), ("shop.example.com", Some(81)));
    assert_eq!(target.path_and_query, "/A?b=%61");
}

/// RFC 9112 section 3.2.1: an empty path is sent as `/`.
#[test]
fn every_target_has_a_path() {
    for (uri, expected) in
        [("http://a", "/"), ("http://a#b", "/"), ("http://a?b", "/?b"), ("http://a?b#c", "/?b"), ("/#b", "/")]
    {
        let parts = request(Version::HTTP_11, uri, &[("host", "a")]);
        let path = admit(&parts, Limits::default()).unwrap().path_and_query;
        assert_eq!(path.as_str(), expected, "{uri}");
        assert_eq!(http::Uri::from(path).to_string(), expected, "{uri}");
    }
}

/// RFC 9110 section 7.6.1: a client may not have removed what others rely on.
#[test]
fn what_speaks_of_one_connection() {
    for (headers, expected) in [
        (&[("connection", "keep-alive")][..], "good"),
        (&[("connection", "x-own"), ("x-own", "1")], "good"),
        (&[("connection", "close, Host")], "connection-nominates"),
        (&[("connection", "authorization"), ("authorization", "a")], "connection-nominates"),
        (&[("connection", "Content-Length"), ("content-length", "1")], "connection-nominates"),
        (&[("connection", "x-forwarded-for"), ("x-forwarded-for", "1")], "connection-nominates"),
        (&[("connection", "close"), ("connection", "cookie"), ("cookie", "a")], "connection-nominates"),
        (&[("connection", "upgrade"), ("upgrade", "websocket")], "good"),
        (&[("connection", "Upgrade"), ("upgrade", "WebSocket")], "good"),
        (&[("upgrade", "websocket")], "upgrade"),
        (&[("connection", "upgrade"), ("upgrade", "h2c")], "upgrade"),
        (&[("connection", "upgrade"), ("upgrade", "junk")], "upgrade"),
        (&[("connection", "upgrade"), ("upgrade", "websocket, h2c")], "upgrade"),
        (&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], "upgrade"),
        (&[("connection", "upgrade"), ("upgrade", "websocket"), ("content-length", "3")], "upgrade"),
        (&[("x_forwarded_for", "1")], "header-look-alike"),
        (&[("x-forwarded_for", "1")], "header-look-alike"),
        (&[("content_length", "1")], "header-look-alike"),
        (&[("transfer_encoding", "chunked")], "header-look-alike"),
        (&[("my_own", "1")], "good"),
    ] {
        let all: Vec<_> = [("host", "a")].into_iter().chain(headers.iter().copied()).collect();
        assert_eq!(reason(Version::HTTP_11, "/", &all), expected, "{headers:?}");
    }
    let mut headers = request(
        Version::HTTP_11,
        "/",
        &[
            ("connection", "keep-alive, x-own"),
            ("x-own", "1"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("a", "b"),
        ],
    )
    .headers;
    strip_hop_by_hop(&mut headers);
    let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["a", "te"]);
    headers.insert(http::header::TE, http::HeaderValue::from_static("gzip"));
    strip_hop_by_hop(&mut headers);
    assert!(!headers.contains_key(http::header::TE));
}

/// RFC 3986 section 6.2.2.
#[test]
fn paths() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/", "/a/"),
        ("//a///b", "/a/b"),
        ("/a//", "/a/"),
        ("/%61%2d%7E", "/a-~"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%20b", "/a%20b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2e/b", "/b"),
        ("/...", "/..."),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/..", "path-above-root"),
        ("/a/../../b", "path-above-root"),
        ("/%2e%2e/a", "path-above-root"),
        ("/a/..;/b", "path-hidden-dots"),
        ("/a/..;v=1/b", "path-hidden-dots"),
        ("/a/.;/b", "path-hidden-dots"),
        ("/a/..%3b/b", "path-hidden-dots"),
        ("/a%2f.%3Bv/b", "path-hidden-dots"),
        ("/a%3bv=1/b", "/a%3Bv=1/b"),
        ("/a%2f..%2fb", "path-hidden-dots"),
        ("/a%5c..%5cb", "path-hidden-dots"),
        ("/a/..%2fb", "path-hidden-dots"),
        ("/a\\b", "path-character"),
        ("/a%00", "path-character"),
        ("/%", "path-escape"),
        ("/%6", "path-escape"),
        ("/%zz", "path-escape"),
        ("/%6%31", "path-escape"),
        ("*", "path-form"),
        ("", "path-form"),
    ] {
        let found =
            normalise(path).map_or_else(|refused| refused.reason.to_owned(), std::borrow::Cow::into_owned);
        assert_eq!(found, expected, "{path:?}");
    }
}

#[test]
fn sizes() {
    let long = format!("/{}", "a".repeat(8 * 1024));
    assert_eq!(reason(Version::HTTP_11, &long, &[("host", "a")]), "uri-too-long");
    let many: Vec<_> = [("host", "a")].into_iter().chain((0..100).map(|_| ("x", "1"))).collect();
    assert_eq!(reason(Version::HTTP_11, "/", &many), "headers-too-large");
    let large = "a".repeat(64 * 1024);
    assert_eq!(reason(Version::HTTP_11, "/", &[("host", "a"), ("x", &large)]), "headers-too-large");
}

proptest! {
    #[test]
    fn a_normal_path_is_normal(path in "/([a-c./;%\\\\ ]|%2[eEfF]|%61|%5c|//|/\\.\\./){0,12}") {
        if let Ok(normal) = normalise(&path) {
            prop_assert_eq!(normalise(&normal).map(std::borrow::Cow::into_owned), Ok(normal.to_string()));
            prop_assert!(normal.starts_with('/') && !normal.contains("//"));
            prop_assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")));
        }
    }

    #[test]
    fn no_path_panics(path in "\\PC{0,40}") {
        normalise(&format!("/{path}")).ok();
    }

    #[test]
    fn no_host_panics(host in "[ -~]{0,40}", version in prop_oneof![Just(Version::HTTP_11), Just(Version::HTTP_10)]) {
        let parts = request(version, "/", &[("host", &host)]);
        if let Ok(target) = admit(&parts, Limits::default()) {
            prop_assert!(!target.host.is_empty());
            prop_assert_eq!(target.host.to_ascii_lowercase(), target.host);
        }
    }
}

/// RFC 8441 section 4: a CONNECT with `:protocol` is a GET that wants to become something else.
#[test]
fn extended_connects() {
    let connect = |uri: &str, protocol: Option<&'static str>, headers: &[(&str, &str)]| {
        let mut parts = request(Version::HTTP_2, uri, headers);
        parts.method = Method::CONNECT;
        if let Some(protocol) = protocol {
            parts.extensions.insert(hyper::ext::Protocol::from_static(protocol));
        }
        let wanted = extended_connect(&mut parts);
        (wanted.map_err(|refused| refused.reason), parts.method)
    };
    let (websocket, get) = (Ok(Some(Upgrade::WebSocket)), Method::GET);
    assert_eq!(connect("https://a/chat", Some("websocket"), &[]), (websocket, get.clone()));
    assert_eq!(connect("https://a/chat", Some("WebSocket"), &[]), (websocket, get));
    for (uri, protocol, headers, expected) in [
        ("a:443", None, &[][..], Ok(None)),
        ("https://a/chat", Some("connect-udp"), &[], Err("connect-protocol")),
        ("a:443", Some("websocket"), &[], Err("upgrade")),
        ("https://a/chat", Some("websocket"), &[("content-length", "1")], Err("upgrade")),
    ] {
        assert_eq!(connect(uri, protocol, headers), (expected, Method::CONNECT), "{uri} {protocol:?}");
    }
    let mut other = request(Version::HTTP_2, "https://a/chat", &[]);
    other.extensions.insert(hyper::ext::Protocol::from_static("websocket"));
    assert_eq!(extended_connect(&mut other), Ok(None));
}
