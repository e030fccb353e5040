//! The gate of the HTTP transport: path, Host, Origin, method, form of the request; all that a head
//! says before anybody is asked who they are. It never looks at credentials or bodies.

pub mod handshake;

use std::net::IpAddr;

use super::challenge::WELL_KNOWN;
use super::origin::{Origin, is_served};
use super::refusal::Refusal;
use super::settings::{HttpSurface, Paths, Scheme};
use crate::base::transport::Transport;
use crate::proto::http1::Head;
use handshake::Handshake;

/// Headers that name another method than the request does: what stands before us may have judged
/// that, and we would take the other.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// What a request over HTTP wants of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// POST: send a message.
    Message,
    /// GET: open or resume a stream (legacy).
    Stream,
    /// DELETE: end the session (legacy).
    EndSession,
    /// GET: open a stream of events with an address of its own (2024-11-05).
    EventSession,
    /// POST: send a message to such an address.
    EventMessage,
    /// GET: go over to WebSocket.
    WebSocket,
    /// POST: get a ticket that opens a WebSocket.
    Ticket,
}

/// Which forms of answer the client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// `application/json`.
    pub json: bool,
    /// `text/event-stream`.
    pub events: bool,
    /// It would rather have the latter: by its weight, or by naming it first.
    pub prefers_events: bool,
}

/// Token: the request may come in. Made only by the gate.
#[derive(Debug)]
pub struct Admitted {
    transport: Transport,
    address: Option<IpAddr>,
}

impl Admitted {
    pub(in crate::guard) fn again(&self) -> Self {
        Self { ..*self }
    }

    /// What the request came over.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Where the request is from; `None` over stdio.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

/// What the gate says to a head.
#[derive(Debug)]
pub enum Passage {
    /// A CORS preflight from this origin: answer it and do no more.
    Preflight(String),
    /// Whoever asks is told where to get a token.
    Metadata,
    /// Whoever asks is told which methods there are.
    Methods(&'static str),
    /// Go on.
    Enter(Admitted, Purpose, Accepts),
}

/// The HTTP endpoint, as the gate sees it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What is where.
    pub paths: Paths,
    /// The path of its public URL, without a slash at the end, if its metadata is published.
    pub metadata_path: Option<String>,
    /// Whether it is reached over TLS.
    pub scheme: Scheme,
    /// Hosts and origins.
    pub surface: HttpSurface,
}

impl Endpoint {
    /// The origin of the page that sent this request, if it may call.
    ///
    /// A page of the endpoint's own host may: the host was checked, so no foreign name can pose.
    pub fn allowed_origin(&self, head: &Head) -> Result<Option<String>, Refusal> {
        let mut origins = head.headers_named("origin");
        let Some(value) = origins.next() else { return Ok(None) };
        let host = head.header_str("host").unwrap_or_default();
        let text = std::str::from_utf8(value).unwrap_or_default();
        let allowed = origins.next().is_none()
            && Origin::parse(text).is_some_and(|origin| {
                origin.is_allowed_by(&self.surface.allowed_origins)
                    || origin.is_own(self.scheme, host)
            });
        if allowed { Ok(Some(text.to_owned())) } else { Err(Refusal::ForeignOrigin) }
    }

    /// Lets a request in, or says why not.
    pub fn admit(&self, head: &Head, address: IpAddr) -> Result<Passage, Refusal> {
        let host = head.header_str("host").unwrap_or_default();
        if !is_served(host, &self.surface.allowed_hosts) || !self.is_secured_as_asked(head) {
            return Err(Refusal::ForeignHost);
        }
        let origin = self.allowed_origin(head)?;
        let place = self.place(head.path()).ok_or(Refusal::NoSuchPath)?;
        if OVERRIDES.iter().any(|name| head.header(name).is_some()) {
            return Err(Refusal::MethodNotAllowed(place.methods()));
        }
        let purpose = match (place, head.method()) {
            (Place::Endpoint, "POST") => Purpose::Message,
            (Place::Endpoint, "GET") => Purpose::Stream,
            (Place::Endpoint, "DELETE") => Purpose::EndSession,
            (Place::Events, "GET") => Purpose::EventSession,
            (Place::Messages, "POST") => Purpose::EventMessage,
            (Place::WebSocket, "GET") => Purpose::WebSocket,
            (Place::WebSocket, "POST") => Purpose::Ticket,
            (Place::Metadata, "GET") => return Ok(Passage::Metadata),
            (place, "OPTIONS") => {
                return match origin {
                    Some(origin) if head.header("access-control-request-method").is_some() => {
                        Ok(Passage::Preflight(origin))
                    }
                    _ if head.is_chunked() || head.content_length().unwrap_or(0) > 0 => {
                        Err(Refusal::MethodNotAllowed(place.methods()))
                    }
                    _ => Ok(Passage::Methods(place.methods())),
                };
            }
            (place, _) => return Err(Refusal::MethodNotAllowed(place.methods())),
        };
        let accepts = accepts(head);
        match purpose {
            Purpose::Stream | Purpose::EventSession
                if origin.is_none() && is_of_foreign_page(head) =>
            {
                return Err(Refusal::ForeignOrigin);
            }
            Purpose::Message | Purpose::EventMessage if !is_json(head) => {
                return Err(Refusal::NotJson);
            }
            Purpose::Message if !accepts.json && !accepts.events => {
                return Err(Refusal::NotAcceptable);
            }
            Purpose::EventSession if !accepts.events => return Err(Refusal::NotAcceptable),
            Purpose::WebSocket => drop(Handshake::read(head)?),
            _ => {}
        }
        let admitted = Admitted { transport: Transport::Http, address: Some(address) };
        Ok(Passage::Enter(admitted, purpose, accepts))
    }

    /// What is asked for over TLS must come over it (RFC 9110 section 7.4).
    fn is_secured_as_asked(&self, head: &Head) -> bool {
        let scheme = head.target().get(..8).unwrap_or_default();
        self.scheme == Scheme::Https || !scheme.eq_ignore_ascii_case("https://")
    }

    /// What is at a path, with or without a slash at its end.
    fn place(&self, path: &str) -> Option<Place> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let is = |other: &Option<String>| other.as_deref() == Some(path);
        if is(&self.paths.endpoint) {
            return Some(Place::Endpoint);
        }
        if is(&self.paths.websocket) {
            return Some(Place::WebSocket);
        }
        if let (Some(public), Some(below)) = (&self.metadata_path, path.strip_prefix(WELL_KNOWN)) {
            let is_endpoint = self.paths.endpoint.as_deref() == Some(below);
            let is_known = below.is_empty() || below == public || is_endpoint;
            return is_known.then_some(Place::Metadata);
        }
        let below = path.strip_prefix(self.paths.events.as_deref()?)?;
        match below.strip_prefix('/') {
            None if below.is_empty() => Some(Place::Events),
            Some(id) if !id.is_empty() && !id.contains('/') => Some(Place::Messages),
            _ => None,
        }
    }
}

/// What there is to reach.
#[derive(Clone, Copy)]
enum Place {
    /// Streamable HTTP.
    Endpoint,
    /// Streams of 2024-11-05.
    Events,
    /// Where their messages go.
    Messages,
    /// WebSocket.
    WebSocket,
    /// What is told of the endpoint (RFC 9728).
    Metadata,
}

impl Place {
    /// Its methods, for `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Endpoint => "POST, GET, DELETE, OPTIONS",
            Self::Events | Self::Metadata => "GET, OPTIONS",
            Self::Messages => "POST, OPTIONS",
            Self::WebSocket => "GET, POST, OPTIONS",
        }
    }
}

/// Lets the process in that started us; the pipe is its proof.
pub fn admit_local() -> Admitted {
    Admitted { transport: Transport::Stdio, address: None }
}

/// Lets a message in that came over a connection which is none of HTTP. A browser cannot open one
/// over TCP, and one over WebSocket has passed the gate with its first request.
pub fn admit_message(transport: Transport, address: IpAddr) -> Admitted {
    Admitted { transport, address: Some(address) }
}

/// `Content-Type` is `application/json`, with no charset but UTF-8.
fn is_json(head: &Head) -> bool {
    if head.count_of("content-type") != 1 {
        return false;
    }
    let value = head.header_str("content-type").unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/json"));
    is_type
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// True if a browser says that a page of another site has made it send this (Fetch Metadata). What
/// a page loads and cannot read has no `Origin`, and would hold a stream all the same.
fn is_of_foreign_page(head: &Head) -> bool {
    let mut sites = head.headers_named("sec-fetch-site");
    sites.any(|site| !matches!(site, b"same-origin" | b"none"))
}

/// What `Accept` takes (RFC 9110 §12.5.1). No `Accept` takes everything, and so does one that names
/// nothing.
fn accepts(head: &Head) -> Accepts {
    let mut json = Preference::default();
    let mut events = Preference::default();
    let mut named = 0;
    for value in head.headers_named("accept") {
        // What is no text names something, and nothing that there is.
        let ranges = std::str::from_utf8(value).unwrap_or("?").split(',');
        for range in ranges.filter(|range| !range.trim().is_empty()) {
            named += 1;
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let weight = parts.find_map(weight).unwrap_or(FULL_WEIGHT);
            json.consider(closeness(media, "application/json"), weight, named);
            events.consider(closeness(media, "text/event-stream"), weight, named);
        }
    }
    let takes_all = named == 0;
    // An event stream has no length, and HTTP/1.0 has no chunks.
    let takes_events = (events.weight > 0 || takes_all) && !head.http_1_0();
    Accepts {
        json: json.weight > 0 || takes_all,
        events: takes_events,
        prefers_events: takes_events && events.is_before(json),
    }
}

/// How much a client likes a form: its weight, which range gave it, and how closely that names it.
#[derive(Clone, Copy, Default)]
struct Preference {
    weight: u32,
    place: u32,
    closeness: u32,
}

/// How closely a range names a media type: not at all, among all, among its kind, or itself.
fn closeness(range: &str, media: &str) -> u32 {
    let kind = media.split_once('/').map_or("", |(kind, _)| kind);
    match range.split_once('/') {
        _ if range.eq_ignore_ascii_case(media) => 3,
        Some((first, "*")) if first.eq_ignore_ascii_case(kind) => 2,
        Some(("*", "*")) => 1,
        _ => 0,
    }
}

/// The weight of a range that names none, in thousandths.
const FULL_WEIGHT: u32 = 1_000;

impl Preference {
    /// The range that names it most closely decides; of equals, the one that likes it more.
    fn consider(&mut self, closeness: u32, weight: u32, place: u32) {
        let is_better = closeness == self.closeness && weight > self.weight;
        if closeness > self.closeness || (closeness > 0 && is_better) {
            *self = Self { weight, place, closeness };
        }
    }

    /// True if it weighs more, or as much and was named before.
    fn is_before(self, other: Self) -> bool {
        self.weight > other.weight || (self.weight == other.weight && self.place < other.place)
    }
}

/// The weight that a parameter of a range gives, in thousandths; one that is no number gives none.
fn weight(parameter: &str) -> Option<u32> {
    let text = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(fraction) {
        return Some(0);
    }
    match whole {
        "0" => format!("{fraction:0<3}").parse().ok(),
        "1" => Some(FULL_WEIGHT),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests;
