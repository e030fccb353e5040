//! Event ids and cursors that clients bring back: only ours are accepted.

use std::sync::LazyLock;

use erlmcp::mcp::cursor::Cursors;
use erlmcp::mcp::legacy::session::{event_id, parse_event_id};

static CURSORS: LazyLock<Cursors> = LazyLock::new(|| Cursors::new().expect("randomness"));

/// One token.
pub fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some((stream, sequence)) = parse_event_id(text) {
        assert_eq!(parse_event_id(&event_id(stream, sequence)), Some((stream, sequence)));
        assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    }
    assert!(CURSORS.open("caller", "tools", text).is_err(), "a forged cursor is accepted");
    let cursor = CURSORS.seal("caller", "tools", text);
    if cursor.len() <= 4_096 {
        assert_eq!(CURSORS.open("caller", "tools", &cursor).as_deref(), Ok(text));
    }
    assert!(CURSORS.open("another", "tools", &cursor).is_err());
    assert!(CURSORS.open("caller", "prompts", &cursor).is_err());
}
