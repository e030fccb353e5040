//! Requests to other servers, by `ureq` on threads that may block. Each has a time, and its answer
//! a size; no redirect is followed, no proxy is used, and nothing of an answer is logged.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::base::clock::Now;
use crate::base::outgoing::{Incoming, Outgoing, OutgoingError, max_age};
use crate::pipeline::services::{Errand, Jobs, Outbound};

/// The longest head of an answer, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections that are kept for the next request, and how long.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(15);

/// See the module.
pub struct OutboundHttp {
    agent: ArcSwap<Agent>,
    jobs: Box<dyn Jobs>,
}

impl OutboundHttp {
    /// Sends from `jobs`, and trusts servers whose certificate one of `authorities` (in DER) has
    /// signed.
    pub fn new(jobs: Box<dyn Jobs>, authorities: &[Vec<u8>]) -> Self {
        Self { agent: ArcSwap::from_pointee(agent(authorities)), jobs }
    }

    /// Trusts these authorities from now on, and no others.
    pub fn trust(&self, authorities: &[Vec<u8>]) {
        self.agent.store(Arc::new(agent(authorities)));
    }
}

impl Outbound for OutboundHttp {
    fn send(&self, errand: Errand) {
        let agent = self.agent.load_full();
        let job = Box::new(move || {
            let answer = catch_unwind(AssertUnwindSafe(|| run(&agent, errand.request())));
            let panicked = || Err(OutgoingError::Failed("the request panicked".into()));
            errand.done(answer.unwrap_or_else(|_| panicked()), Now::read());
        });
        // A job that finds no place is dropped, and its errand tells that it failed.
        drop(self.jobs.submit(job));
    }
}

impl fmt::Debug for OutboundHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundHttp").finish_non_exhaustive()
    }
}

fn agent(authorities: &[Vec<u8>]) -> Agent {
    let roots: Vec<_> =
        authorities.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("erlmcp/", env!("CARGO_PKG_VERSION")))
        .max_response_header_size(HEAD_BYTES)
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS)
        .max_idle_age(IDLE)
        .build();
    config.into()
}

fn run(agent: &Agent, request: &Outgoing) -> Result<Incoming, OutgoingError> {
    let timeout = Some(request.timeout);
    let authorization = request.authorization.as_ref().map(|value| value.expose());
    let response = match &request.form {
        None => {
            let mut builder = agent.get(&*request.url).config().timeout_global(timeout).build();
            builder = builder.header("Accept", request.accept);
            if let Some(value) = authorization {
                builder = builder.header("Authorization", value);
            }
            builder.call()
        }
        Some(form) => {
            let mut builder = agent.post(&*request.url).config().timeout_global(timeout).build();
            builder = builder
                .header("Accept", request.accept)
                .header("Content-Type", "application/x-www-form-urlencoded");
            if let Some(value) = authorization {
                builder = builder.header("Authorization", value);
            }
            builder.send(form.expose())
        }
    };
    read(response.map_err(told)?, request.most_bytes)
}

fn read(mut response: Response<ureq::Body>, most_bytes: u64) -> Result<Incoming, OutgoingError> {
    let kept = response.headers().get("cache-control");
    let max_age = kept.and_then(|value| value.to_str().ok()).and_then(max_age);
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(most_bytes).read_to_vec().map_err(told)?;
    Ok(Incoming { status, max_age, body })
}

/// The error of the library as ours. Its text may hold a name or an address, and no secret: none
/// is in a URL.
fn told(error: ureq::Error) -> OutgoingError {
    match error {
        ureq::Error::Timeout(_) => OutgoingError::Timeout,
        ureq::Error::BodyExceedsLimit(_) => OutgoingError::TooLarge,
        error => OutgoingError::Failed(error.to_string()),
    }
}
