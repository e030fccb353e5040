//! A request to another server and what came back, as plain data: who asks and who sends need not
//! know each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::secret::Secret;

/// A request to another server.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to: `https`, or `http` on this host.
    pub url: Arc<str>,
    /// The form that is posted; without one the request is a GET.
    pub form: Option<Secret>,
    /// The value of `Authorization`.
    pub authorization: Option<Secret>,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// The time for all of it, from the look-up of the name to the last byte.
    pub timeout: Duration,
    /// Most bytes of the answer's body.
    pub most_bytes: u64,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The HTTP status.
    pub status: u16,
    /// The seconds of `Cache-Control: max-age`.
    pub max_age: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer. For operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingError {
    /// Too many requests wait to be sent.
    Busy,
    /// It took too long.
    Timeout,
    /// The answer is too long.
    TooLarge,
    /// The server could not be reached, or does not speak HTTP over a TLS that is trusted.
    Failed(String),
    /// The answer is not what was asked for.
    Unusable(&'static str),
    /// The answer has another status than success.
    Status(u16),
}

impl fmt::Display for OutgoingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many requests wait to be sent"),
            Self::Timeout => f.write_str("it took too long"),
            Self::TooLarge => f.write_str("the answer is too long"),
            Self::Failed(why) => f.write_str(why),
            Self::Unusable(why) => f.write_str(why),
            Self::Status(status) => write!(f, "it answered with status {status}"),
        }
    }
}

/// The seconds of `max-age` in a `Cache-Control` (RFC 9111 section 5.2.2); zero where the answer
/// may not be kept.
pub fn max_age(cache_control: &str) -> Option<u64> {
    let mut seconds = None;
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(0),
            "max-age" => seconds = value.trim().trim_matches('"').parse().ok(),
            _ => {}
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_an_answer_may_be_kept_is_read() {
        for (text, expected) in [
            ("max-age=300", Some(300)),
            ("public, Max-Age=\"60\" , must-revalidate", Some(60)),
            ("max-age=300, no-store", Some(0)),
            ("max-age=-1", None),
            ("max-age=99999999999999999999", None),
            ("s-maxage=5", None),
            ("", None),
        ] {
            assert_eq!(max_age(text), expected, "{text}");
        }
    }
}
