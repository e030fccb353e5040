//! What a command says on stderr: lines, progress and a tail; it must never hold more than bounds.

use std::collections::VecDeque;

/// The bytes of stderr that are kept for a report.
pub(super) const TAIL_BYTES: usize = 4096;
/// The longest line that is passed on; what is longer is cut.
const LINE_BYTES: usize = 4096;

/// One line a command wrote to stderr while it ran.
#[derive(Debug, Clone, PartialEq)]
pub enum StderrLine {
    /// `progress N [TOTAL] [message]`, for a command that reports progress.
    Progress {
        /// How much is done, in the command's own unit.
        progress: f64,
        /// How much there is to do, if the command knows.
        total: Option<f64>,
        /// What the command says about it.
        message: Option<String>,
    },
    /// Any other line, without its end, cut to 4 KiB; what is not UTF-8 is replaced.
    Text(String),
}

/// Cuts stderr into lines.
pub(super) struct StderrReader {
    progress: bool,
    /// Bytes that may still be passed on as lines; a flood beyond it only reaches the tail.
    allowance: usize,
    line: Vec<u8>,
    tail: VecDeque<u8>,
    cut: bool,
    first: Option<String>,
    marker: &'static str,
}

impl StderrReader {
    /// `allowance` bounds the bytes passed on as lines. A first line that starts with `marker` is
    /// kept for [`Self::launch_failure`] and not passed on.
    pub(super) fn new(progress: bool, allowance: usize, marker: &'static str) -> Self {
        Self {
            progress,
            allowance,
            line: Vec::new(),
            tail: VecDeque::new(),
            cut: false,
            first: None,
            marker,
        }
    }

    /// Takes the next bytes and passes on every line that became whole.
    pub(super) fn feed(&mut self, mut bytes: &[u8], on_line: &mut dyn FnMut(StderrLine)) {
        self.remember(bytes);
        while let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            let Some((head, rest)) = bytes.split_at_checked(at) else { return };
            self.extend_line(head);
            self.end_line(on_line);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend_line(bytes);
    }

    /// Passes on a last line that has no end.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(StderrLine)) {
        if !self.line.is_empty() {
            self.end_line(on_line);
        }
    }

    /// What the launcher said, if the first line is its failure line.
    pub(super) fn launch_failure(&self) -> Option<&str> {
        self.first.as_deref()?.strip_prefix(self.marker)
    }

    /// The last bytes, and whether there were more.
    pub(super) fn into_tail(self) -> (Vec<u8>, bool) {
        (self.tail.into(), self.cut)
    }

    fn remember(&mut self, bytes: &[u8]) {
        let kept = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
        let excess = (self.tail.len() + kept.len()).saturating_sub(TAIL_BYTES);
        self.cut |= excess > 0 || kept.len() < bytes.len();
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(kept);
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn end_line(&mut self, on_line: &mut dyn FnMut(StderrLine)) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let is_first = self.first.is_none();
        let is_failure = is_first && text.starts_with(self.marker);
        if is_first {
            self.first = Some(if is_failure { text.to_owned() } else { String::new() });
        }
        let cost = self.line.len() + 1;
        if !is_failure && cost <= self.allowance {
            self.allowance -= cost;
            let progress = if self.progress { parse_progress(text) } else { None };
            on_line(progress.unwrap_or_else(|| StderrLine::Text(text.to_owned())));
        }
        self.line.clear();
    }
}

fn parse_progress(line: &str) -> Option<StderrLine> {
    let rest = line.strip_prefix("progress ")?.trim_start();
    let (word, rest) = split_word(rest);
    let progress = parse_amount(word)?;
    let (word, after) = split_word(rest);
    let (total, message) = match parse_amount(word) {
        Some(total) => (Some(total), after),
        None => (None, rest),
    };
    let message = Some(message).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(StderrLine::Progress { progress, total, message })
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

fn parse_amount(word: &str) -> Option<f64> {
    word.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reader: &mut StderrReader, chunks: &[&[u8]]) -> Vec<StderrLine> {
        let mut lines = Vec::new();
        for chunk in chunks {
            reader.feed(chunk, &mut |line| lines.push(line));
        }
        reader.finish(&mut |line| lines.push(line));
        lines
    }

    fn text(text: &str) -> StderrLine {
        StderrLine::Text(text.to_owned())
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let whole: &[u8] = b"one\r\n\nprogress 1 2 half way\nlast";
        let expected = lines(&mut StderrReader::new(true, 1000, "!"), &[whole]);
        assert_eq!(expected.len(), 4);
        assert_eq!(expected[0], text("one"));
        for at in 0..=whole.len() {
            let (left, right) = whole.split_at(at);
            let split = lines(&mut StderrReader::new(true, 1000, "!"), &[left, right]);
            assert_eq!(split, expected, "split at {at}");
        }
    }

    #[test]
    fn progress_lines_are_read_only_where_they_are_expected() {
        let progress = |progress, total, message: Option<&str>| StderrLine::Progress {
            progress,
            total,
            message: message.map(str::to_owned),
        };
        for (line, expected) in [
            ("progress 1", progress(1.0, None, None)),
            ("progress 0.5 2", progress(0.5, Some(2.0), None)),
            ("progress 1 2 of them", progress(1.0, Some(2.0), Some("of them"))),
            ("progress 1 copying 2", progress(1.0, None, Some("copying 2"))),
            ("progress", text("progress")),
            ("progress x", text("progress x")),
            ("progress nan", text("progress nan")),
            ("progress inf", text("progress inf")),
            ("progress -1", text("progress -1")),
            ("progressive 1", text("progressive 1")),
        ] {
            let mut reader = StderrReader::new(true, 1000, "!");
            assert_eq!(lines(&mut reader, &[line.as_bytes()]), [expected]);
            let mut reader = StderrReader::new(false, 1000, "!");
            assert_eq!(lines(&mut reader, &[line.as_bytes()]), [text(line)]);
        }
    }

    #[test]
    fn a_flood_costs_bounded_memory_and_bounded_lines() {
        let mut reader = StderrReader::new(false, 100, "!");
        let mut passed = 0;
        for _ in 0..1000 {
            reader.feed(&[b'x'; 1000], &mut |_| passed += 1);
        }
        assert!(reader.line.capacity() <= 2 * LINE_BYTES);
        reader.feed(b"\n", &mut |_| passed += 1);
        for _ in 0..1000 {
            reader.feed(b"12345678\n", &mut |_| passed += 1);
        }
        assert_eq!(passed, 11, "100 bytes hold eleven lines of nine");
        let (tail, cut) = reader.into_tail();
        assert!(cut);
        assert_eq!(tail.len(), TAIL_BYTES);
        assert!(tail.ends_with(b"12345678\n12345678\n"));
    }

    #[test]
    fn a_tail_that_fits_is_whole() {
        let mut reader = StderrReader::new(false, 0, "!");
        reader.feed(&[b'x'; TAIL_BYTES], &mut |_| {});
        assert_eq!(reader.into_tail(), (vec![b'x'; TAIL_BYTES], false));
    }

    #[test]
    fn only_the_first_line_can_be_a_launch_failure() {
        let mut reader = StderrReader::new(false, 100, "cannot: ");
        assert_eq!(lines(&mut reader, &[b"cannot: go\nmore\n"]), [text("more")]);
        assert_eq!(reader.launch_failure(), Some("go"));
        let mut reader = StderrReader::new(false, 100, "cannot: ");
        assert_eq!(lines(&mut reader, &[b"\ncannot: go\n"]).len(), 2);
        assert_eq!(reader.launch_failure(), None);
    }
}
