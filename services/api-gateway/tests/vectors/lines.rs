//! Lines, versions, methods and targets.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[
    ("RFC 9112 section 2.2, message parsing", PARSING),
    ("RFC 9112 section 2.3, version", VERSION),
    ("RFC 9112 section 3, request line", REQUEST_LINE),
    ("RFC 9112 section 3.2, target", TARGET),
];

const ROOT: &[&str] = &["GET /|host: a.test"];

const PARSING: &[Vector] = &[
    ("a plain request", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], ROOT),
    ("an empty line before it", b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], ROOT),
    ("LF ends the request line", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", &[400], &[]),
    ("LF ends a header", b"GET / HTTP/1.1\r\nHost: a.test\n\r\n", &[400], &[]),
    ("LF ends the head", b"GET / HTTP/1.1\r\nHost: a.test\r\n\n", &[400], &[]),
    ("LF everywhere", b"GET / HTTP/1.1\nHost: a.test\n\n", &[400], &[]),
    ("CR alone in the request line", b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("CR alone ends the request line", b"GET / HTTP/1.1\rHost: a.test\r\n\r\n", &[400], &[]),
    ("CR alone in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", &[400], &[]),
    ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a space before the first header", b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", &[400], &[]),
    ("a tab before the first header", b"GET / HTTP/1.1\r\n\tX: 1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n", &[400], &[]),
    ("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", &[400], &[]),
    ("what is no HTTP", b"HELO a.test\r\n\r\n", &[400], &[]),
    ("a head without an end", b"GET / HTTP/1.1\r\nHost: a.test\r\n", &[], &[]),
    ("HTTP/0.9", b"GET /\r\n\r\n", &[400], &[]),
];

const VERSION: &[Vector] = &[
    ("1.0", b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", &[200], ROOT),
    ("1.2", b"GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("2.0", b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("0.9 in words", b"GET / HTTP/0.9\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("in lower case", b"GET / http/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("without a minor", b"GET / HTTP/1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("with two digits", b"GET / HTTP/1.10\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("with a zero before", b"GET / HTTP/01.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("with a letter", b"GET / HTTP/1.1x\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("another protocol", b"GET / ICAP/1.0\r\nHost: a.test\r\n\r\n", &[400], &[]),
];

const REQUEST_LINE: &[Vector] = &[
    ("two spaces before the target", b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("two spaces after the target", b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("tabs for spaces", b"GET\t/\tHTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a space at its end", b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a space at its beginning", b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("without a target", b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a word too many", b"GET / x HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("without a method", b"/ HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a method that is no token", b"G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a colon in the method", b"GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    (
        "a method that nobody knows",
        b"BREW / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["BREW /|host: a.test"],
    ),
    ("methods have a case", b"get / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["get /|host: a.test"]),
    ("TRACE", b"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[405], &[]),
];

const TARGET: &[Vector] = &[
    (
        "a path and a query",
        b"GET /a/b?c=d&e HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a/b?c=d&e|host: a.test"],
    ),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a space", b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a control character", b"GET /a\x01b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("DEL", b"GET /a\x7fb HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    (
        "absolute, with the same host",
        b"GET http://a.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /b|host: a.test"],
    ),
    (
        "absolute, with the host in another case",
        b"GET http://A.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /b|host: a.test"],
    ),
    (
        "absolute, without a path",
        b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /|host: a.test"],
    ),
    (
        "absolute, with a query alone",
        b"GET http://a.test?b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /?b|host: a.test"],
    ),
    ("absolute, with another host", b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("absolute, with another port", b"GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("absolute, with a user", b"GET http://u@a.test/ HTTP/1.1\r\nHost: u@a.test\r\n\r\n", &[400], &[]),
    ("absolute, without a host", b"GET http:/// HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("absolute, in another scheme", b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    (
        "absolute, in the scheme of what may be in front",
        b"GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /|host: a.test"],
    ),
    ("CONNECT", b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", &[405], &[]),
    ("CONNECT with a path", b"CONNECT /a HTTP/1.1\r\nHost: a.test\r\n\r\n", &[405], &[]),
    ("an authority without CONNECT", b"GET a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", &[400], &[]),
    ("a star", b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a star that is not for OPTIONS", b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("no slash", b"GET a HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
];
