//! A server that runs: its threads, its listeners, and what a reload and a drain do to them.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::administration::{self, Orders};
use super::builder::{Builder, Extras, Origin, StartError};
use super::first_start::FirstKey;
use super::material::StateDirectory;
use super::network::{Doors, Fresh, Network};
use super::outbound::{authorities, outbound};
use super::tls::TlsFiles;
use super::watch::Watch;
use super::{descriptors, snapshot, tls};
use crate::actors::admin::Admin;
use crate::actors::audit::AuditLog;
use crate::actors::handlers::Handlers;
use crate::actors::listener::Listening;
use crate::actors::mailbox::Mailbox;
use crate::actors::outbound::OutboundHttp;
use crate::actors::reactor::{Hooks, Parts, Reactor};
use crate::actors::settings::AdminSettings;
use crate::actors::stdio::Stdio;
use crate::actors::worker::{self, ReadyQueue};
use crate::base::clock::unix_seconds;
use crate::config::{Configuration, SystemSources};
use crate::connection::caps::{Bounds, Caps};
use crate::connection::conn::Surroundings;
use crate::mcp::era::Version;
use crate::mcp::meta::SUBSCRIPTION_ID;
use crate::pipeline::services::{Audit, Outbound, Services};
use crate::pipeline::snapshot::Snapshot;
use crate::pipeline::work::tools::writer;
use crate::proto::jsonrpc::write_result;

/// Jobs that may wait for a handler thread.
const WAITING_JOBS: usize = 1_024;
/// When it is tried again to make our certificate anew, in seconds.
const RENEW_AGAIN: u64 = 3_600;

/// A started server; see [`Builder`].
pub struct Server {
    reactor: Reactor<Running>,
    services: Arc<Services>,
    addresses: Vec<SocketAddr>,
    tcp_addresses: Vec<SocketAddr>,
    url: Option<String>,
    urls: Vec<String>,
    first_key: Option<Arc<FirstKey>>,
    authority: Option<PathBuf>,
    stdio: Option<Stdio>,
    mailbox: Arc<Mailbox>,
    admin: Arc<Mutex<Option<Admin>>>,
    audit: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(builder: Builder) -> Result<Self, StartError> {
        let Builder { origin, extras, stdio_only } = builder;
        let configuration = load(&origin, stdio_only)?;
        let state = state_directory(&configuration)?;
        let tls_files = tls_files(&configuration);
        let Network { listeners, doors, addresses, tcp_addresses, url, urls, authority } =
            Network::open(&configuration, state.as_ref())?;
        let renew_at = tls::renewal(configuration.network_tls(), state.as_ref())?;
        let control = administration::socket(&configuration)?;
        let orders = Orders::load(state.as_ref())?;
        let (audit, audit_thread) = audit(&configuration)?;
        // Last, for it is shown only by a start that succeeds.
        let first_key = first_key(&configuration, state.as_ref())?.map(Arc::new);
        let (snapshot, watched) =
            snapshot::build(1, &configuration, first_key.as_deref(), &extras, None, None, &orders)?;
        drop(state);
        let mailbox = Arc::new(Mailbox::default());
        let outbound = Arc::new(outbound(&configuration)?);
        let services = services(&configuration, snapshot, audit, &outbound, &mailbox)?;
        services.blocks.replace(&orders.blocks);
        let parts = parts(&configuration, &services, &mailbox, listeners)?;
        let rights = Arc::new(ArcSwap::from_pointee(configuration.admin.clone()));
        let desk = administration::Parts {
            services: Arc::clone(&services),
            mailbox: Arc::clone(&mailbox),
            caps: Arc::clone(&parts.caps),
            orders: orders.clone(),
            settings: Arc::clone(&rights),
        };
        let admin = control.map(|socket| administration::start(socket, &configuration, desk));
        let admin = Arc::new(Mutex::new(admin.transpose()?));
        let is_stdio = configuration.stdio;
        let running = Running {
            services: Arc::clone(&services),
            outbound,
            origin,
            extras,
            stdio_only,
            doors,
            first_key: first_key.clone(),
            watch: Watch::new(watched),
            tls_files,
            renew_at,
            configuration,
            orders,
            rights,
            admin: Arc::clone(&admin),
        };
        let reactor = Reactor::new(parts, running).map_err(StartError::system("the reactor"))?;
        let limits = services.snapshot.load().outlet;
        let stdio = is_stdio
            .then(|| Stdio::start(&services, limits, Arc::clone(&mailbox)))
            .transpose()
            .map_err(StartError::system("standard input and output"))?;
        Ok(Self {
            reactor,
            services,
            addresses,
            tcp_addresses,
            url,
            urls,
            first_key,
            authority,
            stdio,
            mailbox,
            admin,
            audit: audit_thread,
        })
    }

    /// The addresses where it speaks HTTP, with the ports the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses where it takes lines over TCP.
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp_addresses
    }

    /// All that it listens at, as URLs: `https`, `http`, `tls` and `tcp`.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The URL of the endpoint of HTTP, if there is one.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The API key of the embedded default, if it is in use.
    pub fn first_key(&self) -> Option<&FirstKey> {
        self.first_key.as_deref()
    }

    /// The certificate of the authority that clients must trust, if it was made here.
    pub fn authority(&self) -> Option<&std::path::Path> {
        self.authority.as_deref()
    }

    /// The counters, by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.services.counters.all()
    }

    /// Runs until SIGTERM, SIGINT or the end of standard input has ended it, or something that it
    /// cannot go on without fails.
    ///
    /// # Errors
    /// What failed.
    pub fn run(self) -> Result<(), StartError> {
        let Self { reactor, services, stdio, mailbox, admin, audit, .. } = self;
        let result = reactor.run().map_err(StartError::system("the reactor"));
        if let Some(stdio) = stdio {
            stdio.end();
        }
        mailbox.close();
        let admin = admin.lock().take();
        if let Some(admin) = admin {
            admin.end();
        }
        log::info!("stopped; counters: {}", services.counters);
        services.audit.close();
        if let Some(audit) = audit
            && audit.join().is_err()
        {
            log::error!("the audit thread panicked");
        }
        result
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// What all requests share.
fn services(
    configuration: &Configuration,
    snapshot: Snapshot,
    audit: Box<dyn Audit>,
    outbound: &Arc<OutboundHttp>,
    mailbox: &Arc<Mailbox>,
) -> Result<Arc<Services>, StartError> {
    let handlers = Handlers::new("handler", configuration.runtime.handlers, WAITING_JOBS);
    let timer: Arc<Mailbox> = Arc::clone(mailbox);
    let asking: Arc<dyn Outbound> = Arc::clone(outbound) as Arc<dyn Outbound>;
    Ok(Arc::new(Services::new(snapshot, audit, Box::new(handlers), asking, timer)?))
}

/// What the reactor is made of; starts the workers if there is something for them.
fn parts(
    configuration: &Configuration,
    services: &Arc<Services>,
    mailbox: &Arc<Mailbox>,
    listeners: Vec<Listening>,
) -> Result<Parts, StartError> {
    let limits = &configuration.limits;
    let queue = ReadyQueue::new(limits.max_connections);
    let mut most_sockets = 0;
    if !listeners.is_empty() {
        most_sockets = descriptors::room_for(limits.max_connections);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = configuration.runtime.worker_threads(cores);
        worker::start(workers, &queue).map_err(StartError::system("worker threads"))?;
    }
    let settings = configuration.network_tls();
    // Where there is no TLS, a connection may begin with the header of a proxy.
    let handshake_timeout = settings.map_or(limits.head_timeout, |tls| tls.handshake_timeout);
    Ok(Parts {
        listeners,
        caps: Caps::new(Bounds {
            connections: limits.max_connections,
            per_address: limits.max_connections_per_address,
            handshakes: limits.max_handshakes,
            bytes: limits.buffered_bytes,
        }),
        most_sockets,
        around: Arc::new(Surroundings {
            services: Arc::clone(services),
            limits: limits.clone(),
            handshake_timeout,
            is_draining: AtomicBool::new(false),
        }),
        queue,
        mailbox: Arc::clone(mailbox),
        drain: configuration.runtime.drain,
    })
}

fn load(origin: &Origin, stdio_only: bool) -> Result<Configuration, StartError> {
    let mut configuration = origin.load(&SystemSources)?;
    for warning in &configuration.warnings {
        log::warn!("{warning}");
    }
    if stdio_only {
        configuration.stdio = true;
        configuration.http = None;
        configuration.tcp = None;
        configuration.websocket = None;
        // Clients start many such servers, with one configuration.
        configuration.admin.enabled = false;
    }
    Ok(configuration)
}

/// Opens the state directory if anything is to be kept in it.
fn state_directory(configuration: &Configuration) -> Result<Option<StateDirectory>, StartError> {
    if !configuration.has_network() && !configuration.admin.enabled {
        return Ok(None);
    }
    let path = &configuration.runtime.state_directory;
    StateDirectory::open(path)
        .map(Some)
        .map_err(StartError::system(format!("the state directory {}", path.display())))
}

fn first_key(
    configuration: &Configuration,
    state: Option<&StateDirectory>,
) -> Result<Option<FirstKey>, StartError> {
    let authentication = &configuration.authentication;
    match state {
        Some(state) if authentication.enabled && authentication.api_keys.is_empty() => {
            FirstKey::load_or_make(state).map(Some)
        }
        _ => Ok(None),
    }
}

type Started = (Box<dyn Audit>, Option<JoinHandle<()>>);

fn audit(configuration: &Configuration) -> Result<Started, StartError> {
    let settings = &configuration.audit;
    if !settings.enabled {
        return Ok((Box::new(AuditLog::off()), None));
    }
    let path = settings.log_path.display();
    let (log, thread) =
        AuditLog::start(settings).map_err(StartError::system(format!("the audit log {path}")))?;
    Ok((Box::new(log), Some(thread)))
}

/// What only a restart can change of the listeners: where each is, and whether it speaks TLS.
fn listeners(configuration: &Configuration) -> [Option<(&[SocketAddr], bool)>; 3] {
    let http = configuration.http.as_ref();
    let tcp = configuration.tcp.as_ref();
    let websocket = configuration.websocket.as_ref();
    [
        http.map(|listener| (listener.addresses.as_slice(), listener.tls.is_some())),
        tcp.map(|listener| (listener.addresses.as_slice(), listener.tls.is_some())),
        websocket.map(|listener| (listener.addresses.as_slice(), listener.tls.is_some())),
    ]
}

fn tls_files(configuration: &Configuration) -> TlsFiles {
    TlsFiles::of(configuration.network_tls())
}

fn control_socket(configuration: &Configuration) -> (bool, &Path, Option<u32>) {
    let AdminSettings { enabled, socket, group, .. } = &configuration.admin;
    (*enabled, socket, *group)
}

/// What the reactor asks of the server.
struct Running {
    services: Arc<Services>,
    outbound: Arc<OutboundHttp>,
    origin: Origin,
    extras: Extras,
    stdio_only: bool,
    doors: Doors,
    first_key: Option<Arc<FirstKey>>,
    watch: Watch,
    tls_files: TlsFiles,
    /// When our own certificate has to be made anew, in seconds since 1970.
    renew_at: Option<u64>,
    configuration: Configuration,
    orders: Orders,
    /// Who may use the control socket.
    rights: Arc<ArcSwap<AdminSettings>>,
    admin: Arc<Mutex<Option<Admin>>>,
}

impl Running {
    /// Reads the configuration, and puts it in force.
    fn try_reload(&mut self) -> Result<u64, StartError> {
        let next = load(&self.origin, self.stdio_only)?;
        self.put_in_force(next)
    }

    /// Reads and checks all that it names, then swaps it in; on any error all stays as it was.
    fn put_in_force(&mut self, mut next: Configuration) -> Result<u64, StartError> {
        let tls_files = tls_files(&next);
        let state = state_directory(&next)?;
        let former = self.services.snapshot.load_full();
        let keeps_counting = next.rate_limiting == self.configuration.rate_limiting;
        let rate = Some(Arc::clone(&former.rate)).filter(|_| keeps_counting);
        let number = former.number + 1;
        let known = Some(&former.authentication);
        let first_key = self.first_key.as_deref();
        let (mut snapshot, watched) =
            snapshot::build(number, &next, first_key, &self.extras, rate, known, &self.orders)?;
        let authorities = authorities(&next)?;
        let fresh = Fresh::read(&next, state.as_ref())?;
        let renew_at = tls::renewal(next.network_tls(), state.as_ref())?;
        self.warn_of_what_needs_a_restart(&next);
        if listeners(&next) == listeners(&self.configuration) {
            self.doors.put_in_force(fresh);
        } else {
            // The listeners are still the former ones, and what they are told must fit them.
            snapshot.http = snapshot::http_face(&self.configuration);
            snapshot.websocket = snapshot::websocket_face(&self.configuration);
            next.http.clone_from(&self.configuration.http);
            next.tcp.clone_from(&self.configuration.tcp);
            next.websocket.clone_from(&self.configuration.websocket);
        }
        self.outbound.trust(&authorities);
        self.rights.store(Arc::new(next.admin.clone()));
        self.watch = Watch::new(watched);
        self.tls_files = tls_files;
        self.renew_at = renew_at;
        self.services.replace(snapshot);
        self.configuration = next;
        Ok(number)
    }

    fn warn_of_what_needs_a_restart(&self, next: &Configuration) {
        let now = &self.configuration;
        let changed = [
            ("the listeners", listeners(now) != listeners(next)),
            ("stdio", now.stdio != next.stdio),
            ("the state directory", now.runtime.state_directory != next.runtime.state_directory),
            ("the audit log", now.audit != next.audit),
            ("the control socket", control_socket(now) != control_socket(next)),
            ("the bounds of connections", now.limits != next.limits),
        ];
        for (what, has_changed) in changed {
            if has_changed {
                log::warn!("{what} changed in the configuration; restart to put that in force");
            }
        }
    }
}

impl Hooks for Running {
    fn reload(&mut self) -> Result<u64, String> {
        match self.try_reload() {
            Ok(number) => {
                log::info!("configuration {number} is in force");
                Ok(number)
            }
            Err(error) => {
                log::error!("the configuration stays as it was:\n{error}");
                Err(error.to_string())
            }
        }
    }

    fn files_changed(&mut self) {
        self.watch.publish(&self.services);
    }

    fn watched(&self) -> Option<RawFd> {
        self.watch.descriptor()
    }

    fn look_after(&mut self) -> bool {
        let is_due = self.renew_at.is_some_and(|at| at <= unix_seconds());
        let what = if is_due { "our certificate ends soon" } else { "files of TLS have changed" };
        if !self.tls_files.have_changed() && !is_due {
            return false;
        }
        self.renew_at = self.renew_at.map(|at| at.max(unix_seconds() + RENEW_AGAIN));
        let done = self.put_in_force(self.configuration.clone());
        match &done {
            Ok(number) => log::info!("{what}; configuration {number} is in force"),
            // Files that belong together are not written at once: the next look may find them so.
            Err(error) => log::warn!("{what}; the former are in force: {error}"),
        }
        done.is_ok()
    }

    fn has_to_look_after(&self) -> bool {
        !self.tls_files.is_empty() || self.renew_at.is_some()
    }

    fn drain(&mut self) {
        // The next server may begin while this one ends.
        if let Some(admin) = &mut *self.admin.lock() {
            admin.close();
        }
        self.services.sessions.end_standalone_streams();
        // Nobody can answer any more.
        self.services.sessions.abandon();
        self.services.event_sessions.abandon();
        self.services.tasks.end_resting();
        let snapshot = self.services.snapshot.load();
        self.services.subscriptions.end_all(|id| {
            // Only modern requests have subscriptions with an id.
            let version = Version::modern().last().unwrap_or(Version::NEWEST_LEGACY);
            let mut meta = serde_json::Map::new();
            meta.insert(SUBSCRIPTION_ID.into(), id.to_value());
            let mut json = Vec::new();
            write_result(&mut json, id, &writer(&snapshot, version).ended(&meta));
            json
        });
    }
}
