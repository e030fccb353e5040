//! As much of DER (X.690) as stands around a public key, in a certificate and in what is said of
//! one. It never reads past what it was given.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// These bytes, of which nothing has been read.
    pub fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub fn rest(self) -> &'d [u8] {
        self.0
    }

    /// True if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands in a sequence, if that is the next value.
    pub fn sequence(&mut self) -> Option<Self> {
        self.value(0x30).map(Self)
    }

    /// What stands in a context-specific tag, if that is the next one.
    pub fn tagged(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.value(tag)
    }

    /// The next value of whatever tag.
    pub fn any(&mut self) -> Option<(u8, &'d [u8])> {
        let tag = *self.0.first()?;
        self.value(tag).map(|value| (tag, value))
    }

    /// The bytes of a number as they are.
    pub fn integer(&mut self) -> Option<&'d [u8]> {
        self.value(0x02).filter(|bytes| !bytes.is_empty())
    }

    /// A string of bytes.
    pub fn octets(&mut self) -> Option<&'d [u8]> {
        self.value(0x04)
    }

    /// The bytes of an object identifier.
    pub fn oid(&mut self) -> Option<&'d [u8]> {
        self.value(0x06)
    }

    /// A string of whole bytes.
    pub fn bit_string(&mut self) -> Option<&'d [u8]> {
        self.value(0x03)?.strip_prefix(&[0])
    }

    /// The bytes of a positive number, without the one that only shows its sign.
    pub fn unsigned(&mut self) -> Option<&'d [u8]> {
        let bytes = self.value(0x02)?;
        match bytes {
            [0, rest @ ..] => Some(rest),
            [first, ..] if *first < 0x80 => Some(bytes),
            _ => None,
        }
    }

    /// A time (RFC 5280 section 4.1.2.5), in seconds since 1970. One before that is 0.
    pub fn time(&mut self) -> Option<u64> {
        let (tag, text) = self.any()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = match (tag, text.len()) {
            (0x17, 12) => {
                let (year, rest) = text.split_at_checked(2)?;
                let year: u64 = year.parse().ok()?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            (0x18, 14) => {
                let (year, rest) = text.split_at_checked(4)?;
                (year.parse().ok()?, rest)
            }
            _ => return None,
        };
        let part = |at: usize| -> Option<u64> { rest.get(at..at + 2)?.parse().ok() };
        let (month, day) = (part(0)?, part(2)?);
        let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_before(year, month, day)?;
        Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    fn value(&mut self, tag: u8) -> Option<&'d [u8]> {
        let rest = self.0.strip_prefix(&[tag])?;
        let (length, rest) = match rest {
            [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
            [0x81, length, rest @ ..] if *length >= 0x80 => (usize::from(*length), rest),
            [0x82, high, low, rest @ ..] if *high > 0 => {
                ((usize::from(*high) << 8) | usize::from(*low), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }
}

/// Days from 1970 to a date of the Gregorian calendar; 0 for dates before.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 {
        return Some(0);
    }
    // Counted in years that begin on the first of March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(tag: u8, text: &str) -> Option<u64> {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend_from_slice(text.as_bytes());
        Der::new(&der).time()
    }

    #[test]
    fn times_of_both_kinds_are_read() {
        for (tag, text, expected) in [
            (0x17, "700101000000Z", Some(0)),
            (0x17, "991231235959Z", Some(946_684_799)),
            (0x17, "000229120000Z", Some(951_825_600)),
            (0x17, "491231235959Z", Some(2_524_607_999)),
            (0x17, "500101000000Z", Some(0)),
            (0x18, "20500101000000Z", Some(2_524_608_000)),
            (0x18, "99991231235959Z", Some(253_402_300_799)),
            (0x17, "7001010000Z", None),
            (0x17, "700101000000+0100", None),
            (0x17, "701301000000Z", None),
            (0x17, "700101240000Z", None),
            (0x18, "2050010100000Z", None),
            (0x04, "700101000000Z", None),
        ] {
            assert_eq!(utc(tag, text), expected, "{text}");
        }
    }
}
