//! The desk behind the control socket: what is asked there is judged, done and recorded here, on
//! the admin thread. What it changes is state that requests look at, or goes to the reactor.

mod acts;
mod fields;
mod looks;
mod request;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::hmac;
use serde_json::{Value, json};

use self::acts::Done;
use self::request::Request;
pub(super) use self::store::Orders;
use super::builder::StartError;
use crate::actors::admin::{Admin, AdminPeer, Desk};
use crate::actors::admin_socket::AdminSocket;
use crate::actors::mailbox::Mailbox;
use crate::actors::settings::{AdminSettings, Right};
use crate::base::ids::{NoRandomness, hex, random};
use crate::config::{Accounts, Configuration, SystemSources};
use crate::connection::caps::Caps;
use crate::pipeline::record::Record;
use crate::pipeline::services::Services;

/// Longest path of a socket, in bytes.
const PATH_BYTES: usize = 107;
/// Bytes of a session's handle; twice as many digits.
const HANDLE_BYTES: usize = 6;

/// The desk; see the module.
pub(super) struct Administration {
    services: Arc<Services>,
    mailbox: Arc<Mailbox>,
    caps: Arc<Caps>,
    orders: Orders,
    state: PathBuf,
    has_audit: bool,
    settings: Arc<ArcSwap<AdminSettings>>,
    handles: hmac::Key,
}

/// What the desk is made of.
pub(super) struct Parts {
    pub(super) services: Arc<Services>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) caps: Arc<Caps>,
    pub(super) orders: Orders,
    pub(super) settings: Arc<ArcSwap<AdminSettings>>,
}

/// Opens the control socket, if there is to be one; before others can begin to use the state
/// directory.
pub(super) fn socket(configuration: &Configuration) -> Result<Option<AdminSocket>, StartError> {
    let settings = &configuration.admin;
    if !settings.enabled {
        return Ok(None);
    }
    let path = settings.socket.display();
    let is_default = settings.socket.starts_with(&configuration.runtime.state_directory);
    if is_default && settings.socket.as_os_str().len() > PATH_BYTES {
        log::warn!(
            "there is no control socket: {path} is longer than the path of a socket may be; \
             name another admin.socket"
        );
        return Ok(None);
    }
    let opened = AdminSocket::open(settings);
    opened.map(Some).map_err(StartError::system(format!("the control socket {path}")))
}

/// Starts the thread behind the socket.
pub(super) fn start(
    socket: AdminSocket,
    configuration: &Configuration,
    parts: Parts,
) -> Result<Admin, StartError> {
    let desk = Administration::new(configuration, parts)?;
    Admin::start(socket, desk).map_err(StartError::system("the admin thread"))
}

impl Administration {
    fn new(configuration: &Configuration, parts: Parts) -> Result<Self, NoRandomness> {
        let Parts { services, mailbox, caps, orders, settings } = parts;
        Ok(Self {
            services,
            mailbox,
            caps,
            orders,
            state: configuration.runtime.state_directory.clone(),
            has_audit: configuration.audit.enabled,
            settings,
            handles: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
        })
    }

    /// What a session is called here: it tells nothing of its id, which is as good as a key.
    fn handle(&self, session_id: &str) -> String {
        let tag = hmac::sign(&self.handles, session_id.as_bytes());
        hex(tag.as_ref().get(..HANDLE_BYTES).unwrap_or_default())
    }

    fn perform(&self, request: &Request) -> Done {
        match request {
            Request::Status => Ok(self.status()),
            Request::Clients(address) => Ok(self.clients(*address)),
            Request::Keys => Ok(self.keys()),
            Request::Sessions => Ok(self.sessions()),
            Request::Reset(address) => self.reset(*address),
            Request::Block { network, seconds, force } => self.block(*network, *seconds, *force),
            Request::Unblock(network) => self.unblock(*network),
            Request::Rotate { id, pem, issuer, retire } => {
                let retire = retire.as_ref().map(|(old, after)| (old.as_str(), *after));
                self.rotate((id, pem), issuer.as_deref(), retire)
            }
            Request::Retire { id, issuer, after } => self.retire(id, issuer.as_deref(), *after),
            Request::RevokeKeys(owner) => self.revoke_keys(owner),
            Request::RevokeToken { id, issuer } => self.revoke_token(id, issuer.as_deref()),
            Request::RevokeTokensOf { user, issuer } => {
                self.revoke_tokens_of(user, issuer.as_deref())
            }
            Request::RevokeSessions(owner) => self.revoke_sessions(owner),
            Request::LogLevel(level) => {
                log::set_max_level(*level);
                Ok(json!({ "level": level.as_str().to_ascii_lowercase() }))
            }
            Request::Reload => self.reload(),
        }
    }

    fn record(
        &self,
        peer: AdminPeer,
        request: Option<&Request>,
        outcome: &str,
        reason: Option<&str>,
    ) {
        let accounts = Accounts::read(&SystemSources);
        let target = request.and_then(|request| request.target(outcome == "success"));
        let record = Record::of_administration(|object| {
            object
                .optional_text("user", accounts.name_of(peer.user))
                .number("uid", u64::from(peer.user))
                .optional_text("command", request.map(Request::command))
                .optional_text("target", target.as_deref())
                .text("outcome", outcome)
                .optional_text("reason", reason);
        });
        if !self.services.audit.record(record) {
            self.services.counters.audit_records_lost.increment();
        }
    }
}

impl Desk for Administration {
    fn right_of(&self, peer: AdminPeer) -> Option<Right> {
        let own = rustix::process::geteuid().as_raw();
        self.settings.load().right_of(peer.user, peer.group, own)
    }

    fn answer(&mut self, line: &[u8], peer: AdminPeer, right: Right) -> Vec<u8> {
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err(wrong) => return self.refuse(peer, &wrong),
        };
        if request.needs() > right {
            let why = "you may look here, and not act";
            self.record(peer, Some(&request), "refused", Some(why));
            return failure(why);
        }
        let is_act = request.needs() == Right::Act;
        if is_act && !self.services.audit.is_able() {
            return failure("the audit log cannot be written, and nothing is done unrecorded");
        }
        let done = self.perform(&request);
        if is_act {
            let (outcome, reason) = match &done {
                Ok(_) => ("success", None),
                Err(why) => ("error", Some(why.as_str())),
            };
            self.record(peer, Some(&request), outcome, reason);
            let target = request.target(done.is_ok()).unwrap_or_default();
            let (what, user) = (format!("{} {target}", request.command()), peer.user);
            log::info!("user {user} at the control socket: {}: {outcome}", what.trim_end());
        }
        match done {
            Ok(result) => success(&result),
            Err(why) => failure(&why),
        }
    }

    fn refuse(&mut self, peer: AdminPeer, why: &str) -> Vec<u8> {
        self.record(peer, None, "refused", Some(why));
        failure(why)
    }
}

fn success(result: &Value) -> Vec<u8> {
    json!({ "ok": true, "result": result }).to_string().into_bytes()
}

fn failure(why: &str) -> Vec<u8> {
    json!({ "ok": false, "error": why }).to_string().into_bytes()
}
