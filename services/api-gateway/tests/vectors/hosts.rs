//! The host that is asked for.

use super::Vector;

pub(crate) const ALL: &[(&str, &[Vector])] = &[("RFC 9112 section 3.2 and RFC 9110 section 7.2, Host", HOST)];

const HOST: &[Vector] = &[
    ("none", b"GET / HTTP/1.1\r\n\r\n", &[400], &[]),
    ("none in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", &[400], &[]),
    ("an empty one", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", &[400], &[]),
    ("the same twice", b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", &[400], &[]),
    ("two", b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", &[400], &[]),
    ("a list", b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", &[400], &[]),
    ("a space", b"GET / HTTP/1.1\r\nHost: a .test\r\n\r\n", &[400], &[]),
    ("a tab", b"GET / HTTP/1.1\r\nHost: a\t.test\r\n\r\n", &[400], &[]),
    ("a path", b"GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n", &[400], &[]),
    ("a user", b"GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", &[400], &[]),
    ("a query", b"GET / HTTP/1.1\r\nHost: a.test?b\r\n\r\n", &[400], &[]),
    ("markup", b"GET / HTTP/1.1\r\nHost: <a>.test\r\n\r\n", &[400], &[]),
    ("a quote", b"GET / HTTP/1.1\r\nHost: a\".test\r\n\r\n", &[400], &[]),
    ("an escape", b"GET / HTTP/1.1\r\nHost: %61.test\r\n\r\n", &[400], &[]),
    ("8 bits", b"GET / HTTP/1.1\r\nHost: \xe4.test\r\n\r\n", &[400], &[]),
    ("a scheme", b"GET / HTTP/1.1\r\nHost: http://a.test\r\n\r\n", &[400], &[]),
    ("a port", b"GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n", &[200], &["GET /|host: a.test:8080"]),
    ("port 0", b"GET / HTTP/1.1\r\nHost: a.test:0\r\n\r\n", &[400], &[]),
    ("a port that is too large", b"GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", &[400], &[]),
    ("a port with a sign", b"GET / HTTP/1.1\r\nHost: a.test:+80\r\n\r\n", &[400], &[]),
    ("a port that is none", b"GET / HTTP/1.1\r\nHost: a.test:http\r\n\r\n", &[400], &[]),
    ("two ports", b"GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n", &[400], &[]),
    ("a port without a host", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", &[400], &[]),
    ("a dot at the end", b"GET / HTTP/1.1\r\nHost: a.test.\r\n\r\n", &[200], &["GET /|host: a.test."]),
    ("two dots at the end", b"GET / HTTP/1.1\r\nHost: a.test..\r\n\r\n", &[400], &[]),
    ("two dots", b"GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", &[400], &[]),
    ("a dot alone", b"GET / HTTP/1.1\r\nHost: .\r\n\r\n", &[400], &[]),
    ("upper case", b"GET / HTTP/1.1\r\nHOST: A.TEST\r\n\r\n", &[200], &["GET /|host: A.TEST"]),
    ("an address", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", &[200], &["GET /|host: 127.0.0.1"]),
    ("an address of IPv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &[200], &["GET /|host: [::1]:80"]),
    ("brackets around what is no address", b"GET / HTTP/1.1\r\nHost: [a.test]\r\n\r\n", &[400], &[]),
    ("a bracket that is open", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", &[400], &[]),
    ("an address of IPv6 without brackets", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", &[400], &[]),
];
