//! Writes server-sent events (WHATWG HTML, section 9.2). It must never let a payload or an id start
//! a line of its own.

use crate::proto::http1::response::push_decimal;

/// Appends one message event. `data` may hold line breaks: each line becomes a `data` field, which
/// the receiver joins with LF. An `id` that holds CR, LF or NUL has no spelling and is left out.
pub fn message(out: &mut Vec<u8>, id: Option<&str>, data: &[u8]) {
    out.reserve(data.len().saturating_add(64));
    out.extend_from_slice(b"event: message\n");
    if let Some(id) = id {
        push_id(out, id);
    }
    push_data(out, data);
    out.push(b'\n');
}

/// Appends the event that opens a resumable stream: an id and empty data, so that a client which
/// loses the stream before the first message can still resume (MCP 2025-11-25, Streamable HTTP).
pub fn priming(out: &mut Vec<u8>, id: &str) {
    push_id(out, id);
    out.extend_from_slice(b"data:\n\n");
}

/// Appends the event that names where messages are posted to (MCP 2024-11-05, HTTP with SSE).
pub fn endpoint(out: &mut Vec<u8>, path: &str) {
    out.extend_from_slice(b"event: endpoint\n");
    push_data(out, path.as_bytes());
    out.push(b'\n');
}

/// Appends the time in milliseconds that the client is to wait before it reconnects.
pub fn retry(out: &mut Vec<u8>, milliseconds: u64) {
    out.extend_from_slice(b"retry: ");
    push_decimal(out, milliseconds);
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, which receivers ignore and which keeps idle intermediaries from closing.
pub fn keep_alive(out: &mut Vec<u8>) {
    out.extend_from_slice(b":\n\n");
}

fn push_id(out: &mut Vec<u8>, id: &str) {
    if !id.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
}

fn push_data(out: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let (line, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
        rest = match after {
            [b'\r', b'\n', next @ ..] | [_, next @ ..] => next,
            [] => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_names_its_event_and_carries_id_and_data() {
        let text = written(|out| message(out, Some("7-1"), b"{\"a\":1}"));
        assert_eq!(text, "event: message\nid: 7-1\ndata: {\"a\":1}\n\n");
        assert_eq!(written(|out| message(out, None, b"{}")), "event: message\ndata: {}\n\n");
    }

    #[test]
    fn every_kind_of_line_break_in_data_starts_a_data_field() {
        for (data, lines) in [
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("\n\nid: x", "data: \ndata: \ndata: id: x\n"),
            ("a\n", "data: a\ndata: \n"),
            ("", "data: \n"),
        ] {
            let text = written(|out| message(out, None, data.as_bytes()));
            assert_eq!(text, format!("event: message\n{lines}\n"), "{data:?}");
        }
    }

    #[test]
    fn an_id_that_would_break_the_line_is_left_out() {
        for id in ["a\nb", "a\r", "\0"] {
            let text = written(|out| message(out, Some(id), b"x"));
            assert_eq!(text, "event: message\ndata: x\n\n", "{id:?}");
        }
    }

    #[test]
    fn priming_retry_and_keep_alive_have_their_exact_form() {
        assert_eq!(written(|out| priming(out, "9")), "id: 9\ndata:\n\n");
        assert_eq!(written(|out| endpoint(out, "/sse/1")), "event: endpoint\ndata: /sse/1\n\n");
        assert_eq!(written(|out| retry(out, 2500)), "retry: 2500\n\n");
        assert_eq!(written(keep_alive), ":\n\n");
    }
}
