//! `requestState` (2026-07-28, multi round-trip requests): what a call must remember until its
//! client comes back, encrypted and bound to who called what until when. No state is kept for it,
//! so it is no single-use token: whoever may make the call may come back twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::base::ids::{NoRandomness, random};

/// Bytes of the expiry in front of the payload: seconds since 1970.
const EXPIRY: usize = 8;
/// Longest `requestState` that is made or looked at, in characters.
pub const LONGEST: usize = 256 * 1024;

/// What a `requestState` is good for: the caller, the method, the digest of what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The key of the principal.
    pub principal: String,
    /// The method.
    pub method: &'static str,
    /// The digest of the name and the arguments.
    pub digest: String,
}

impl Binding {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [&self.principal, self.method, &self.digest] {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Why a `requestState` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadState {
    /// Not made by this process for this caller and this request, or changed since.
    Foreign,
    /// Too old.
    Expired,
}

/// Why none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// No random bytes.
    NoRandomness,
    /// More than [`LONGEST`] characters.
    TooLong,
}

/// Seals and opens with a key that lives as long as the process.
#[derive(Debug)]
pub struct RequestStates(LessSafeKey);

impl RequestStates {
    /// A fresh key.
    pub fn new() -> Result<Self, NoRandomness> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &random::<32>()?);
        Ok(Self(LessSafeKey::new(key.map_err(|_| NoRandomness)?)))
    }

    /// A `requestState` that holds `payload` until `expires`, in seconds since 1970.
    ///
    /// The nonce is random: 2^32 states of one process would be too many, and none lives so long.
    pub fn seal(
        &self,
        binding: &Binding,
        payload: &[u8],
        expires: u64,
    ) -> Result<String, SealError> {
        let nonce: [u8; NONCE_LEN] = random().map_err(|_| SealError::NoRandomness)?;
        let mut sealed = expires.to_be_bytes().to_vec();
        sealed.extend_from_slice(payload);
        let (nonce, kept) = (Nonce::assume_unique_for_key(nonce), nonce);
        self.0
            .seal_in_place_append_tag(nonce, Aad::from(binding.bytes()), &mut sealed)
            .map_err(|_| SealError::TooLong)?;
        let text = URL_SAFE_NO_PAD.encode([&kept[..], &sealed].concat());
        if text.len() > LONGEST { Err(SealError::TooLong) } else { Ok(text) }
    }

    /// The payload of a `requestState` that was made for `binding` and has not expired by `now`.
    pub fn open(&self, binding: &Binding, text: &str, now: u64) -> Result<Vec<u8>, BadState> {
        if text.len() > LONGEST {
            return Err(BadState::Foreign);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadState::Foreign)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(BadState::Foreign)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BadState::Foreign)?;
        let opened = self.0.open_in_place(nonce, Aad::from(binding.bytes()), sealed);
        let opened = opened.map_err(|_| BadState::Foreign)?;
        let (expiry, payload) = opened.split_first_chunk::<EXPIRY>().ok_or(BadState::Foreign)?;
        if u64::from_be_bytes(*expiry) < now {
            return Err(BadState::Expired);
        }
        Ok(payload.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding { principal: "api_key:agnes".into(), method: "tools/call", digest: "d".into() }
    }

    #[test]
    fn it_opens_only_for_the_same_caller_and_request_and_only_in_time() {
        let states = RequestStates::new().unwrap();
        let text = states.seal(&binding(), b"payload", 100).unwrap();
        assert_eq!(states.open(&binding(), &text, 100), Ok(b"payload".to_vec()));
        assert_eq!(states.open(&binding(), &text, 101), Err(BadState::Expired));
        for other in [
            Binding { principal: "api_key:joe".into(), ..binding() },
            Binding { method: "prompts/get", ..binding() },
            Binding { digest: "e".into(), ..binding() },
        ] {
            assert_eq!(states.open(&other, &text, 0), Err(BadState::Foreign));
        }
        let restarted = RequestStates::new().unwrap();
        assert_eq!(restarted.open(&binding(), &text, 0), Err(BadState::Foreign));
    }

    #[test]
    fn it_shows_nothing_and_bears_no_touch() {
        let states = RequestStates::new().unwrap();
        let text = states.seal(&binding(), b"secret", 100).unwrap();
        assert_ne!(text, states.seal(&binding(), b"secret", 100).unwrap(), "never the same twice");
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            let touched = URL_SAFE_NO_PAD.encode(touched);
            assert_eq!(states.open(&binding(), &touched, 0), Err(BadState::Foreign), "byte {at}");
        }
        for bad in ["", "AAAA", "%%%%", &format!("{text}-TAMPERED"), &"A".repeat(LONGEST + 1)] {
            assert_eq!(states.open(&binding(), bad, 0), Err(BadState::Foreign));
        }
        assert_eq!(states.seal(&binding(), &vec![0; LONGEST], 0), Err(SealError::TooLong));
    }
}
