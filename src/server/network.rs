//! The listening side of a server: its sockets, and what connections of each begin with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::builder::{StartError, bind};
use super::material::StateDirectory;
use super::tls;
use crate::actors::listener::{Listening, Opening, Protocol};
use crate::config::Configuration;
use crate::connection::settings::{HttpListener, TlsSettings};

/// What ALPN (RFC 7301) calls what is spoken. A client that names none is let in; one that names
/// only others, as a browser does, has not meant us.
const HTTP: &[u8] = b"http/1.1";
const LINES: &[u8] = b"mcp";

/// What the connections of each listener begin with, replaced by a reload.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    http: Arc<ArcSwap<Opening>>,
    tcp: Arc<ArcSwap<Opening>>,
    websocket: Arc<ArcSwap<Opening>>,
}

/// The same, read and not in force yet.
pub(super) struct Fresh {
    http: Opening,
    tcp: Opening,
    websocket: Opening,
}

impl Fresh {
    /// Makes or reads the certificates of a configuration.
    pub(super) fn read(
        configuration: &Configuration,
        state: Option<&StateDirectory>,
    ) -> Result<Self, StartError> {
        let opening = |tls: &Option<TlsSettings>, proxies: &[IpNet], protocol: &[u8]| {
            let config = tls.as_ref().map(|it| tls::server_config(it, protocol, state));
            let tls = config.transpose()?.map(Arc::new);
            Ok::<_, StartError>(Opening { tls, proxies: proxies.to_vec() })
        };
        let http = |listener: &Option<HttpListener>| {
            let open = |it: &HttpListener| opening(&it.tls, &it.proxies, HTTP);
            listener.as_ref().map_or_else(|| Ok(Opening::default()), open)
        };
        let tcp = configuration.tcp.as_ref().map(|it| opening(&it.tls, &it.proxies, LINES));
        Ok(Self {
            http: http(&configuration.http)?,
            tcp: tcp.transpose()?.unwrap_or_default(),
            websocket: http(&configuration.websocket)?,
        })
    }
}

impl Doors {
    /// Connections begin with this from now on.
    pub(super) fn put_in_force(&self, fresh: Fresh) {
        self.http.store(Arc::new(fresh.http));
        self.tcp.store(Arc::new(fresh.tcp));
        self.websocket.store(Arc::new(fresh.websocket));
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
        let mut open = |addresses: &[SocketAddr], protocol, opening: &Arc<_>| {
            let sockets = bind(addresses)?;
            let own = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
            listeners.extend(sockets.into_iter().map(|socket| Listening {
                socket,
                protocol,
                opening: Arc::clone(opening),
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
