//! The HTTP/1.1 request decoder: cuts of the stream make no difference, and no bound is passed.

use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::http1::response::{push_chunk, push_last_chunk};
use erlmcp::proto::http1::{Decoded, HttpError, HttpLimits, RequestDecoder};

const LIMITS: HttpLimits = HttpLimits {
    head_bytes: 1024,
    target_bytes: 256,
    headers: 16,
    body_bytes: 2048,
    chunk_overhead_bytes: 256,
};

/// What one stream of bytes came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    requests: Vec<(String, String, Vec<u8>)>,
    error: Option<HttpError>,
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut outcome = Outcome { requests: Vec::new(), error: None };
    let mut decoder = RequestDecoder::new();
    let mut input = Buffer::new();
    let mut head = None;
    for piece in pieces {
        input.extend(piece);
        loop {
            match decoder.decode(&mut input, &LIMITS) {
                Ok(Decoded::NeedMore) => break,
                Ok(Decoded::Head(found)) => {
                    assert!(found.target().len() <= LIMITS.target_bytes);
                    assert!(found.headers().count() <= LIMITS.headers);
                    assert!(
                        !(found.is_chunked() && found.content_length().is_some()),
                        "a body has two lengths"
                    );
                    head = Some((found.method().to_owned(), found.target().to_owned()));
                }
                Ok(Decoded::Body(body)) => {
                    assert!(body.len() <= LIMITS.body_bytes);
                    let (method, target) = head.take().expect("a head before its body");
                    outcome.requests.push((method, target, body));
                }
                Err(error) => {
                    assert!((400..=599).contains(&error.status()));
                    let again = decoder.decode(&mut input, &LIMITS);
                    assert_eq!(again.err(), Some(error), "the first error is the last word");
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// The whole stream at once, and byte by byte, must mean the same.
fn decode_every_way(stream: &[u8]) -> Outcome {
    let whole = decode(std::iter::once(stream));
    assert_eq!(whole, decode(stream.chunks(1)), "byte by byte it means something else");
    assert_eq!(whole, decode(stream.chunks(7)), "in sevens it means something else");
    whole
}

/// A connection's bytes.
pub fn requests(data: &[u8]) {
    decode_every_way(data);
}

/// A chunked body: first the data as framing, then the data as content.
pub fn chunked(data: &[u8]) {
    let head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    decode_every_way(&[head, data].concat());

    let content = data.get(..LIMITS.body_bytes).unwrap_or(data);
    let mut stream = head.to_vec();
    for chunk in content.chunks(300).filter(|chunk| !chunk.is_empty()) {
        push_chunk(&mut stream, chunk);
    }
    push_last_chunk(&mut stream);
    let outcome = decode_every_way(&stream);
    assert_eq!(outcome.error, None, "our own framing is refused");
    assert_eq!(outcome.requests.first().map(|(_, _, body)| body.as_slice()), Some(content));
}
