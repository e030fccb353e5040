//! What a connection is told: its bounds, its certificate and its address; never who may call.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::guard::settings::{HttpSurface, Paths};

/// The bounds of connections and of what is read from and written to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections open at once; default 10 000.
    pub max_connections: usize,
    /// Connections open at once from one address; default 1000.
    pub max_connections_per_address: usize,
    /// Connections that are in a TLS handshake at once; default 1000.
    pub max_handshakes: usize,
    /// Bytes of a request's head; default 16 KiB.
    pub head_bytes: usize,
    /// Bytes of a request's target; default 8 KiB.
    pub target_bytes: usize,
    /// Header fields of a request; default 64.
    pub headers: usize,
    /// Time for a whole head to arrive; default 10 s.
    pub head_timeout: Duration,
    /// Time for a whole body to arrive; default 30 s.
    pub body_timeout: Duration,
    /// Time a connection may rest between two requests; default 75 s.
    pub idle_timeout: Duration,
    /// Time in which a peer must take 4 KiB of an answer, or all that is left; default 30 s.
    pub write_stall: Duration,
    /// Requests on one connection before it is closed, 0 for no limit; default 100 000.
    pub requests_per_connection: u32,
    /// Requests that may come one behind another without waiting for an answer; default 64.
    pub pipelined_requests: u32,
    /// Bytes of messages that are not whole, in all connections, without the first 64 KiB of each,
    /// and once more of the messages of calls that run; default 64 MiB.
    pub buffered_bytes: usize,
    /// Bytes queued for one reader of a stream; default 1 MiB.
    pub stream_bytes: usize,
    /// Time between two comments that keep a silent stream open; default 15 s.
    pub keepalive: Duration,
}

/// A listener for HTTP and what lies on it: Streamable HTTP, WebSocket.
#[derive(Clone, Debug)]
pub struct HttpListener {
    /// Addresses to listen on; default 127.0.0.1:8443. Port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
    /// What is where; default Streamable HTTP at `/mcp`, WebSocket at `/ws`.
    pub paths: Paths,
    /// TLS, or `None` for plain HTTP; default TLS where the table `[tls]` is.
    pub tls: Option<TlsSettings>,
    /// Networks from which each connection begins with a PROXY header; default none.
    pub proxies: Vec<IpNet>,
    /// The https URL under which clients know the endpoint; default none.
    pub public_url: Option<String>,
    /// Hosts, origins and CORS.
    pub surface: HttpSurface,
}

/// A listener for messages, one a line.
#[derive(Clone, Debug)]
pub struct LinesListener {
    /// Addresses to listen on; default 127.0.0.1:9000. Port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
    /// TLS, or `None` for plain TCP; default TLS where the table `[tls]` is.
    pub tls: Option<TlsSettings>,
    /// Networks from which each connection begins with a PROXY header; default none.
    pub proxies: Vec<IpNet>,
}

/// How the server speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where certificate and key come from; default generated.
    pub identity: TlsIdentity,
    /// More certificates, for clients that ask for a name in them or do not understand the key of
    /// the first; default none.
    pub further: Vec<CertificateFiles>,
    /// The versions offered; default 1.2 and 1.3.
    pub versions: Vec<TlsVersion>,
    /// Whether a client's certificate is verified when it sends one; default true.
    pub verify_peer: bool,
    /// PEM file of the authorities that sign clients' certificates; `None` asks for none.
    pub client_authorities: Option<PathBuf>,
    /// PEM files of lists of certificates that were taken back; default none.
    pub revocation_lists: Vec<PathBuf>,
    /// Whether a client without a certificate is refused; default false.
    pub client_certificate_required: bool,
    /// Time for a whole handshake; default 10 s.
    pub handshake_timeout: Duration,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug)]
pub enum TlsIdentity {
    /// Made on the first start and kept in the state directory.
    Generated {
        /// Names and addresses in the certificate besides the host's own; default none.
        extra_names: Vec<String>,
    },
    /// Files made by the operator.
    Files(CertificateFiles),
}

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain in PEM, the server's own certificate first.
    pub certificate_chain: PathBuf,
    /// The private key in PEM.
    pub private_key: PathBuf,
    /// What the authority says of the certificate (RFC 6960), in DER; default nothing.
    pub ocsp_response: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}
