//! Bodies: their framing, their limits, and what they cost.

use super::{Event, HttpError, HttpLimits, feed, limits, outcome, request};
use crate::proto::buffer::Buffer;
use crate::proto::http1::{Decoded, RequestDecoder};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_body_of_the_announced_length_is_delivered() {
    let (_, body) = request(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(body, b"hello");
    let full =
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 64\r\n\r\n{}", "x".repeat(64));
    assert_eq!(request(full.as_bytes()).1, [b'x'; 64]);
}

#[test]
fn an_incomplete_body_waits() {
    for bytes in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell".to_owned(),
        format!("{CHUNKED}5\r\nhello\r\n0\r\n"),
        format!("{CHUNKED}5\r\nhello\r\n0\r\n\r"),
        format!("{CHUNKED}5\r\nhello"),
        format!("{CHUNKED}5"),
    ] {
        let outcome = outcome(bytes.as_bytes());
        assert_eq!((outcome.events.len(), outcome.error), (1, None), "{bytes:?}");
        assert!(outcome.waiting);
    }
}

#[test]
fn chunks_are_joined_and_their_framing_dropped() {
    for (coded, body) in [
        ("0\r\n\r\n", ""),
        ("0000\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\nh\r\n00004\r\nello\r\n000\r\n\r\n", "hello"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        ("0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("2;a\r\nhi\r\n0;b=c;d=\"e \\\" ;\t\"\r\n\r\n", "hi"),
        ("2\r\nhi\r\n0\r\nX-Sum: a b\r\ny:\r\n\r\n", "hi"),
        ("2\r\nhi\r\n0\r\nHosts: a\r\n\r\n", "hi"),
    ] {
        let (head, found) = request(format!("{CHUNKED}{coded}").as_bytes());
        assert_eq!(found, body.as_bytes(), "{coded:?}");
        assert!(
            head.contains("chunked=true") && head.ends_with("[Host=h|Transfer-Encoding=chunked]")
        );
    }
}

#[test]
fn the_name_of_the_coding_has_no_case() {
    let bytes = "POST / HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n0\r\n\r\n";
    assert!(request(bytes.as_bytes()).0.contains("chunked=true"));
}

#[test]
fn malformed_chunks_are_refused() {
    use HttpError::{BodyTooLarge, ChunkEnd, ChunkExtension, ChunkSize, Trailer, TrailerForbidden};
    for (coded, error) in [
        ("\r\n", ChunkSize),
        (" 5\r\n", ChunkSize),
        ("5 \r\n", ChunkSize),
        ("5\t\r\n", ChunkSize),
        ("5 ;a\r\n", ChunkSize),
        ("+5\r\n", ChunkSize),
        ("-5\r\n", ChunkSize),
        ("0x5\r\n", ChunkSize),
        ("5_0\r\n", ChunkSize),
        ("5,0\r\n", ChunkSize),
        ("g\r\n", ChunkSize),
        (";a\r\n", ChunkSize),
        ("5\nhello\r\n", ChunkSize),
        ("5\rhello\r\n", ChunkSize),
        ("5\0\r\n", ChunkSize),
        ("00000000000000005\r\nhello\r\n", ChunkSize),
        ("fffffffffffffffff\r\n", ChunkSize),
        ("ffffffffffffffff\r\n", BodyTooLarge),
        ("41\r\n", BodyTooLarge),
        ("5\r\nhello\r\n3c\r\n", BodyTooLarge),
        ("5;\r\n", ChunkExtension),
        ("5; a\r\n", ChunkExtension),
        ("5;a =b\r\n", ChunkExtension),
        ("5;a=\r\n", ChunkExtension),
        ("5;=b\r\n", ChunkExtension),
        ("5;a=b=c\r\n", ChunkExtension),
        ("5;a;;b\r\n", ChunkExtension),
        ("5;a=\"b\r\n", ChunkExtension),
        ("5;a=\"b\"c\r\n", ChunkExtension),
        ("5;a=\"\\\r\n", ChunkExtension),
        ("5;[]\r\n", ChunkExtension),
        ("5;a\nhello\r\n", ChunkExtension),
        ("5;a\rhello\r\n", ChunkSize),
        ("5;a\0\r\n", ChunkExtension),
        ("5;a=\"\n\"\r\n", ChunkExtension),
        ("5;a=\"\r\n\"\r\n", ChunkExtension),
        ("5\r\nhello0\r\n\r\n", ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", ChunkEnd),
        ("5\r\nhello!\n0\r\n\r\n", ChunkEnd),
        ("5\r\nhello\r0\r\n\r\n", ChunkEnd),
        ("5\r\nhello!!0\r\n\r\n", ChunkEnd),
        ("0\r\nA : b\r\n\r\n", Trailer),
        ("0\r\nA\r\n\r\n", Trailer),
        ("0\r\n: b\r\n\r\n", Trailer),
        ("0\r\n A: b\r\n\r\n", Trailer),
        ("0\r\nA: b\r\n c\r\n\r\n", Trailer),
        ("0\r\nA: b\n\r\n", Trailer),
        ("0\r\nA: b\rc\r\n\r\n", Trailer),
        ("0\r\nA: \0\r\n\r\n", Trailer),
        ("0\r\n\n", Trailer),
        ("0\r\n\rX", Trailer),
        ("0\r\nGET / HTTP/1.1\r\n", Trailer),
        ("0\r\nHost: evil\r\n\r\n", TrailerForbidden),
        ("0\r\ncontent-LENGTH: 5\r\n\r\n", TrailerForbidden),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", TrailerForbidden),
        ("0\r\nX: y\r\nAuthorization: x\r\n\r\n", TrailerForbidden),
        ("0\r\nProxy-Authorization: x\r\n\r\n", TrailerForbidden),
    ] {
        let outcome = outcome(format!("{CHUNKED}{coded}").as_bytes());
        assert_eq!(outcome.error, Some(error), "{coded:?}");
        assert!(matches!(outcome.events[..], [Event::Head(_)]), "{coded:?}");
        assert_eq!(error.status(), if error == BodyTooLarge { 413 } else { 400 });
    }
}

#[test]
fn extensions_trailers_and_tiny_chunks_share_one_budget() {
    for (coded, fits) in [
        (format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(50)), true),
        (format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(60)), false),
        (format!("0\r\nA: {}\r\n\r\n", "b".repeat(40)), true),
        (format!("0\r\nA: {}\r\n\r\n", "b".repeat(60)), false),
        (format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(13)), true),
        (format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(14)), false),
        (format!("{}0\r\n\r\n", "8\r\nabcdefgh\r\n".repeat(8)), true),
        (format!("{}0\r\n\r\n", "5;aaaaaaaaaa\r\nhello\r\n".repeat(6)), false),
    ] {
        let error = outcome(format!("{CHUNKED}{coded}").as_bytes()).error;
        assert_eq!(error, (!fits).then_some(HttpError::ChunkOverhead), "{coded:?}");
    }
}

#[test]
fn a_request_after_a_chunked_one_is_its_own() {
    let bytes = format!("{CHUNKED}0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    let outcome = outcome(bytes.as_bytes());
    assert_eq!((outcome.events.len(), outcome.error), (4, None));
    assert!(matches!(&outcome.events[2], Event::Head(head) if head.starts_with("GET /next ")));
}

#[test]
fn a_large_announced_body_costs_nothing_until_it_comes() {
    let (mut decoder, mut input, limits) =
        (RequestDecoder::new(), Buffer::new(), HttpLimits::default());
    input.extend(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10485760\r\n\r\nx");
    assert!(matches!(decoder.decode(&mut input, &limits), Ok(Decoded::Head(_))));
    assert!(matches!(decoder.decode(&mut input, &limits), Ok(Decoded::NeedMore)));
    let super::super::State::Body(super::super::BodyDecoder::Length { body, .. }) = &decoder.state
    else {
        panic!("no body is under way");
    };
    assert!(body.capacity() < 64);
}

#[test]
fn the_memory_of_a_body_never_exceeds_its_length() {
    let size = 100_000;
    let mut bytes =
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    bytes.extend(vec![b'x'; size]);
    let (mut decoder, mut input) = (RequestDecoder::new(), Buffer::new());
    for part in bytes.chunks(4096) {
        input.extend(part);
        loop {
            match decoder.decode(&mut input, &HttpLimits::default()).unwrap() {
                Decoded::NeedMore => break,
                Decoded::Head(_) => {}
                Decoded::Body(body) => {
                    assert_eq!((body.len(), body.capacity()), (size, size));
                    return;
                }
            }
        }
    }
    panic!("the body never came");
}

#[test]
fn idle_means_no_byte_of_a_request() {
    let waiting = |bytes: &str| feed([bytes.as_bytes()], &limits()).waiting;
    assert!(!waiting(""));
    assert!(!waiting("\r\n"));
    assert!(waiting("\r"));
    assert!(waiting("G"));
    assert!(waiting("\r\nG"));
    assert!(!waiting("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
}
