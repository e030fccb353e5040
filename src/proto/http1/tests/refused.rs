//! Requests that must be refused, and with which reason.

use super::{HttpError, limits, outcome};
use crate::proto::buffer::Buffer;
use crate::proto::http1::RequestDecoder;

fn refuse(bytes: &[u8], expected: HttpError, status: u16) {
    let outcome = outcome(bytes);
    assert_eq!(outcome.error, Some(expected), "{}", bytes.escape_ascii());
    assert!(outcome.events.is_empty(), "{}", bytes.escape_ascii());
    assert_eq!(expected.status(), status, "{}", bytes.escape_ascii());
    assert!(expected.public().ends_with('.'));
}

#[test]
fn request_lines() {
    use HttpError::{
        BareCr, BareLf, ControlCharacter, EmptyLines, Method, RequestLine, Target, Version,
    };
    for (line, error, status) in [
        ("\r\n\r\nGET / HTTP/1.1\r\n", EmptyLines, 400),
        ("\nGET / HTTP/1.1\r\n", BareLf, 400),
        ("\rGET / HTTP/1.1\r\n", BareCr, 400),
        ("GET / HTTP/1.1\nHost: h\r\n", BareLf, 400),
        ("GET / HTTP/1.1\rHost: h\r\n", BareCr, 400),
        ("GET /\0 HTTP/1.1\r\n", ControlCharacter, 400),
        ("GET /\u{7f} HTTP/1.1\r\n", ControlCharacter, 400),
        ("G\u{1b}T / HTTP/1.1\r\n", ControlCharacter, 400),
        ("\u{16}\u{3}\u{1}\u{2}\0", ControlCharacter, 400),
        (" \r\n", RequestLine, 400),
        ("GET\r\n", RequestLine, 400),
        ("GET /\r\n", RequestLine, 400),
        ("GET  / HTTP/1.1\r\n", RequestLine, 400),
        ("GET /  HTTP/1.1\r\n", RequestLine, 400),
        ("GET / HTTP/1.1 \r\n", RequestLine, 400),
        (" GET / HTTP/1.1\r\n", RequestLine, 400),
        ("GET /a b HTTP/1.1\r\n", RequestLine, 400),
        ("GET\t/\tHTTP/1.1\r\n", RequestLine, 400),
        ("GET HTTP/1.1\r\n", RequestLine, 400),
        ("GET / http/1.1\r\n", RequestLine, 400),
        ("GET / HTTP/1.1x\r\n", RequestLine, 400),
        ("GET / HTTP/01.1\r\n", RequestLine, 400),
        ("GET / HTTP/1,1\r\n", RequestLine, 400),
        ("GET / HTTP/1\r\n", RequestLine, 400),
        ("GET / HTTP /1.1\r\n", RequestLine, 400),
        ("GET / HTTP/1.\t\r\n", RequestLine, 400),
        ("GET / HTTP/1.2\r\n", Version, 505),
        ("GET / HTTP/0.9\r\n", Version, 505),
        ("GET / HTTP/2.0\r\n", Version, 505),
        ("GET / HTTP/9.9\r\n", Version, 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version, 505),
        ("G(T / HTTP/1.1\r\n", Method, 400),
        ("G\u{e9}T / HTTP/1.1\r\n", Method, 400),
        ("MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM / HTTP/1.1\r\n", Method, 400),
        ("GET * HTTP/1.1\r\n", Target, 400),
        ("OPTIONS ** HTTP/1.1\r\n", Target, 400),
        ("CONNECT h:443 HTTP/1.1\r\n", Target, 400),
        ("GET mcp HTTP/1.1\r\n", Target, 400),
        ("GET ?a HTTP/1.1\r\n", Target, 400),
        ("GET /a#b HTTP/1.1\r\n", Target, 400),
        ("GET /\t HTTP/1.1\r\n", Target, 400),
        ("GET /\u{e9} HTTP/1.1\r\n", Target, 400),
        ("GET /\u{c0}\u{af} HTTP/1.1\r\n", Target, 400),
        ("GET /a\\b HTTP/1.1\r\n", Target, 400),
        ("GET /\"<>^`{|} HTTP/1.1\r\n", Target, 400),
        ("GET /[] HTTP/1.1\r\n", Target, 400),
        ("GET /% HTTP/1.1\r\n", Target, 400),
        ("GET /%4 HTTP/1.1\r\n", Target, 400),
        ("GET /%zz HTTP/1.1\r\n", Target, 400),
        ("GET ftp://h/ HTTP/1.1\r\n", Target, 400),
        ("GET http:/h/ HTTP/1.1\r\n", Target, 400),
        ("GET http:///x HTTP/1.1\r\n", Target, 400),
        ("GET http://?x HTTP/1.1\r\n", Target, 400),
    ] {
        refuse(line.as_bytes(), error, status);
    }
}

#[test]
fn header_lines() {
    use HttpError::{BareCr, BareLf, ControlCharacter, Folding, Header};
    for (line, error) in [
        (" A: b\r\n", Folding),
        ("\tA: b\r\n", Folding),
        ("A: b\r\n c\r\n", Folding),
        ("A: b\r\n\tc\r\n", Folding),
        ("Transfer-Encoding:\r\n chunked\r\n", Folding),
        (" \r\n", Folding),
        ("A : b\r\n", Header),
        ("A\t: b\r\n", Header),
        ("Transfer-Encoding : chunked\r\n", Header),
        (": b\r\n", Header),
        ("A b\r\n", Header),
        ("A\r\n", Header),
        ("A b: c\r\n", Header),
        ("A(: b\r\n", Header),
        ("A\u{e9}: b\r\n", Header),
        ("\"A\": b\r\n", Header),
        ("A: b\nB: c\r\n", BareLf),
        ("A: b\n\r\n", BareLf),
        ("\n", BareLf),
        ("A: b\rc\r\n", BareCr),
        ("A: b\r\r\n", BareCr),
        ("A: b\0c\r\n", ControlCharacter),
        ("A: \u{b}b\r\n", ControlCharacter),
        ("A: b\u{c}\r\n", ControlCharacter),
        ("A: \u{1}\r\n", ControlCharacter),
        ("A: \u{7f}\r\n", ControlCharacter),
        ("A\0: b\r\n", ControlCharacter),
        ("Transfer-Encoding: \u{b}chunked\r\n", ControlCharacter),
        ("Transfer-Encoding: chunked\0\r\n", ControlCharacter),
    ] {
        refuse(format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n").as_bytes(), error, 400);
    }
    refuse(b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", Folding, 400);
}

#[test]
fn hosts() {
    use HttpError::{HostMismatch, HostMissing, HostRepeated, HostSyntax};
    for (target, hosts, error) in [
        ("/", "", HostMissing),
        ("/", "Host: a\r\nHost: b\r\n", HostRepeated),
        ("/", "Host: a\r\nhost: a\r\n", HostRepeated),
        ("/", "Host:\r\n", HostSyntax),
        ("/", "Host: u@a\r\n", HostSyntax),
        ("/", "Host: a/b\r\n", HostSyntax),
        ("/", "Host: a, b\r\n", HostSyntax),
        ("/", "Host: a:b\r\n", HostSyntax),
        ("/", "Host: \u{e9}\r\n", HostSyntax),
        ("http://a/", "", HostMissing),
        ("http://a/", "Host: b\r\n", HostMismatch),
        ("http://a/", "Host: a:80\r\n", HostMismatch),
        ("http://u@a/", "Host: a\r\n", HostMismatch),
        ("http://u@a/", "Host: u@a\r\n", HostSyntax),
        ("http://a\\b/", "Host: a\r\n", HostMismatch),
    ] {
        refuse(format!("GET {target} HTTP/1.1\r\n{hosts}\r\n").as_bytes(), error, 400);
    }
    refuse(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HostRepeated, 400);
    refuse(b"GET http://a/ HTTP/1.0\r\n\r\n", HostMissing, 400);
}

#[test]
fn framing_headers() {
    use HttpError::{
        BodyTooLarge, ContentEncoding, ContentLength, ContentLengthRepeated, Expectation,
        LengthAndCoding, TransferCoding, TransferEncoding,
    };
    for (headers, error, status) in [
        ("Content-Length:\r\n", ContentLength, 400),
        ("Content-Length: +5\r\n", ContentLength, 400),
        ("Content-Length: -5\r\n", ContentLength, 400),
        ("Content-Length: -0\r\n", ContentLength, 400),
        ("Content-Length: 0x5\r\n", ContentLength, 400),
        ("Content-Length: 0o5\r\n", ContentLength, 400),
        ("Content-Length: 5a\r\n", ContentLength, 400),
        ("Content-Length: 5.0\r\n", ContentLength, 400),
        ("Content-Length: 1e1\r\n", ContentLength, 400),
        ("Content-Length: 1_0\r\n", ContentLength, 400),
        ("Content-Length: 1 0\r\n", ContentLength, 400),
        ("Content-Length: \"5\"\r\n", ContentLength, 400),
        ("Content-Length: 05\r\n", ContentLength, 400),
        ("Content-Length: 00\r\n", ContentLength, 400),
        ("Content-Length: 5, 5\r\n", ContentLength, 400),
        ("Content-Length: 5,\r\n", ContentLength, 400),
        ("Content-Length: \u{665}\r\n", ContentLength, 400),
        ("Content-Length: 18446744073709551616\r\n", ContentLength, 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", ContentLengthRepeated, 400),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", ContentLengthRepeated, 400),
        ("Content_Length: 5\r\n", ContentLength, 400),
        ("Content-Length: 65\r\n", BodyTooLarge, 413),
        ("Content-Length: 18446744073709551615\r\n", BodyTooLarge, 413),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", LengthAndCoding, 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", LengthAndCoding, 400),
        ("Transfer-Encoding:\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: identity\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: xchunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: gzip\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked, gzip\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked, chunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: , chunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked,\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked;a=b\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: \"chunked\"\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked chunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", TransferEncoding, 400),
        ("Transfer_Encoding: chunked\r\n", TransferEncoding, 400),
        ("Transfer-Encoding: gzip, chunked\r\n", TransferCoding, 501),
        ("Expect: 200-ok\r\n", Expectation, 417),
        ("Expect:\r\n", Expectation, 417),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", Expectation, 417),
        ("Content-Encoding: gzip\r\n", ContentEncoding, 415),
        ("Content-Encoding: identity\r\nContent-Encoding: br\r\n", ContentEncoding, 415),
        ("Content-Encoding:\r\n", ContentEncoding, 415),
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        refuse(bytes.as_bytes(), error, status);
    }
    refuse(
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        HttpError::TransferEncodingVersion,
        400,
    );
}

#[test]
fn sizes() {
    let a = |count: usize| "a".repeat(count);
    for (bytes, error, status) in [
        (format!("GET /{} HTTP/1.1\r\n", a(100)), HttpError::TargetTooLong, 414),
        (format!("GET /{}", a(500)), HttpError::TargetTooLong, 414),
        (a(700), HttpError::TargetTooLong, 414),
        (format!("GET / HTTP/1.1\r\nA: {}", a(600)), HttpError::HeadTooLarge, 431),
        (format!("GET / HTTP/1.1\r\n{}", "A:b\r\n".repeat(120)), HttpError::HeadTooLarge, 431),
        (
            format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A:b\r\n".repeat(8)),
            HttpError::TooManyHeaders,
            431,
        ),
    ] {
        refuse(bytes.as_bytes(), error, status);
    }
    let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    let fill = a(601 - start.len() - 4);
    refuse(format!("{start}{fill}\r\n\r\n").as_bytes(), HttpError::HeadTooLarge, 431);
}

#[test]
fn a_refusal_keeps_the_head_when_only_its_body_or_wish_was_refused() {
    for (headers, kept) in [
        ("Content-Length: 65", true),
        ("Expect: x", true),
        ("Content-Encoding: gzip", true),
        ("Content-Length: x", false),
        ("A : b", false),
    ] {
        let (mut decoder, mut input) = (RequestDecoder::new(), Buffer::new());
        let bytes = format!("POST /p HTTP/1.1\r\nHost: h\r\nOrigin: http://o\r\n{headers}\r\n\r\n");
        input.extend(bytes.as_bytes());
        decoder.decode(&mut input, &limits()).unwrap_err();
        let head = decoder.take_refused_head();
        let origin = head.as_ref().and_then(|head| head.header_str("origin"));
        assert_eq!(origin, kept.then_some("http://o"), "{headers}");
        assert!(decoder.take_refused_head().is_none());
    }
}
