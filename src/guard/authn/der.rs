//! As much of DER (X.690) as stands around a public key and in a certificate. It never reads past
//! what it was given.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub(super) fn rest(self) -> &'d [u8] {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.value(0x30).map(Self)
    }

    /// What stands in a context-specific tag, if that is the next one.
    pub(super) fn tagged(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.value(tag)
    }

    /// The next value of whatever tag.
    pub(super) fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let tag = *self.0.first()?;
        self.value(tag).map(|value| (tag, value))
    }

    /// The bytes of a number as they are.
    pub(super) fn integer(&mut self) -> Option<&'d [u8]> {
        self.value(0x02).filter(|bytes| !bytes.is_empty())
    }

    pub(super) fn octets(&mut self) -> Option<&'d [u8]> {
        self.value(0x04)
    }

    pub(super) fn oid(&mut self) -> Option<&'d [u8]> {
        self.value(0x06)
    }

    /// A string of whole bytes.
    pub(super) fn bit_string(&mut self) -> Option<&'d [u8]> {
        self.value(0x03)?.strip_prefix(&[0])
    }

    /// The bytes of a positive number, without the one that only shows its sign.
    pub(super) fn unsigned(&mut self) -> Option<&'d [u8]> {
        let bytes = self.value(0x02)?;
        match bytes {
            [0, rest @ ..] => Some(rest),
            [first, ..] if *first < 0x80 => Some(bytes),
            _ => None,
        }
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
