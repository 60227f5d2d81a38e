//! Header fields.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[
    ("RFC 9112 section 5, field syntax", SYNTAX),
    ("RFC 9110 section 5.5, field values", VALUES),
    ("RFC 9110 section 17, names that look like others", LOOK_ALIKES),
    ("RFC 9110 section 10.1.1, Expect", EXPECT),
    ("RFC 7239, what a client says of itself", FORWARDED),
];

const SYNTAX: &[Vector] = &[
    ("a space before the colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nX : 1\r\n\r\n", &[400], &[]),
    ("a tab before the colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\t: 1\r\n\r\n", &[400], &[]),
    ("a space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", &[400], &[]),
    ("no name", b"GET / HTTP/1.1\r\nHost: a.test\r\n: 1\r\n\r\n", &[400], &[]),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n", &[400], &[]),
    ("a space in the name", b"GET / HTTP/1.1\r\nHost: a.test\r\nX Y: 1\r\n\r\n", &[400], &[]),
    ("a name that is no token", b"GET / HTTP/1.1\r\nHost: a.test\r\nX(1): 1\r\n\r\n", &[400], &[]),
    ("a control character in the name", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\x01: 1\r\n\r\n", &[400], &[]),
    ("8 bits in the name", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\xe4: 1\r\n\r\n", &[400], &[]),
    ("a fold", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n 2\r\n\r\n", &[400], &[]),
    ("a fold with a tab", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n\t2\r\n\r\n", &[400], &[]),
    (
        "a fold of what frames",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
    ),
    (
        "a name twice",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r\nx: 2\r\n\r\n",
        &[200],
        &["GET /|host: a.test|x: 1|x: 2"],
    ),
];

const VALUES: &[Vector] = &[
    ("an empty one", b"GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\r\n", &[200], &["GET /|host: a.test|x: "]),
    (
        "spaces around it",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \t 1 \t\r\n\r\n",
        &[200],
        &["GET /|host: a.test|x: 1"],
    ),
    (
        "no space before it",
        b"GET / HTTP/1.1\r\nHost:a.test\r\nX:1\r\n\r\n",
        &[200],
        &["GET /|host: a.test|x: 1"],
    ),
    (
        "8 bits",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: caf\xc3\xa9\r\n\r\n",
        &[200],
        &["GET /|host: a.test|x: caf\u{e9}"],
    ),
    ("a vertical tab", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x0bb\r\n\r\n", &[400], &[]),
    ("a bell", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x07b\r\n\r\n", &[400], &[]),
    ("DEL", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n", &[400], &[]),
];

const LOOK_ALIKES: &[Vector] = &[
    ("X_Forwarded_For", b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Forwarded_For: 1\r\n\r\n", &[400], &[]),
    ("X-Forwarded_Proto", b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded_Proto: 1\r\n\r\n", &[400], &[]),
    ("X_Real_IP", b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Real_IP: 1\r\n\r\n", &[400], &[]),
    ("Content_Length", b"GET / HTTP/1.1\r\nHost: a.test\r\nContent_Length: 1\r\n\r\n", &[400], &[]),
    (
        "Transfer_Encoding",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nTransfer_Encoding: chunked\r\n\r\n",
        &[400],
        &[],
    ),
    (
        "another name with an underscore",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Own: 1\r\n\r\n",
        &[200],
        &["GET /|host: a.test|x_own: 1"],
    ),
];

const EXPECT: &[Vector] = &[
    (
        "100-continue",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        &[200],
        &["POST /|host: a.test|content-length: 2||ab"],
    ),
    (
        "100-continue without a body",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
        &[200],
        &["GET /|host: a.test"],
    ),
];

const FORWARDED: &[Vector] = &[
    (
        "Forwarded",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nForwarded: for=1.1.1.1\r\n\r\n",
        &[200],
        &["GET /|host: a.test"],
    ),
    (
        "X-Real-IP",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 1.1.1.1\r\n\r\n",
        &[200],
        &["GET /|host: a.test"],
    ),
];
