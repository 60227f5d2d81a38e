//! Where a message ends.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[
    ("RFC 9112 section 6.1, Transfer-Encoding", TRANSFER_ENCODING),
    ("RFC 9112 section 6.2, Content-Length", CONTENT_LENGTH),
    ("RFC 9112 section 6.3, both", BOTH),
    ("RFC 9112 section 7.1, chunks", CHUNKS),
];

const CHUNKED: &[&str] = &["POST /|host: a.test|transfer-encoding: chunked||ab"];

const TRANSFER_ENCODING: &[Vector] = &[
    ("chunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", &[200], CHUNKED),
    ("chunked in another case", b"POST / HTTP/1.1\r\nHost: a.test\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", &[200], CHUNKED),
    ("chunked after a tab", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\tchunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", &[200], CHUNKED),
    ("xchunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("chunkedx", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("chunked twice", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[501], &[]),
    ("gzip, chunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501], &[]),
    ("chunked, gzip", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("identity", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\n\r\n", &[400], &[]),
    ("chunked, identity", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("in two lines", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[501], &[]),
    ("chunked in two lines", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[501], &[]),
    ("chunked, then what is none", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("a vertical tab before it", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("a space before the colon", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("a comma behind it", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("a comma before it", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", &[501], &[]),
    ("a parameter", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("quotes", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("an empty one", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n", &[400], &[]),
    ("in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
];

const CONTENT_LENGTH: &[Vector] = &[
    (
        "a body",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nab",
        &[200],
        &["POST /|host: a.test|content-length: 2||ab"],
    ),
    ("none and no body", b"POST / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[200], &["POST /|host: a.test"]),
    (
        "0",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n",
        &[200],
        &["POST /|host: a.test|content-length: 0"],
    ),
    (
        "a body of GET",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nab",
        &[200],
        &["GET /|host: a.test|content-length: 2||ab"],
    ),
    (
        "the same twice",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        &[400],
        &[],
    ),
    (
        "two",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        &[400],
        &[],
    ),
    ("a list", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2, 2\r\n\r\nab", &[400], &[]),
    ("a plus", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +2\r\n\r\nab", &[400], &[]),
    ("a minus", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -2\r\n\r\nab", &[400], &[]),
    ("in base 16", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x2\r\n\r\nab", &[400], &[]),
    ("a point", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2.0\r\n\r\nab", &[400], &[]),
    ("an exponent", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2e0\r\n\r\nab", &[400], &[]),
    ("a space in it", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1 0\r\n\r\nab", &[400], &[]),
    ("letters behind it", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2a\r\n\r\nab", &[400], &[]),
    ("an empty one", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\n", &[400], &[]),
    (
        "a vertical tab before it",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \x0b2\r\n\r\nab",
        &[400],
        &[],
    ),
    (
        "more than fits 64 bits",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551618\r\n\r\nab",
        &[400],
        &[],
    ),
    (
        "more than is allowed",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100001\r\n\r\nab",
        &[413],
        &[],
    ),
    (
        "less than comes",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nab",
        &[200],
        &["POST /|host: a.test|content-length: 1||a"],
    ),
    ("more than comes", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab", &[408], &[]),
];

const BOTH: &[Vector] = &[
    ("length first", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("encoding first", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("a request behind it", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("a request in it", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 49\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
];

const CHUNKS: &[Vector] = &[
    ("several", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", &[200], CHUNKED),
    ("none", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[200], &["POST /|host: a.test|transfer-encoding: chunked"]),
    ("zeros before the size", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\nab\r\n0\r\n\r\n", &[200], CHUNKED),
    ("an extension", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n", &[200], CHUNKED),
    ("a trailer is dropped", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: 1\r\n\r\n", &[200], CHUNKED),
    ("a trailer that frames", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n", &[200], CHUNKED),
    ("LF after the size", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", &[400], &[]),
    ("LF after the data", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", &[400], &[]),
    ("LF in an extension", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a size in C", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a minus", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a plus", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("an underscore", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0_2\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a size that is none", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("no size", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a size of more than 64 bits", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("a space before the size", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("more data than the size", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", &[400], &[]),
    ("no end", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", &[408], &[]),
];
