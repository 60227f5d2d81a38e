//! What belongs to one connection, and several requests on one.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[
    ("RFC 9110 section 7.6.1, Connection", CONNECTION),
    ("RFC 9110 section 7.8, Upgrade", UPGRADE),
    ("RFC 9112 section 9.3, persistence", PERSISTENCE),
];

const ROOT: &[&str] = &["GET /|host: a.test"];

const CONNECTION: &[Vector] = &[
    ("what it names goes", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x\r\nX: 1\r\n\r\n", &[200], ROOT),
    (
        "several lines of it",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x\r\nConnection: y\r\nX: 1\r\nY: 1\r\n\r\n",
        &[200],
        ROOT,
    ),
    ("Keep-Alive", b"GET / HTTP/1.1\r\nHost: a.test\r\nKeep-Alive: timeout=5\r\n\r\n", &[200], ROOT),
    (
        "Proxy-Connection",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nProxy-Connection: keep-alive\r\n\r\n",
        &[200],
        ROOT,
    ),
    ("TE", b"GET / HTTP/1.1\r\nHost: a.test\r\nTE: gzip\r\nConnection: TE\r\n\r\n", &[200], ROOT),
    (
        "TE: trailers stays",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n",
        &[200],
        &["GET /|host: a.test|te: trailers"],
    ),
    (
        "it names what is not there",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: nothing\r\n\r\n",
        &[200],
        ROOT,
    ),
    ("it names Host", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: host\r\n\r\n", &[400], &[]),
    (
        "it names Authorization",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Authorization\r\nAuthorization: Basic x\r\n\r\n",
        &[400],
        &[],
    ),
    (
        "it names Cookie",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close, cookie\r\nCookie: a=b\r\n\r\n",
        &[400],
        &[],
    ),
    (
        "it names Content-Length",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nab",
        &[400],
        &[],
    ),
    (
        "it names Content-Type",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: content-type\r\nContent-Type: a/b\r\n\r\n",
        &[400],
        &[],
    ),
    (
        "it names X-Forwarded-For",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x-forwarded-for\r\nX-Forwarded-For: 1\r\n\r\n",
        &[400],
        &[],
    ),
];

const UPGRADE: &[Vector] = &[
    ("h2c", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", &[400], &[]),
    ("TLS", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n", &[400], &[]),
    ("what nobody knows", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: nothing\r\n\r\n", &[400], &[]),
    ("without Connection", b"GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n", &[400], &[]),
    ("with a body", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab", &[400], &[]),
    ("with chunks", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("with POST", b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", &[400], &[]),
    ("in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", &[400], &[]),
    ("a request behind what is refused by its backend", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200, 200], &["GET /|host: a.test|connection: upgrade|upgrade: websocket", "GET /next|host: a.test"]),
];

const PERSISTENCE: &[Vector] = &[
    ("two requests", b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200, 200], &["GET /1|host: a.test", "GET /2|host: a.test"]),
    ("a request behind a body", b"POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200, 200], &["POST /1|host: a.test|content-length: 2||ab", "GET /2|host: a.test"]),
    ("a request behind close", b"GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["GET /1|host: a.test"]),
    ("a request behind HTTP/1.0", b"GET /1 HTTP/1.0\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["GET /1|host: a.test"]),
    ("a request behind a bad one", b"GET /1 HTTP/1.1\r\nHost: a b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a bad request behind a good one", b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", &[200, 400], &["GET /1|host: a.test"]),
    ("the beginning of HTTP/2 with nothing behind it", b"PRI * HTTP/2.0\r\n\r\n", &[], &[]),
];
