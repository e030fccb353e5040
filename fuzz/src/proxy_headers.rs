//! The PROXY protocol: no header is read before it is whole, and nothing behind it counts.

use erlmcp::proto::proxy_protocol::{MOST_BYTES, parse};

/// The beginning of a connection.
pub fn proxy_headers(data: &[u8]) {
    let whole = parse(data);
    let Ok(Some(header)) = whole else {
        let is_long = data.len() >= MOST_BYTES;
        assert!(whole.is_err() || !is_long, "more than the longest header is waited for");
        return;
    };
    assert!(header.length <= data.len() && header.length <= MOST_BYTES);
    let (own, behind) = data.split_at(header.length);
    for end in 0..own.len() {
        assert_eq!(parse(&own[..end]), Ok(None), "a part of it is taken for the whole");
    }
    assert_eq!(parse(own), whole, "what is behind it counts");
    assert_eq!(parse(&[own, b"GET", behind].concat()), whole);
}
