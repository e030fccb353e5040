//! What a thread lends to the connection that it runs: buffers, so that connections at rest have
//! none, and the date.

use crate::base::clock::{Utc, unix_seconds};

/// Bytes that one read takes at most: a TLS record and its header.
pub const READ_BYTES: usize = 17 * 1024;

/// One thread's buffers.
#[derive(Debug)]
pub struct Scratch {
    /// What a read puts its bytes into.
    pub received: Vec<u8>,
    /// What responses are written into before they are sent; empty between steps.
    pub response: Vec<u8>,
    date_second: u64,
    date: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            received: vec![0; READ_BYTES],
            response: Vec::with_capacity(READ_BYTES),
            date_second: 0,
            date: String::new(),
        }
    }
}

impl Scratch {
    /// The buffer that a response is written into, and the value of its `Date` header.
    pub fn response_and_date(&mut self) -> (&mut Vec<u8>, &str) {
        let now = unix_seconds();
        if now != self.date_second {
            self.date_second = now;
            self.date = http_date(now);
        }
        (&mut self.response, &self.date)
    }
}

/// IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(unix_seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let utc = Utc::from_unix(unix_seconds);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("")
    };
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, utc.weekday),
        utc.day,
        name(&MONTHS, utc.month - 1),
        utc.year,
        utc.hour,
        utc.minute,
        utc.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_written_as_the_rfc_writes_it() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
