//! The PROXY protocol, versions 1 and 2: how a proxy in front of us says, before anything else,
//! whom a connection is from (`proxy-protocol.txt` of HAProxy). It must never decide whether it is
//! believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest header that is read, in bytes; the addresses take 232 of them at most, and the rest are
/// fields that are passed over.
pub const MOST_BYTES: usize = 4_096;
/// Longest header of version 1, in bytes, with its line break (section 2.1).
const MOST_BYTES_OF_TEXT: usize = 107;
/// What a header of version 2 begins with (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const TEXT: &[u8] = b"PROXY ";

/// A header that has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Whom the connection is from; `None` if the proxy speaks for itself or does not know.
    pub source: Option<IpAddr>,
    /// Its length in bytes.
    pub length: usize,
}

/// The bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoProxyHeader;

/// Reads the header at the front of these bytes; `None` if it is not whole yet.
///
/// # Errors
/// No header begins like this, or it is longer than it may be.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(byte, expected)| byte == expected);
    if begins(&SIGNATURE) {
        binary(bytes)
    } else if begins(TEXT) {
        text(bytes)
    } else {
        Err(NoProxyHeader)
    }
}

/// Version 1: a line of ASCII.
fn text(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let head = bytes.get(..MOST_BYTES_OF_TEXT).unwrap_or(bytes);
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        let is_full = bytes.len() >= MOST_BYTES_OF_TEXT;
        return if is_full { Err(NoProxyHeader) } else { Ok(None) };
    };
    let line = head.get(TEXT.len()..end).and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.ok_or(NoProxyHeader)?.split(' ');
    let source = match words.next() {
        Some("TCP4") => Some(addresses::<Ipv4Addr>(words)?.into()),
        Some("TCP6") => Some(addresses::<Ipv6Addr>(words)?.into()),
        // What follows it is not to be looked at.
        Some("UNKNOWN") => None,
        _ => return Err(NoProxyHeader),
    };
    Ok(Some(ProxyHeader { source: source.map(|it: IpAddr| it.to_canonical()), length: end + 2 }))
}

/// Two addresses and two ports, with one space between each; the first address.
fn addresses<'w, A: FromStr>(words: impl Iterator<Item = &'w str>) -> Result<A, NoProxyHeader> {
    let words: Vec<&str> = words.collect();
    let [source, destination, ports @ ..] = words.as_slice() else { return Err(NoProxyHeader) };
    let is_port = |port: &&str| {
        let is_canonical = *port == "0" || !port.starts_with(['0', '+']);
        is_canonical && port.parse::<u16>().is_ok()
    };
    let is_good = ports.len() == 2 && ports.iter().all(is_port);
    match (source.parse(), destination.parse::<A>()) {
        (Ok(source), Ok(_)) if is_good => Ok(source),
        _ => Err(NoProxyHeader),
    }
}

/// Version 2: a head of 16 bytes, addresses, and fields that are not looked at.
fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let Some([version, family, high, low, rest @ ..]) = bytes.get(SIGNATURE.len()..) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = SIGNATURE.len() + 4 + length;
    let is_known = matches!(version, 0x20 | 0x21) && whole <= MOST_BYTES;
    if !is_known {
        return Err(NoProxyHeader);
    }
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let source = match (version, family) {
        // LOCAL: the proxy itself asks whether we live.
        (0x20, _) => None,
        (_, 0x11) => Some(source::<4, 12, Ipv4Addr>(rest)?),
        (_, 0x21) => Some(source::<16, 36, Ipv6Addr>(rest)?),
        // Over a socket of its own host, or of a family that it does not say.
        (_, 0x00 | 0x31) => None,
        _ => return Err(NoProxyHeader),
    };
    Ok(Some(ProxyHeader { source: source.map(|it| it.to_canonical()), length: whole }))
}

/// The first of two addresses of `N` bytes, which take `ALL` bytes with their ports.
fn source<const N: usize, const ALL: usize, A>(block: &[u8]) -> Result<IpAddr, NoProxyHeader>
where
    A: From<[u8; N]> + Into<IpAddr>,
{
    let source = block.first_chunk::<N>().filter(|_| block.len() >= ALL).ok_or(NoProxyHeader)?;
    Ok(A::from(*source).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(version: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version, family], &length, block].concat()
    }

    fn good(header: &[u8], source: Option<&str>) {
        let stream = [header, b"GET / HTTP/1.1\r\n"].concat();
        let source = source.map(|source| source.parse().unwrap());
        let expected = ProxyHeader { source, length: header.len() };
        assert_eq!(parse(&stream), Ok(Some(expected)), "{}", header.escape_ascii());
        for end in 0..header.len() {
            assert_eq!(parse(&stream[..end]), Ok(None), "{} {end}", header.escape_ascii());
        }
    }

    #[test]
    fn headers_of_both_versions_are_read_and_only_whole() {
        good(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", Some("192.0.2.1"));
        good(b"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", Some("2001:db8::1"));
        good(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some("192.0.2.1"));
        good(b"PROXY UNKNOWN\r\n", None);
        good(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None);
        let four = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 4, 1, 0xbb];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        six[15] = 1;
        good(&v2(0x21, 0x11, &four), Some("192.0.2.1"));
        good(&v2(0x21, 0x21, &six), Some("2001:db8::1"));
        let fields = [&four[..], b"\x04\x00\x02xx"].concat();
        good(&v2(0x21, 0x11, &fields), Some("192.0.2.1"));
        good(&v2(0x20, 0x00, b""), None);
        good(&v2(0x20, 0x11, &four), None);
        good(&v2(0x21, 0x00, b"anything"), None);
        good(&v2(0x21, 0x31, &[0; 216]), None);
    }

    #[test]
    fn what_is_none_is_refused_as_soon_as_that_is_known() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat();
        for bytes in [
            &b"G"[..],
            b"\r\n\r\n\0\r\nQUIT\r",
            b"\x16\x03\x01",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
            b"PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 +5632 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
            b"PROXY TCP4 192.0.2.01 198.51.100.7 1 443\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 unknown 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY \xff\r\n",
            b"PROXY \r\n",
            b"proxy UNKNOWN\r\n",
            &long,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x12, &[0; 12]),
            &v2(0x21, 0x00, &[0; MOST_BYTES])[..16],
        ] {
            assert_eq!(parse(bytes), Err(NoProxyHeader), "{}", bytes.escape_ascii());
        }
    }
}
