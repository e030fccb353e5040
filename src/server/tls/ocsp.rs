//! What an authority has said of a certificate (RFC 6960 section 4.2), as far as it decides whether
//! clients are shown it. They verify the signature; it must never be taken for verified here.

use crate::guard::authn::der::Der;

/// A response of this kind is the only one there is: id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
const ENUMERATED: u8 = 0x0a;
const NONE: &str = "is no OCSP response in DER";

/// Until when a response in DER holds for the certificate of this serial number, in seconds since
/// 1970. One that does not say is never too old.
///
/// # Errors
/// It is no response, one about another certificate, or says anything but that this one is good.
pub(super) fn valid_until(response: &[u8], serial: &[u8]) -> Result<u64, Unusable> {
    let mut answers = answers(response).map_err(Unusable::Bad)?;
    while !answers.is_empty() {
        let one = answers.sequence().and_then(Single::read).ok_or(Unusable::Bad(NONE))?;
        if one.serial == serial {
            let bad = Unusable::Bad("does not say that it is good");
            return if one.is_good { Ok(one.until) } else { Err(bad) };
        }
    }
    Err(Unusable::Other("tells nothing of this certificate"))
}

/// Why a response is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is none, or an authority does not vouch.
    Bad(&'static str),
    /// It is about another certificate: the former one, as a rule.
    Other(&'static str),
}

impl Unusable {
    /// The reason.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Bad(what) | Self::Other(what) => what,
        }
    }
}

/// What is said of one certificate.
struct Single<'d> {
    serial: &'d [u8],
    is_good: bool,
    until: u64,
}

/// The sequence of what is said of each certificate.
fn answers(response: &[u8]) -> Result<Der<'_>, &'static str> {
    let mut whole = Der::new(response);
    let mut answer = whole.sequence().filter(|_| whole.is_empty()).ok_or(NONE)?;
    match answer.tagged(ENUMERATED) {
        Some([0]) => basic(answer).ok_or(NONE),
        Some(_) => Err("holds a refusal of the responder; fetch it again"),
        None => Err(NONE),
    }
}

fn basic(mut answer: Der<'_>) -> Option<Der<'_>> {
    let mut bytes = Der::new(answer.tagged(0xa0)?).sequence()?;
    if bytes.oid()? != BASIC {
        return None;
    }
    let mut basic = Der::new(bytes.octets()?).sequence()?;
    let mut data = basic.sequence()?;
    let _version = data.tagged(0xa0);
    let _responder = data.any()?;
    let _produced_at = data.time()?;
    data.sequence()
}

impl<'d> Single<'d> {
    fn read(mut single: Der<'d>) -> Option<Self> {
        let mut id = single.sequence()?;
        let (_algorithm, _name, _key) = (id.sequence()?, id.octets()?, id.octets()?);
        let serial = id.integer()?;
        let (status, _) = single.any()?;
        let _this_update = single.time()?;
        let until = match single.tagged(0xa0) {
            Some(next) => Der::new(next).time()?,
            None => u64::MAX,
        };
        Some(Self { serial, is_good: status == 0x80, until })
    }
}
