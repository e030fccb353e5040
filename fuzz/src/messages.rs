//! Lines and the ids of lines that are too long: no cut makes a difference, no line passes its
//! bound, and the id that is found is the one that a full parser finds.

use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::idscan::IdScanner;
use erlmcp::proto::json::{self, JsonLimits};
use erlmcp::proto::jsonrpc::Meant;
use erlmcp::proto::lines::{Line, LineDecoder};
use serde_json::Value;

const LINE_BYTES: usize = 64;

fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Line> {
    let mut decoder = LineDecoder::new();
    let mut input = Buffer::new();
    let mut lines = Vec::new();
    let mut take = |line: Line| {
        if let Line::Message(bytes) = &line {
            assert!(bytes.len() <= LINE_BYTES && !bytes.contains(&b'\n'));
        }
        let more = line != Line::NeedMore;
        if more {
            lines.push(line);
        }
        more
    };
    for piece in pieces {
        input.extend(piece);
        while take(decoder.decode(&mut input, LINE_BYTES)) {}
        assert!(input.len() <= LINE_BYTES + 1, "an incomplete line is kept beyond its bound");
    }
    take(decoder.finish(&mut input, LINE_BYTES));
    lines
}

/// A stream of lines; and, taken as one message, its id.
pub fn lines(data: &[u8]) {
    let whole = cut(std::iter::once(data));
    assert_eq!(whole, cut(data.chunks(1)), "byte by byte the lines are others");
    assert_eq!(whole, cut(data.chunks(5)), "in fives the lines are others");

    let mut scanner = IdScanner::new();
    scanner.feed(data);
    let found = scanner.finish();
    if let Some(id) = &found {
        let id: Value = serde_json::from_str(id).expect("an id is JSON");
        assert!(id.is_string() || id.is_number());
    }
    let Ok(message) = json::parse(data, JsonLimits::default()) else { return };
    let id = message.as_object().and_then(|members| members.get("id"));
    if let (Some(found), Some(id)) = (&found, id) {
        assert_eq!(&serde_json::from_str::<Value>(found).expect("JSON"), id);
    }
    match id {
        // The scanner does not look through escapes in keys: such an id counts as none.
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            assert!(found.is_some() || data.contains(&b'\\'), "an id was overlooked");
        }
        None => assert_eq!(found, None, "an id where there is none"),
        _ => {}
    }
    let Some(members) = message.as_object().filter(|_| !data.contains(&b'\\')) else { return };
    let has = |key: &str| members.contains_key(key);
    let is_response = (has("result") || has("error")) && !has("method");
    let mut scanner = IdScanner::new();
    scanner.feed(data);
    assert_eq!(matches!(scanner.meant(), Meant::Response(_)), is_response, "taken for another");
}
