//! Percent-encoding (RFC 3986, section 2.1); decoded once and strictly.

/// Decodes percent-encoding; `None` where a `%` is not followed by two hexadecimal digits, or the
/// bytes are no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((first, tail)) = bytes.split_first() {
        let (byte, tail) = if *first == b'%' { escape_of(tail)? } else { (*first, tail) };
        decoded.push(byte);
        bytes = tail;
    }
    String::from_utf8(decoded).ok()
}

/// The byte that the two hexadecimal digits behind a `%` write, and what follows them.
pub fn escape_of(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, tail @ ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    Some((byte, tail))
}

/// Appends the path that `text` is: all of it is encoded but letters, digits, `-._~` and slashes.
pub fn encode_path(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte == b'/' || is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            encode(out, byte);
        }
    }
}

/// Appends `%` and the two digits of a byte.
pub fn encode(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        let digit = char::from_digit(u32::from(digit), 16).unwrap_or_default();
        out.push(digit.to_ascii_uppercase());
    }
}

/// True for what never has to be encoded (section 2.3).
pub fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_percent_encoding_is_refused() {
        assert_eq!(decode("/a%25b").as_deref(), Some("/a%b"));
        for text in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
