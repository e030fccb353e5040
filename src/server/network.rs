//! The listening side of a server: its sockets, and the TLS that connections of each begin with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

use super::builder::{StartError, bind};
use super::material::StateDirectory;
use super::tls;
use crate::actors::listener::{Listening, Protocol};
use crate::config::Configuration;
use crate::connection::settings::TlsSettings;

/// What ALPN (RFC 7301) calls what is spoken. A client that names none is let in; one that names
/// only others, as a browser does, has not meant us.
const HTTP: &[u8] = b"http/1.1";
const LINES: &[u8] = b"mcp";

/// The TLS of the listeners, each replaced by a reload.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    http: Arc<ArcSwapOption<ServerConfig>>,
    tcp: Arc<ArcSwapOption<ServerConfig>>,
    websocket: Arc<ArcSwapOption<ServerConfig>>,
}

/// TLS that was read and is not in force yet.
pub(super) struct Fresh {
    http: Option<Arc<ServerConfig>>,
    tcp: Option<Arc<ServerConfig>>,
    websocket: Option<Arc<ServerConfig>>,
}

impl Fresh {
    /// Makes or reads the certificates of a configuration.
    pub(super) fn read(
        configuration: &Configuration,
        state: Option<&StateDirectory>,
    ) -> Result<Self, StartError> {
        let read = |settings: Option<&TlsSettings>, protocol: &[u8]| {
            let config = settings.map(|it| tls::server_config(it, protocol, state));
            config.transpose().map(|config| config.map(Arc::new))
        };
        let http = configuration.http.as_ref().and_then(|listener| listener.tls.as_ref());
        let tcp = configuration.tcp.as_ref().and_then(|listener| listener.tls.as_ref());
        let websocket = configuration.websocket.as_ref().and_then(|it| it.tls.as_ref());
        let (http, websocket) = (read(http, HTTP)?, read(websocket, HTTP)?);
        Ok(Self { http, tcp: read(tcp, LINES)?, websocket })
    }
}

impl Doors {
    /// Connections begin with this from now on.
    pub(super) fn put_in_force(&self, fresh: Fresh) {
        self.http.store(fresh.http);
        self.tcp.store(fresh.tcp);
        self.websocket.store(fresh.websocket);
    }
}

/// The listening side; see the module.
pub(super) struct Network {
    pub(super) listeners: Vec<Listening>,
    pub(super) doors: Doors,
    /// Where HTTP is spoken.
    pub(super) addresses: Vec<SocketAddr>,
    /// Where lines are.
    pub(super) tcp_addresses: Vec<SocketAddr>,
    pub(super) url: Option<String>,
    /// All that is listened at, as URLs.
    pub(super) urls: Vec<String>,
    pub(super) authority: Option<PathBuf>,
}

impl Network {
    /// Makes or reads certificates and opens the listening sockets.
    pub(super) fn open(
        configuration: &Configuration,
        state: Option<&StateDirectory>,
    ) -> Result<Self, StartError> {
        let doors = Doors::default();
        doors.put_in_force(Fresh::read(configuration, state)?);
        let authority = configuration.network_tls().zip(state);
        let authority =
            authority.and_then(|(settings, state)| tls::authority_file(settings, state));
        let mut listeners = Vec::new();
        let mut open = |addresses: &[SocketAddr], protocol, tls: &Arc<_>| {
            let sockets = bind(addresses)?;
            let own = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
            listeners.extend(sockets.into_iter().map(|socket| Listening {
                socket,
                protocol,
                tls: Arc::clone(tls),
            }));
            Ok::<Vec<SocketAddr>, StartError>(own)
        };
        let http = configuration.http.as_ref();
        let addresses = http.map_or(&[][..], |it| &it.addresses);
        let addresses = open(addresses, Protocol::Http, &doors.http)?;
        let tcp_addresses = configuration.tcp.as_ref().map_or(&[][..], |it| &it.addresses);
        let tcp_addresses = open(tcp_addresses, Protocol::Lines, &doors.tcp)?;
        let own = configuration.websocket.as_ref();
        let own_addresses = own.map_or(&[][..], |it| &it.addresses);
        let own_addresses = open(own_addresses, Protocol::WebSocket, &doors.websocket)?;
        let scheme = |tls: Option<&TlsSettings>, with: &'static str, without: &'static str| {
            if tls.is_some() { with } else { without }
        };
        let mut urls = Vec::new();
        if let Some(listener) = http {
            let scheme = scheme(listener.tls.as_ref(), "https", "http");
            let path = listener.paths.endpoint.as_deref().unwrap_or_default();
            urls.extend(addresses.iter().map(|address| format!("{scheme}://{address}{path}")));
        }
        let url = urls.first().cloned();
        for (listener, addresses) in [(http, &addresses), (own, &own_addresses)] {
            let listener = listener.map(|it| (it, it.paths.websocket.as_deref()));
            let Some((listener, Some(path))) = listener else { continue };
            let scheme = scheme(listener.tls.as_ref(), "wss", "ws");
            urls.extend(addresses.iter().map(|address| format!("{scheme}://{address}{path}")));
        }
        if let Some(listener) = &configuration.tcp {
            let scheme = scheme(listener.tls.as_ref(), "tls", "tcp");
            urls.extend(tcp_addresses.iter().map(|address| format!("{scheme}://{address}")));
        }
        Ok(Self { listeners, doors, addresses, tcp_addresses, url, urls, authority })
    }
}
