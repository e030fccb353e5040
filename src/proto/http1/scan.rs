//! Finds the end of a request head and judges its line structure on the way. It must never look at
//! a byte twice, nor past the limits.

use super::request_line::{METHOD_BYTES, RequestLine};
use super::{HttpError, HttpLimits};
use crate::proto::buffer::Buffer;

/// The longest rest of a request line beside method and target: two spaces, version and CRLF.
const REQUEST_LINE_REST: usize = 2 + 8 + 2;

/// How far a head has been looked at. Between calls the input must only grow at its end.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    /// Bytes known to be in order; a CR that still waits for its LF is not among them.
    position: usize,
    line_start: usize,
    line: Option<RequestLine>,
    empty_line_seen: bool,
    begun: bool,
}

/// A head that is complete.
#[derive(Debug)]
pub(super) struct Found {
    /// The length of the head, with the empty line that ends it.
    pub(super) head_bytes: usize,
    pub(super) line: RequestLine,
}

impl HeadScan {
    pub(super) const fn is_idle(&self) -> bool {
        !self.begun
    }

    /// Looks at the bytes that came since the last call; `Some` once the head is complete.
    pub(super) fn advance(
        &mut self,
        input: &mut Buffer,
        limits: &HttpLimits,
    ) -> Result<Option<Found>, HttpError> {
        self.skip_empty_line(input)?;
        self.begun = !input.is_empty();
        loop {
            // The window makes the outcome depend on the bytes alone, not on how they were cut.
            let window = self.window(limits);
            let bytes = input.bytes();
            let full = bytes.len() >= window;
            let bytes = bytes.get(..window).unwrap_or(bytes);
            let rest = bytes.get(self.position..).unwrap_or_default();
            let (clean, found) = rest.split_at_checked(control(rest)).unwrap_or_default();
            self.position = self.position.saturating_add(clean.len());
            match found {
                [b'\r', b'\n', ..] => {
                    let line = bytes.get(self.line_start..self.position).unwrap_or_default();
                    self.position = self.position.saturating_add(2);
                    if let Some(line) = self.end_line(line, limits)? {
                        return Ok(Some(Found { head_bytes: self.position, line }));
                    }
                    self.line_start = self.position;
                }
                [] | [b'\r'] if full && self.line.is_none() => {
                    return Err(HttpError::TargetTooLong);
                }
                [] | [b'\r'] if full => return Err(HttpError::HeadTooLarge),
                [] | [b'\r'] => return Ok(None),
                [b'\r', ..] => return Err(HttpError::BareCr),
                [b'\n', ..] => return Err(HttpError::BareLf),
                _ => return Err(HttpError::ControlCharacter),
            }
        }
    }

    /// RFC 9112, section 2.2: an empty line before a request line is ignored. One, and no more.
    fn skip_empty_line(&mut self, input: &mut Buffer) -> Result<(), HttpError> {
        while self.position == 0 && input.bytes().starts_with(b"\r\n") {
            if self.empty_line_seen {
                return Err(HttpError::EmptyLines);
            }
            self.empty_line_seen = true;
            input.consume(2);
        }
        Ok(())
    }

    fn window(&self, limits: &HttpLimits) -> usize {
        if self.line.is_some() {
            return limits.head_bytes;
        }
        let line = limits.target_bytes.saturating_add(METHOD_BYTES + REQUEST_LINE_REST);
        line.min(limits.head_bytes)
    }

    /// Judges one line; gives the request line back when the head ends here.
    fn end_line(
        &mut self,
        line: &[u8],
        limits: &HttpLimits,
    ) -> Result<Option<RequestLine>, HttpError> {
        match line {
            _ if self.line.is_none() => {
                self.line = Some(RequestLine::parse(line, limits)?);
                Ok(None)
            }
            [] => Ok(self.line.take()),
            [b' ' | b'\t', ..] => Err(HttpError::Folding),
            _ => Ok(None),
        }
    }
}

/// The offset of the first control character other than a tab, or the length.
fn control(bytes: &[u8]) -> usize {
    let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    let (words, _) = bytes.as_chunks::<8>();
    let clean = words.iter().take_while(|word| !may_hold_control(**word)).count();
    let start = clean.saturating_mul(8);
    let rest = bytes.get(start..).unwrap_or_default();
    rest.iter().position(is_control).map_or(bytes.len(), |offset| start.saturating_add(offset))
}

/// Whether any of eight bytes is below space (tabs too) or DEL, all eight at once: subtracting a
/// number sets the highest bit of the first byte smaller than it. A borrow may then mark later
/// bytes wrongly, which leaves the answer for the whole word right.
const fn may_hold_control(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_ne_bytes(bytes);
    let below_space = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
    let without_del = word ^ ONES.wrapping_mul(0x7f);
    let is_del = without_del.wrapping_sub(ONES) & !without_del;
    (below_space | is_del) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_looked_at_twice() {
        let (mut scan, mut input) = (HeadScan::default(), Buffer::new());
        for (count, byte) in b"GET / HTTP/1.1\r\nHost: example.com".iter().enumerate() {
            input.extend(&[*byte]);
            assert!(scan.advance(&mut input, &HttpLimits::default()).unwrap().is_none());
            let waits = usize::from(*byte == b'\r');
            assert_eq!(scan.position, count + 1 - waits);
        }
    }

    #[test]
    fn control_characters_are_found_at_every_offset() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[at] = byte;
                let is_control = byte != b'\t' && byte.is_ascii_control();
                assert_eq!(control(&bytes), if is_control { at } else { 20 }, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn a_connection_at_rest_costs_little() {
        assert!(size_of::<super::super::RequestDecoder>() <= 256);
    }
}
