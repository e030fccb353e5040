//! Newline-delimited JSON-RPC, as stdio and TCP carry it. It must never buffer a line longer than
//! its limit, nor lose step with the sender after one.

use crate::proto::buffer::Buffer;
use crate::proto::idscan::IdScanner;
use crate::proto::jsonrpc::Meant;

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// No complete line waits.
    NeedMore,
    /// One line, without its end. It is neither empty nor blank; nothing else is known of it.
    Message(Vec<u8>),
    /// A line over the limit went by, and was dropped as it came.
    TooLong(Meant),
}

/// Cuts a stream of bytes into lines. A line ends with LF; one CR before it is dropped.
#[derive(Debug, Default)]
pub struct LineDecoder {
    /// Bytes at the front of the input known to hold no LF.
    searched: usize,
    /// Present while a line over the limit streams past.
    discarding: Option<IdScanner>,
}

impl LineDecoder {
    /// A decoder at the start of a line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line of at most `max_bytes` (its end not counted) from the front of `input`.
    /// Blank lines are skipped. After `NeedMore`, `input` holds at most `max_bytes` and a CR.
    pub fn decode(&mut self, input: &mut Buffer, max_bytes: usize) -> Line {
        loop {
            let bytes = input.bytes();
            let fresh = bytes.get(self.searched..).unwrap_or_default();
            let Some(offset) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.searched = bytes.len();
                self.discard_over(input, max_bytes);
                return Line::NeedMore;
            };
            let end = self.searched.saturating_add(offset);
            let line = self.end_line(bytes.get(..end).unwrap_or_default(), max_bytes);
            input.consume(end.saturating_add(1));
            self.searched = 0;
            if line != Line::NeedMore {
                return line;
            }
        }
    }

    /// The last line, at the end of the stream, where the sender left out its LF; `NeedMore` if
    /// nothing is left. Call it when [`LineDecoder::decode`] has no more lines.
    pub fn finish(&mut self, input: &mut Buffer, max_bytes: usize) -> Line {
        let line = self.end_line(input.bytes(), max_bytes);
        input.consume(input.len());
        self.searched = 0;
        line
    }

    /// Whether no line has begun, given what is left of the input.
    #[must_use]
    pub fn is_idle(&self, input: &Buffer) -> bool {
        self.discarding.is_none() && input.is_empty()
    }

    /// Judges a line whose end was found; `NeedMore` stands for a blank one.
    fn end_line(&mut self, bytes: &[u8], max_bytes: usize) -> Line {
        let line = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if self.discarding.is_some() || line.len() > max_bytes {
            let mut scanner = self.discarding.take().unwrap_or_default();
            scanner.feed(bytes);
            return Line::TooLong(scanner.meant());
        }
        if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return Line::NeedMore;
        }
        Line::Message(line.to_vec())
    }

    /// Drops what is there of a line that is already over the limit, keeping only its scanner.
    fn discard_over(&mut self, input: &mut Buffer, max_bytes: usize) {
        let bytes = input.bytes();
        // A CR at the very end may yet turn out to belong to the line's end.
        let length = bytes.strip_suffix(b"\r").unwrap_or(bytes).len();
        if self.discarding.is_some() || length > max_bytes {
            self.discarding.get_or_insert_default().feed(bytes);
            input.consume(bytes.len());
            self.searched = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::jsonrpc::Id;

    const MAX: usize = 16;

    fn run(parts: &[&[u8]]) -> Vec<Line> {
        let (mut decoder, mut input, mut lines) = (LineDecoder::new(), Buffer::new(), Vec::new());
        for part in parts {
            input.extend(part);
            loop {
                match decoder.decode(&mut input, MAX) {
                    Line::NeedMore => break,
                    line => lines.push(line),
                }
            }
            assert!(input.len() <= MAX + 1, "a line over the limit was kept");
        }
        match decoder.finish(&mut input, MAX) {
            Line::NeedMore => {}
            line => lines.push(line),
        }
        assert!(decoder.is_idle(&input));
        lines
    }

    /// Feeds the stream whole, byte by byte and at every split; all must agree.
    fn lines(stream: &[u8]) -> Vec<Line> {
        let whole = run(&[stream]);
        assert_eq!(run(&stream.chunks(1).collect::<Vec<_>>()), whole);
        for at in 0..stream.len() {
            let (left, right) = stream.split_at(at);
            assert_eq!(run(&[left, right]), whole, "split at {at}");
        }
        whole
    }

    fn message(text: &str) -> Line {
        Line::Message(text.as_bytes().to_vec())
    }

    fn too_long(id: Option<&str>) -> Line {
        let id = id.map(|text| serde_json::from_str(text).unwrap());
        Line::TooLong(Meant::Request(id.as_ref().and_then(Id::of)))
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_blank_ones_are_skipped() {
        assert_eq!(
            lines(b"{\"a\":1}\n\n  \t\r\n{bad\r\n\r\r\n x \n"),
            [message("{\"a\":1}"), message("{bad"), message(" x ")]
        );
    }

    #[test]
    fn an_unterminated_last_line_is_delivered_at_the_end() {
        assert_eq!(lines(b"one\ntwo"), [message("one"), message("two")]);
        assert_eq!(lines(b"one\ntwo\r"), [message("one"), message("two")]);
        assert_eq!(lines(b"one\n  "), [message("one")]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_more_byte_does_not() {
        let full = "x".repeat(MAX);
        for end in ["\n", "\r\n", "", "\r"] {
            assert_eq!(lines(format!("{full}{end}").as_bytes()), [message(&full)], "{end:?}");
            assert_eq!(lines(format!("{full}y{end}").as_bytes()), [too_long(None)], "{end:?}");
        }
        assert_eq!(lines(format!("{full}\ry\nz\n").as_bytes()), [too_long(None), message("z")]);
    }

    #[test]
    fn a_line_over_the_limit_yields_its_id_and_the_next_line_is_read() {
        assert_eq!(
            lines(b"a\n{\"p\":{\"id\":5,\"x\":\"yyyyyyyyyyyyyyyyy\"},\"id\":\"q\"}\r\n{\"b\":2}\n"),
            [message("a"), too_long(Some("\"q\"")), message("{\"b\":2}")]
        );
        assert_eq!(lines(b"{\"x\":\"yyyyyyyyyy\",\"id\":8\r\n"), [too_long(Some("8"))]);
        assert_eq!(lines(b"{\"id\":77,\"x\":\"yyyyyyyyyyyyy\"}"), [too_long(Some("77"))]);
    }

    #[test]
    fn no_byte_is_looked_at_twice() {
        let (mut decoder, mut input) = (LineDecoder::new(), Buffer::new());
        for count in 1..=MAX {
            input.extend(b"x");
            assert_eq!(decoder.decode(&mut input, MAX), Line::NeedMore);
            assert_eq!(decoder.searched, count);
        }
    }

    #[test]
    fn a_blank_line_over_the_limit_is_too_long_however_it_is_cut() {
        assert_eq!(lines(&[b' '; MAX + 1]), [too_long(None)]);
    }

    #[test]
    fn a_hundred_megabytes_without_an_end_cost_no_memory() {
        let (mut decoder, mut input) = (LineDecoder::new(), Buffer::new());
        input.extend(b"{\"x\":\"");
        for _ in 0..1600 {
            input.extend(&[b'y'; 65_536]);
            assert_eq!(decoder.decode(&mut input, MAX), Line::NeedMore);
            assert!(input.is_empty());
        }
        assert!(input.capacity() < 200_000);
        input.extend(b"\",\"id\":3}\nnext\n");
        assert_eq!(decoder.decode(&mut input, MAX), too_long(Some("3")));
        assert_eq!(decoder.decode(&mut input, MAX), message("next"));
    }
}
