//! A token taken apart for a person who wants to know why it is refused. Nothing of what it says is
//! verified, and no request is ever decided by it.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::token::LIMITS;
use crate::proto::json;

/// What a token says, as far as it can be read.
#[derive(Debug, PartialEq)]
pub struct Peeked {
    /// Its header.
    pub header: Option<Map<String, Value>>,
    /// Its claims.
    pub claims: Option<Map<String, Value>>,
}

/// Takes a token apart, more leniently than one is ever taken.
pub fn peek(text: &str) -> Peeked {
    let mut parts = text.split('.').map(object);
    Peeked { header: parts.next().flatten(), claims: parts.next().flatten() }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).or_else(|_| URL_SAFE.decode(part)).ok()?;
    match json::parse(&bytes, LIMITS) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_shown_however_wrong_the_rest_is() {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let (header, claims) = (part(r#"{"alg":"none"}"#), part(r#"{"sub":"a"}"#));
        let shown = |text: &str| {
            let Peeked { header, claims } = peek(text);
            let name = |object: Option<Map<String, Value>>, name: &str| {
                object.map(|object| object.get(name).and_then(Value::as_str).map(str::to_owned))
            };
            (name(header, "alg").flatten(), name(claims, "sub").flatten())
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(shown(&format!("{header}.{claims}.")), (text("none"), text("a")));
        assert_eq!(shown(&format!("{header}.x.y")), (text("none"), None));
        assert_eq!(shown(&format!("x.{claims}")), (None, text("a")));
        assert_eq!(shown(&part("[]")), (None, None));
        assert_eq!(shown(""), (None, None));
    }
}
