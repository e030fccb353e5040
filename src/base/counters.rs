//! The counters of the program. A counter only ever grows, and its set of names is fixed here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Every counter, shared by all threads; relaxed, for nothing is decided by their order.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: Counter,)+
        }

        impl Counters {
            /// All counters by name, in the order of their declaration.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.value()),)+]
            }
        }
    };
}

/// All counters that have moved: `connections_accepted=2 requests_finished=5`.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved = self.all().into_iter().filter(|(_, value)| *value > 0);
        for (index, (name, value)) in moved.enumerate() {
            write!(f, "{}{name}={value}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The present value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Credentials that were presented and refused.
    authentication_failures,
    /// Requests refused because an issuer could not be asked about their credentials.
    identity_provider_failures,
    /// Calls, lists or reads that the caller's roles do not allow.
    authorization_denials,
    /// Requests refused because a token bucket was empty or a lockout was in force.
    rate_limit_breaches,
    /// Messages refused for their form: framing, JSON, JSON-RPC, parameters, schema, paths.
    invalid_input_errors,
    /// TLS handshakes that failed or ran out of time.
    tls_handshake_failures,
    /// Connections accepted.
    connections_accepted,
    /// Connections refused because a cap was reached or descriptors ran out.
    connections_refused,
    /// Connections closed because a deadline for the peer passed.
    peer_timeouts,
    /// Requests that reached their end, with whatever answer.
    requests_finished,
    /// Requests that ended in an error of ours or of a backend.
    internal_errors,
    /// Audit records that could not be written or queued.
    audit_records_lost,
}
