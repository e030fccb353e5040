//! As much of an X.509 certificate (RFC 5280 section 4.1) as says whose it is, from when, until
//! when and by whom.

use crate::guard::authn::der::Der;

/// Most names that are read.
const MOST_NAMES: usize = 64;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A kind of name that a certificate can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A URI among the subject alternative names, such as `spiffe://example.org/robot`.
    Uri,
    /// A DNS name among them.
    Dns,
    /// An e-mail address among them.
    Email,
    /// The common name of the subject.
    CommonName,
}

/// What is read in a certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct ParsedCertificate {
    /// The name of the authority, in DER, without its outermost tag.
    pub issuer: Vec<u8>,
    /// The serial number, as it is written.
    pub serial: Vec<u8>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    names: Vec<(NameKind, String)>,
}

impl ParsedCertificate {
    /// Reads a certificate; `None` if it has another form.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut whole = Der::new(der);
        let mut certificate = whole.sequence()?;
        let mut body = certificate.sequence()?;
        if !whole.is_empty() {
            return None;
        }
        let _version = body.tagged(0xa0)?;
        let serial = body.integer()?.to_vec();
        let _algorithm = body.sequence()?;
        let issuer = body.sequence()?.rest().to_vec();
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let mut names = common_names(body.sequence()?)?;
        let _key = body.sequence()?;
        while let Some((tag, value)) = body.next() {
            if tag == 0xa3 {
                let mut extensions = Der::new(value).sequence()?;
                while let Some(mut extension) = extensions.sequence() {
                    let is_about_names = extension.oid()? == SUBJECT_ALT_NAME;
                    let _critical = extension.tagged(0x01);
                    let content = extension.octets()?;
                    if is_about_names {
                        alternative_names(content, &mut names)?;
                    }
                }
            }
        }
        (names.len() <= MOST_NAMES).then_some(Self { issuer, serial, not_before, not_after, names })
    }

    /// All names, each with its kind.
    pub fn names(&self) -> &[(NameKind, String)] {
        &self.names
    }

    /// The names of a kind.
    pub fn names_of(&self, kind: NameKind) -> impl Iterator<Item = &str> {
        let names = self.names.iter();
        names.filter(move |(known, _)| *known == kind).map(|(_, name)| name.as_str())
    }
}

fn common_names(mut subject: Der<'_>) -> Option<Vec<(NameKind, String)>> {
    let mut names = Vec::new();
    while let Some(set) = subject.tagged(0x31) {
        let mut set = Der::new(set);
        while let Some(mut attribute) = set.sequence() {
            let is_common_name = attribute.oid()? == COMMON_NAME;
            let (_, value) = attribute.next()?;
            if is_common_name {
                // What is no UTF-8 is of an older kind, and no name that we take.
                let text = String::from_utf8(value.to_vec()).unwrap_or_default();
                names.push((NameKind::CommonName, text));
            }
        }
    }
    subject.is_empty().then_some(names)
}

fn alternative_names(content: &[u8], names: &mut Vec<(NameKind, String)>) -> Option<()> {
    let mut all = Der::new(content).sequence()?;
    while let Some((tag, value)) = all.next() {
        let kind = match tag {
            0x81 => NameKind::Email,
            0x82 => NameKind::Dns,
            0x86 => NameKind::Uri,
            _ => continue,
        };
        names.push((kind, String::from_utf8(value.to_vec()).unwrap_or_default()));
    }
    all.is_empty().then_some(())
}

/// A time (RFC 5280 section 4.1.2.5), in seconds since 1970. One before that is 0.
fn time(der: &mut Der<'_>) -> Option<u64> {
    let (tag, text) = der.next()?;
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
        time(&mut Der::new(&der))
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
