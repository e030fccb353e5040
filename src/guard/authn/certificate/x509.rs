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
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let mut names = common_names(body.sequence()?)?;
        let _key = body.sequence()?;
        while let Some((tag, value)) = body.any() {
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
            let (_, value) = attribute.any()?;
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
    while let Some((tag, value)) = all.any() {
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
