//! Turns a TOML file into the settings of every room; no other room may ever name this one.

mod accounts;
mod admin;
mod api_keys;
mod audit;
mod checks;
mod context;
mod diagnostics;
mod identity;
mod jwt;
mod limits;
mod mtls;
mod oauth2;
mod offers;
mod outbound;
mod policy_cases;
mod proxies;
mod rates;
mod reader;
mod references;
mod rules;
mod schema;
mod server;
mod sources;
mod suggest;
mod time;
mod tls;
mod tools;
mod transports;
mod value;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value as Json;
use toml::de::DeTable;
use zeroize::Zeroizing;

use self::context::Context;
use self::diagnostics::Lines;
use self::reader::Reader;
use self::sources::directory_of;
use self::tls::TlsTable;
use crate::actors::settings::{
    AdminSettings, AuditSettings, LogSettings, OutboundSettings, RuntimeSettings,
};
use crate::backend::settings::{HostSettings, PromptSettings, ResourceSettings, ToolSettings};
use crate::connection::settings::{HttpListener, Limits, LinesListener, TlsSettings};
use crate::guard::settings::{
    Authentication, Authorization, RateLimiting, SecurityHeaders, Validation,
};
use crate::mcp::settings::{CallSettings, ServerSettings, SessionSettings, TaskSettings};

pub use self::accounts::Accounts;
pub use self::diagnostics::{Problem, Problems};
pub use self::policy_cases::{PolicyCase, load_policy_cases};
pub use self::sources::{
    FileError, FileFacts, FileKind, MAX_FILE_BYTES, Sources, SystemSources, VariableError,
};

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `[server]`: what clients are told.
    pub server: ServerSettings,
    /// `[server]`: threads and the state directory.
    pub runtime: RuntimeSettings,
    /// Whether standard input and output are a transport.
    pub stdio: bool,
    /// The listener for Streamable HTTP; `None` if it is off.
    pub http: Option<HttpListener>,
    /// The listener for lines over TCP; `None` if it is off.
    pub tcp: Option<LinesListener>,
    /// The listener for WebSocket alone; `None` if it is off, or a path of that of HTTP.
    pub websocket: Option<HttpListener>,
    /// `[outbound]`.
    pub outbound: OutboundSettings,
    /// `[authentication]`.
    pub authentication: Authentication,
    /// `[authorization]`.
    pub authorization: Authorization,
    /// `[rate_limiting]`.
    pub rate_limiting: RateLimiting,
    /// `[validation]`.
    pub validation: Validation,
    /// `[security_headers]`.
    pub security_headers: SecurityHeaders,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[audit]`.
    pub audit: AuditSettings,
    /// `[limits]` of connections.
    pub limits: Limits,
    /// `[limits]` of sessions.
    pub sessions: SessionSettings,
    /// `[limits]` of calls.
    pub calls: CallSettings,
    /// `[limits]` of tasks.
    pub tasks: TaskSettings,
    /// `[log]`.
    pub log: LogSettings,
    /// `[host]`.
    pub host: HostSettings,
    /// `[[tools]]`.
    pub tools: Vec<ToolSettings>,
    /// `[[resources]]`.
    pub resources: Vec<ResourceSettings>,
    /// `[[prompts]]`.
    pub prompts: Vec<PromptSettings>,
    /// What may be a mistake but stops nothing.
    pub warnings: Vec<Problem>,
}

impl Configuration {
    /// True if anyone can come over a network.
    pub fn has_network(&self) -> bool {
        self.http.is_some() || self.tcp.is_some() || self.websocket.is_some()
    }

    /// `[tls]`, if a listener uses it.
    pub fn network_tls(&self) -> Option<&TlsSettings> {
        let http = [&self.http, &self.websocket].into_iter().flatten();
        let http = http.filter_map(|listener| listener.tls.as_ref()).next();
        http.or_else(|| self.tcp.as_ref()?.tls.as_ref())
    }
}

/// Reads a configuration file that only its owner, or a group, may change.
///
/// # Errors
/// Everything that keeps it from being used.
pub fn load(path: &Path, sources: &dyn Sources) -> Result<Configuration, Problems> {
    let name = path.display().to_string();
    let about_file = |what: String| Problem::new(&name, None, "", &what);
    let (text, facts) = match sources.read(path) {
        Ok((text, facts)) => (Zeroizing::new(text), facts),
        Err(error) => {
            let what = format!("the file {error}; give the path of a configuration file");
            return Err(Problems::new(vec![about_file(what)], Vec::new()));
        }
    };
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mode = facts.mode;
    if facts.writable_by_everyone() {
        let what = format!("the file may be written by everyone (mode {mode:03o}); ");
        errors.push(about_file(format!("{what}run chmod 640 {name}")));
    } else if mode & 0o020 != 0 {
        let what = format!("the file may be written by its group (mode {mode:03o}); ");
        warnings.push(about_file(format!("{what}run chmod g-w {name}")));
    }
    let directory = directory_of(path);
    if let Ok(around) = sources.facts(&directory)
        && around.writable_by_everyone()
    {
        let shown = directory.display();
        let mode = around.mode;
        let what = format!("its directory may be written by everyone (mode {mode:03o}); ");
        errors.push(about_file(format!("{what}run chmod o-w {shown}")));
    }
    match parse(&text, &name, sources) {
        Ok(mut settings) if errors.is_empty() => {
            warnings.append(&mut settings.warnings);
            settings.warnings = warnings;
            Ok(settings)
        }
        Ok(settings) => {
            warnings.extend(settings.warnings);
            Err(Problems::new(errors, warnings))
        }
        Err(found) => {
            errors.extend_from_slice(found.errors());
            warnings.extend_from_slice(found.warnings());
            Err(Problems::new(errors, warnings))
        }
    }
}

/// Reads a configuration from a text; `name` is what messages call it.
///
/// # Errors
/// Everything that keeps it from being used.
pub fn parse(text: &str, name: &str, sources: &dyn Sources) -> Result<Configuration, Problems> {
    read(text, name, sources, false)
}

/// The configuration of a start without a file: HTTPS on 127.0.0.1:8443, with authentication on
/// and no key, which is to be made on the first start.
///
/// # Errors
/// None, unless the embedded text is wrong.
pub fn embedded_default(sources: &dyn Sources) -> Result<Configuration, Problems> {
    read(include_str!("default.toml"), "default.toml", sources, true)
}

/// The same with another address to listen on, or another state directory.
///
/// # Errors
/// A state directory that cannot be one.
pub fn embedded_default_with(
    listen: Option<SocketAddr>,
    state_directory: Option<&Path>,
    sources: &dyn Sources,
) -> Result<Configuration, Problems> {
    let mut text = include_str!("default.toml").to_owned();
    if let Some(listen) = listen {
        text = text.replace(DEFAULT_LISTEN, &listen.to_string());
    }
    if let Some(path) = state_directory {
        let quoted = Json::from(path.to_string_lossy()).to_string();
        text.push_str(&format!("\n[server]\nstate_directory = {quoted}\n"));
    }
    read(&text, "the command line", sources, true)
}

/// Where a server without a configuration listens.
const DEFAULT_LISTEN: &str = "127.0.0.1:8443";

fn read(
    text: &str,
    name: &str,
    sources: &dyn Sources,
    keys_may_follow: bool,
) -> Result<Configuration, Problems> {
    let (document, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        return Err(syntax_problems(text, name, &mistakes));
    }
    let context = Context::new(name, text, document.get_ref(), sources);
    let mut settings = settings(&context, keys_may_follow);
    settings.warnings = context.finish().into_warnings()?;
    Ok(settings)
}

/// One problem per line: what follows on the same line mostly follows from the first.
fn syntax_problems(text: &str, name: &str, mistakes: &[toml::de::Error]) -> Problems {
    let lines = Lines::of(text);
    let mut problems: Vec<Problem> = Vec::new();
    for mistake in mistakes {
        let line = lines.line_of(mistake.span().map_or(0, |span| span.start));
        if problems.iter().all(|problem| problem.line() != Some(line)) {
            let what = format!("not TOML: {}; correct this line", mistake.message());
            problems.push(Problem::new(name, Some(line), "", &what));
        }
    }
    Problems::new(problems, Vec::new())
}

fn settings<'a>(context: &'a Context<'a>, keys_may_follow: bool) -> Configuration {
    Reader::document(context, |root| {
        let insecure_listeners =
            root.table("development", |reader| reader.boolean("insecure_listeners", false));
        let (settings, tls) = tables(root, keys_may_follow);
        checks::check(context, &settings, &tls, insecure_listeners);
        settings
    })
}

fn tables(root: &mut Reader<'_>, keys_may_follow: bool) -> (Configuration, TlsTable) {
    let (server, runtime) = root.table("server", server::server);
    let tls = root.table("tls", tls::read);
    let transports = root.table("transports", |reader| transports::read(reader, &tls));
    let network = transports.has_network();
    let authorization = root.table("authorization", identity::authorization);
    let authentication = root.table("authentication", |reader| {
        identity::authentication(reader, &authorization, network, keys_may_follow)
    });
    let (limits, sessions, calls, tasks) = root.table("limits", limits::limits);
    let rate_limiting =
        root.table("rate_limiting", |reader| limits::rate_limiting(reader, &authorization));
    root.refuse_unavailable("secrets");
    root.table("observability", |reader| {
        reader.refuse_unavailable("alerts");
        reader.refuse_unavailable("metrics");
    });
    let settings = Configuration {
        server,
        stdio: transports.stdio,
        http: transports.http,
        tcp: transports.tcp,
        websocket: transports.websocket,
        outbound: root.table("outbound", outbound::read),
        authentication,
        authorization,
        rate_limiting,
        validation: root.table("validation", limits::validation),
        security_headers: root.table("security_headers", audit::security_headers),
        admin: root.table("admin", |reader| admin::read(reader, &runtime.state_directory, network)),
        audit: root
            .table("audit", |reader| audit::audit(reader, &runtime.state_directory, network)),
        runtime,
        limits,
        sessions,
        calls,
        tasks,
        log: root.table("log", server::log),
        host: root.table("host", server::host),
        tools: tools::read(root),
        resources: offers::resources(root),
        prompts: offers::prompts(root),
        warnings: Vec::new(),
    };
    (settings, tls)
}

#[cfg(test)]
mod tests;
