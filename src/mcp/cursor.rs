//! Cursors of paged lists: where the last page ended, sealed so that a cursor is good only for the
//! caller and the list that it was made for. No state is kept for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::base::ids::{NoRandomness, random};

/// Bytes of the seal at the front of a cursor.
const SEAL: usize = 16;
/// Longest cursor that is looked at, in characters.
const LONGEST: usize = 4_096;

/// Makes and opens cursors with a key that lives as long as the process.
#[derive(Debug)]
pub struct Cursors(hmac::Key);

/// The cursor was not made by this process for this caller and this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl Cursors {
    /// A fresh key.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?)))
    }

    /// A cursor behind `last`, the key of the last item of a page of `list`, for `caller`.
    pub fn seal(&self, caller: &str, list: &str, last: &str) -> String {
        let mut bytes = self.tag(caller, list, last).to_vec();
        bytes.extend_from_slice(last.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key of the last item that `caller` has seen of `list`.
    pub fn open(&self, caller: &str, list: &str, cursor: &str) -> Result<String, BadCursor> {
        if cursor.len() > LONGEST {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
        let (seal, last) = bytes.split_at_checked(SEAL).ok_or(BadCursor)?;
        let last = std::str::from_utf8(last).map_err(|_| BadCursor)?;
        let same = subtle::ConstantTimeEq::ct_eq(seal, &self.tag(caller, list, last)[..]);
        if bool::from(same) { Ok(last.to_owned()) } else { Err(BadCursor) }
    }

    fn tag(&self, caller: &str, list: &str, last: &str) -> [u8; SEAL] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [caller, list] {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(last.as_bytes());
        let mut seal = [0; SEAL];
        for (to, from) in seal.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_for_its_caller_and_its_list() {
        let cursors = Cursors::new().unwrap();
        let cursor = cursors.seal("alice", "tools", "echo");
        assert_eq!(cursors.open("alice", "tools", &cursor), Ok("echo".into()));
        assert_eq!(cursors.open("bob", "tools", &cursor), Err(BadCursor));
        assert_eq!(cursors.open("alice", "prompts", &cursor), Err(BadCursor));
        assert_eq!(Cursors::new().unwrap().open("alice", "tools", &cursor), Err(BadCursor));
    }

    #[test]
    fn a_cursor_that_was_touched_does_not_open() {
        let cursors = Cursors::new().unwrap();
        let good = cursors.seal("a", "l", "x");
        for bad in
            ["", "AAAA", "%%%%", good.get(1..).unwrap(), &format!("{good}A"), &"A".repeat(5_000)]
        {
            assert_eq!(cursors.open("a", "l", bad), Err(BadCursor), "{bad}");
        }
    }
}
