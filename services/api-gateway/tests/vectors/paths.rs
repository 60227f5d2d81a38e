//! One form for each path, as whoever decides and whoever serves must read the same.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[
    ("RFC 3986 section 6.2.2, normal forms", NORMAL),
    ("RFC 3986 section 5.2.4, dots", DOTS),
    ("RFC 9112 section 3, sizes", SIZES),
];

const NORMAL: &[Vector] = &[
    (
        "a needless escape",
        b"GET /%61dmin HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /admin|host: a.test"],
    ),
    (
        "an escape in lower case",
        b"GET /a%c3%a4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a%C3%A4|host: a.test"],
    ),
    (
        "an escaped slash stays",
        b"GET /a%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a%2Fb|host: a.test"],
    ),
    (
        "an escaped escape stays",
        b"GET /a%252fb HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a%252fb|host: a.test"],
    ),
    (
        "slashes that follow each other",
        b"GET //a///b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a/b|host: a.test"],
    ),
    ("an escape that is none", b"GET /a%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("half an escape", b"GET /a%4 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a percent sign alone", b"GET /a% HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("an escaped NUL", b"GET /a%00b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a backslash", b"GET /a\\b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    (
        "parameters stay",
        b"GET /a;b=c/d HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a;b=c/d|host: a.test"],
    ),
    (
        "a query stays as it is",
        b"GET /a?../%zz//\\;%2f HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a?../%zz//\\;%2f|host: a.test"],
    ),
];

const DOTS: &[Vector] = &[
    ("one dot", b"GET /a/./b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["GET /a/b|host: a.test"]),
    ("two dots", b"GET /a/../b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["GET /b|host: a.test"]),
    (
        "two dots at the end",
        b"GET /a/b/.. HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a/|host: a.test"],
    ),
    ("escaped dots", b"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["GET /b|host: a.test"]),
    (
        "half escaped dots",
        b"GET /a/.%2e/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /b|host: a.test"],
    ),
    ("above the root", b"GET /../a HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("far above the root", b"GET /a/../../../etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("escaped, above the root", b"GET /%2e%2e/a HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("behind an escaped slash", b"GET /a/..%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("before an escaped backslash", b"GET /a/..%5cb HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("with a parameter", b"GET /a/..;/b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("with a parameter, escaped", b"GET /a/%2e%2e;x/b HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    (
        "three dots are a name",
        b"GET /a/.../b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a/.../b|host: a.test"],
    ),
    (
        "a name with dots",
        b"GET /a/..b/c.. HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[200],
        &["GET /a/..b/c..|host: a.test"],
    ),
];

const SIZES: &[Vector] = &[
    ("a target that is too long", LONG_TARGET, &[414], &[]),
    ("a header that is too large", LARGE_HEADER, &[431], &[]),
    ("too many headers", MANY_HEADERS, &[431], &[]),
];

/// `begin`, then `piece` again and again, then `end`.
const fn long<const N: usize>(begin: &[u8], piece: &[u8], end: &[u8]) -> [u8; N] {
    let mut all = [0; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < begin.len() {
            begin[at]
        } else if at >= N - end.len() {
            end[at + end.len() - N]
        } else {
            piece[(at - begin.len()) % piece.len()]
        };
        at += 1;
    }
    all
}

const LONG_TARGET: &[u8] = &long::<9_000>(b"GET /", b"a", b" HTTP/1.1\r\nHost: a.test\r\n\r\n");
const LARGE_HEADER: &[u8] = &long::<200_000>(b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ", b"a", b"\r\n\r\n");
// 24 bytes before, 2 after, and 6 for each of 150 headers.
const MANY_HEADERS: &[u8] =
    &long::<{ 30 + 900 + 2 }>(b"GET / HTTP/1.1\r\nHost: a.test\r\n", b"X: 1\r\n", b"\r\n");
