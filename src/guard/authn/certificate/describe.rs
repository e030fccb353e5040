//! A certificate told to a person (RFC 5280): what `x509.rs` reads, and the rest of what decides
//! whether it is good for something. No request is decided by it.

use super::{NameKind, ParsedCertificate, sha256};
use crate::guard::authn::der::Der;

/// What can be told of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// Whose it is, in the order of its parts: `CN=…, O=…`.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// The names of its subject, each with its kind.
    pub names: Vec<(NameKind, String)>,
    /// What it is for, if it says so.
    pub purposes: Option<Vec<String>>,
    /// True if it may sign others.
    pub is_authority: bool,
    /// The kind of its key.
    pub key: String,
    /// SHA-256 over all of it.
    pub sha256: [u8; 32],
    /// What the server reads in it.
    pub parsed: ParsedCertificate,
}

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// Attributes of names (RFC 4519 section 2), by the last two bytes behind 2.5.
const ATTRIBUTES: [(&[u8], &str); 8] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
];

const PURPOSES: [(&[u8], &str); 4] = [
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01], "serverAuth"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02], "clientAuth"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03], "codeSigning"),
    (&[0x55, 0x1d, 0x25, 0x00], "any"),
];

const KEYS: [(&[u8], &str); 6] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "RSA"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "EC P-256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "EC P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "EC P-521"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "EC"),
];

/// Describes a certificate in DER; `None` if it is none.
pub fn describe(der: &[u8]) -> Option<Description> {
    let parsed = ParsedCertificate::parse(der)?;
    let mut body = Der::new(der).sequence()?.sequence()?;
    let (_version, _serial, _algorithm) = (body.tagged(0xa0)?, body.integer()?, body.sequence()?);
    let issuer = distinguished_name(body.sequence()?)?;
    let _validity = body.sequence()?;
    let subject = distinguished_name(body.sequence()?)?;
    let key = key(body.sequence()?)?;
    let (mut purposes, mut is_authority) = (None, false);
    while let Some((tag, value)) = body.any() {
        let mut extensions = if tag == 0xa3 { Der::new(value).sequence()? } else { continue };
        while let Some(mut extension) = extensions.sequence() {
            let id = extension.oid()?;
            let _critical = extension.tagged(0x01);
            let mut content = Der::new(extension.octets()?).sequence();
            match (id, &mut content) {
                (BASIC_CONSTRAINTS, Some(content)) => {
                    is_authority = content.tagged(0x01) == Some(&[0xff]);
                }
                (EXTENDED_KEY_USAGE, Some(content)) => {
                    let named = |id| name_of(&PURPOSES, id);
                    purposes = Some(std::iter::from_fn(|| content.oid()).map(named).collect());
                }
                _ => {}
            }
        }
    }
    let sha256 = sha256(der);
    let names = parsed.names().to_vec();
    Some(Description { subject, issuer, names, purposes, is_authority, key, sha256, parsed })
}

/// A name with its parts in their order (RFC 4514, but not turned around).
fn distinguished_name(mut name: Der<'_>) -> Option<String> {
    let mut parts = Vec::new();
    while let Some(set) = name.tagged(0x31) {
        let mut set = Der::new(set);
        while let Some(mut attribute) = set.sequence() {
            let id = attribute.oid()?;
            let (_, value) = attribute.any()?;
            let value = String::from_utf8_lossy(value);
            parts.push(format!("{}={value}", name_of(&ATTRIBUTES, id)));
        }
    }
    Some(parts.join(", "))
}

fn key(mut info: Der<'_>) -> Option<String> {
    let mut algorithm = info.sequence()?;
    let id = algorithm.oid()?;
    let name = name_of(&KEYS, algorithm.oid().unwrap_or(id));
    let modulus = info.bit_string().and_then(|bits| Der::new(bits).sequence()?.unsigned());
    match modulus.filter(|_| name == "RSA") {
        Some(modulus) => Some(format!("RSA, {} bits", 8 * modulus.len())),
        None => Some(name),
    }
}

fn name_of(table: &[(&[u8], &str)], id: &[u8]) -> String {
    let known = table.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| dotted(id), |(_, name)| (*name).to_owned())
}

/// An object identifier with dots between its numbers.
fn dotted(id: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in id {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - 40 * first]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_without_a_name_is_told_by_its_numbers() {
        assert_eq!(name_of(&PURPOSES, &[0x55, 0x1d, 0x25, 0x00]), "any");
        assert_eq!(dotted(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37]), "1.3.6.1.4.1.311");
        assert_eq!(dotted(&[0x88, 0x37, 0x03]), "2.999.3");
        assert_eq!(dotted(&[]), "");
        assert_eq!(dotted(&[0xff; 40]), "");
    }
}
