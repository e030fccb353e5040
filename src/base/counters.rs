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

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The peer does not speak TLS.
    NotTls,
    /// No version, suite, group, signature or protocol is common to both.
    NothingInCommon,
    /// There is no certificate where one is required.
    NoCertificate,
    /// The certificate is by an authority that is not known.
    UnknownAuthority,
    /// The certificate is over, or not valid yet.
    Expired,
    /// The certificate was taken back.
    Revoked,
    /// The certificate is wrong in another way.
    BadCertificate,
    /// The peer gave up with an alert.
    RefusedByPeer,
    /// The peer broke the protocol.
    Malformed,
    /// The peer closed the connection.
    CutOff,
    /// It took too long.
    TimedOut,
}

impl Counters {
    /// Counts a handshake that failed.
    pub fn handshake_failed(&self, why: HandshakeFailure) {
        self.tls_handshake_failures.increment();
        match why {
            HandshakeFailure::NotTls => &self.tls_handshake_failures_not_tls,
            HandshakeFailure::NothingInCommon => &self.tls_handshake_failures_nothing_in_common,
            HandshakeFailure::NoCertificate => &self.tls_handshake_failures_no_certificate,
            HandshakeFailure::UnknownAuthority => &self.tls_handshake_failures_unknown_authority,
            HandshakeFailure::Expired => &self.tls_handshake_failures_expired,
            HandshakeFailure::Revoked => &self.tls_handshake_failures_revoked,
            HandshakeFailure::BadCertificate => &self.tls_handshake_failures_bad_certificate,
            HandshakeFailure::RefusedByPeer => &self.tls_handshake_failures_refused_by_peer,
            HandshakeFailure::Malformed => &self.tls_handshake_failures_malformed,
            HandshakeFailure::CutOff => &self.tls_handshake_failures_cut_off,
            HandshakeFailure::TimedOut => &self.tls_handshake_failures_timed_out,
        }
        .increment();
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
    /// TLS handshakes that failed or ran out of time; those below say why.
    tls_handshake_failures,
    /// Of these: the peer did not speak TLS.
    tls_handshake_failures_not_tls,
    /// The peer offered no version, suite, group, signature or protocol that we take.
    tls_handshake_failures_nothing_in_common,
    /// The peer showed no certificate where one is required.
    tls_handshake_failures_no_certificate,
    /// The peer's certificate is by an authority that we do not know.
    tls_handshake_failures_unknown_authority,
    /// It is over, or not valid yet.
    tls_handshake_failures_expired,
    /// It was taken back.
    tls_handshake_failures_revoked,
    /// It is wrong in another way.
    tls_handshake_failures_bad_certificate,
    /// The peer gave up with an alert; most often it does not trust our certificate.
    tls_handshake_failures_refused_by_peer,
    /// The peer broke the protocol.
    tls_handshake_failures_malformed,
    /// The peer closed the connection on the way.
    tls_handshake_failures_cut_off,
    /// The handshake took too long.
    tls_handshake_failures_timed_out,
    /// Connections from proxies that did not say whom they are from, or said it wrongly.
    proxy_protocol_failures,
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
