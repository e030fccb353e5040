//! From a configuration to the snapshot that requests are judged by.

use std::sync::Arc;

use super::administration::Orders;
use super::builder::{Extras, StartError};
use super::first_start::FirstKey;
use super::tls::revocation;
use super::watch::Watched;
use crate::backend::catalog::{Catalog, Checking};
use crate::backend::local::command::Launcher;
use crate::backend::local::command_tool::{self, CommandTool};
use crate::backend::local::file_resources::{FileProvider, RootProvider};
use crate::backend::local::host_tool;
use crate::backend::local::prompts::TemplatePrompt;
use crate::backend::settings::ResourceSettings;
use crate::config::Configuration;
use crate::connection::settings::HttpListener;
use crate::guard::authn::api_key::ApiKeys;
use crate::guard::authn::certificate::Certificates;
use crate::guard::authn::introspection::Introspection;
use crate::guard::authn::jwt::Tokens;
use crate::guard::authn::{Authentication, Proofs};
use crate::guard::authz::Policy;
use crate::guard::challenge::{Challenge, ProtectedResource};
use crate::guard::cors::Cors;
use crate::guard::gate::Endpoint;
use crate::guard::headers::security_headers;
use crate::guard::rate::RateLimiter;
use crate::guard::settings::{AuthenticationMethod, Jwt, Scheme};
use crate::mcp::definitions::Implementation;
use crate::mcp::legacy::table::SessionLimits;
use crate::mcp::methods::Permission;
use crate::mcp::outlet::OutletLimits;
use crate::pipeline::calls::tasks::TaskLimits;
use crate::pipeline::snapshot::{CallLimits, HttpFace, Identity, Snapshot};
use crate::proto::http1::HttpLimits;
use crate::proto::json::JsonLimits;

/// Bytes that a chunked body may spend on its framing.
const CHUNK_OVERHEAD: usize = 16 * 1024;

/// Makes the snapshot of a configuration.
///
/// `rate` is the counting of the configuration before, kept where its settings have not changed, so
/// that a reload frees nobody; of the `former` authentication it keeps what tags are made with, and
/// what issuers have told. What administrators have ordered stays in force.
pub(super) fn build(
    number: u64,
    configuration: &Configuration,
    first_key: Option<&FirstKey>,
    extras: &Extras,
    rate: Option<Arc<RateLimiter>>,
    former: Option<&Authentication>,
    orders: &Orders,
) -> Result<(Snapshot, Vec<Watched>), StartError> {
    let (catalog, watched) = catalog(configuration, extras)?;
    warn_of_idle_rules(configuration, &catalog);
    let limits = &configuration.limits;
    let validation = &configuration.validation;
    let outlet = OutletLimits { queued_bytes: limits.stream_bytes, replay_bytes: 0 };
    let sessions = &configuration.sessions;
    let snapshot = Snapshot {
        number,
        identity: identity(configuration),
        catalog,
        policy: Policy::new(&configuration.authorization),
        authentication: authentication(configuration, first_key, former, orders)?,
        rate: rate.unwrap_or_else(|| Arc::new(RateLimiter::new(&configuration.rate_limiting))),
        json: JsonLimits { depth: validation.max_depth, nodes: validation.max_nodes },
        message_bytes: validation.max_message_size,
        uri_schemes: validation.uri_schemes.clone(),
        http: http_face(configuration),
        websocket: websocket_face(configuration),
        sessions: SessionLimits {
            sessions: sessions.max_sessions,
            sessions_per_principal: sessions.max_sessions_per_user,
            idle: sessions.idle,
            lifetime: sessions.lifetime,
            outlet: OutletLimits { replay_bytes: sessions.replay_bytes, ..outlet },
        },
        outlet,
        calls: CallLimits {
            calls: configuration.calls.max_calls,
            calls_per_principal: configuration.calls.max_calls_per_user,
            bytes: configuration.limits.buffered_bytes,
            calls_per_tool: configuration.calls.max_calls_per_tool.clone(),
            timeout: configuration.calls.timeout,
            input_timeout: configuration.calls.input_timeout,
            subscriptions: sessions.subscriptions_per_user,
        },
        tasks: TaskLimits {
            tasks: configuration.tasks.max_tasks,
            tasks_per_principal: configuration.tasks.max_tasks_per_user,
            result_bytes: configuration.tasks.result_bytes,
            result_bytes_per_principal: configuration.tasks.result_bytes_per_user,
            ttl: configuration.tasks.ttl,
            poll: configuration.tasks.poll,
        },
    };
    Ok((snapshot, watched))
}

/// A rule that names a tool that is not there denies nothing, and its writer should know.
fn warn_of_idle_rules(configuration: &Configuration, catalog: &Catalog) {
    for rule in &configuration.authorization.rules {
        for pattern in rule.tools.iter().flatten() {
            if !catalog.tools().iter().any(|tool| pattern.matches(&tool.name)) {
                let (name, line) = (&rule.name, rule.line);
                log::warn!("line {line}: the rule {name:?} names a tool that is not there");
            }
        }
    }
}

fn identity(configuration: &Configuration) -> Identity {
    let server = &configuration.server;
    let info = Implementation {
        name: server.name.clone(),
        title: server.title.clone(),
        version: server.version.clone(),
    };
    Identity {
        info: info.to_json(),
        instructions: server.instructions.clone(),
        page_size: server.page_size,
    }
}

/// What callers can prove themselves with.
pub(super) fn authentication(
    configuration: &Configuration,
    first_key: Option<&FirstKey>,
    former: Option<&Authentication>,
    orders: &Orders,
) -> Result<Authentication, StartError> {
    let settings = &configuration.authentication;
    if !settings.enabled {
        return Ok(Authentication::off());
    }
    let mut keys = Vec::new();
    if settings.methods.contains(&AuthenticationMethod::ApiKey) {
        keys.clone_from(&settings.api_keys);
        keys.extend(first_key.map(FirstKey::entry));
    }
    let keys =
        ApiKeys::new(&keys, former.and_then(Authentication::tag_key), orders.revoked.prints())?;
    let former = former.and_then(Authentication::proofs);
    let has = |method| settings.methods.contains(&method);
    let jwt = settings.jwt.as_ref().filter(|_| has(AuthenticationMethod::Jwt));
    let tokens = jwt.map(|Jwt { issuers, leeway }| {
        let former = former.and_then(|former| former.tokens.as_ref());
        let tokens = Tokens::new(issuers.clone(), *leeway, former);
        tokens.with_rotated(Arc::clone(&orders.rotated))
    });
    let oauth2 = settings.oauth2.as_ref().filter(|_| has(AuthenticationMethod::OAuth2));
    let introspection = oauth2.map(|settings| {
        let former = former.and_then(|former| former.introspection.as_ref());
        let kept = former.filter(|former| former.is_by(settings)).map(Arc::clone);
        kept.unwrap_or_else(|| Arc::new(Introspection::new(settings.clone())))
    });
    let mtls = settings.mtls.as_ref().filter(|_| has(AuthenticationMethod::Mtls));
    let tls = configuration.network_tls();
    let certificates = match (mtls, tls) {
        (Some(mtls), Some(tls)) => Some(Certificates {
            mtls: mtls.clone(),
            revocations: revocation::load(&tls.revocation_lists)?,
        }),
        _ => None,
    };
    let proofs = Proofs { keys, tokens, introspection, certificates };
    Ok(Authentication::by(proofs).without(Arc::clone(&orders.revoked)))
}

/// What is told of the endpoint to those who need a token for it, if there is a place to get one.
fn protected_resource(configuration: &Configuration) -> Option<ProtectedResource> {
    let authentication = &configuration.authentication;
    let takes_tokens = [AuthenticationMethod::Jwt, AuthenticationMethod::OAuth2]
        .iter()
        .any(|method| authentication.methods.contains(method));
    let servers = &authentication.authorization_servers;
    if !authentication.enabled || !takes_tokens || servers.is_empty() {
        return None;
    }
    let server = &configuration.server;
    let mut issuers = authentication.jwt.iter().flat_map(|jwt| &jwt.issuers);
    Some(ProtectedResource {
        url: configuration.http.as_ref()?.public_url.clone()?,
        name: server.title.clone().unwrap_or_else(|| server.name.clone()),
        authorization_servers: servers.clone(),
        scopes: configuration.authorization.scopes.keys().cloned().collect(),
        has_bound_tokens: issuers.any(|issuer| issuer.requires_bound_tokens),
    })
}

/// The scope that a first token should have: the one that allows the least, and to look at all.
fn first_scope(configuration: &Configuration) -> Option<&str> {
    let scopes = configuration.authorization.scopes.iter();
    let reading = scopes.filter(|(_, gives)| gives.contains(&Permission::Read));
    reading.min_by_key(|(_, gives)| gives.len()).map(|(scope, _)| scope.as_str())
}

pub(super) fn http_face(configuration: &Configuration) -> Option<HttpFace> {
    Some(face(configuration, configuration.http.as_ref()?))
}

/// That of the listener for WebSocket alone.
pub(super) fn websocket_face(configuration: &Configuration) -> Option<HttpFace> {
    Some(face(configuration, configuration.websocket.as_ref()?))
}

fn face(configuration: &Configuration, listener: &HttpListener) -> HttpFace {
    let limits = &configuration.limits;
    let is_tls = listener.tls.is_some();
    let resource = protected_resource(configuration);
    let has_endpoint = listener.paths.endpoint.is_some();
    HttpFace {
        challenge: Challenge::new(resource.as_ref(), first_scope(configuration)),
        metadata: resource.as_ref().map(ProtectedResource::metadata),
        cors: Cors::new(&listener.surface),
        headers: security_headers(&configuration.security_headers, is_tls),
        endpoint: Endpoint {
            paths: listener.paths.clone(),
            metadata_path: resource.filter(|_| has_endpoint).map(|it| it.path().to_owned()),
            scheme: if is_tls { Scheme::Https } else { Scheme::Http },
            surface: listener.surface.clone(),
        },
        limits: HttpLimits {
            head_bytes: limits.head_bytes,
            target_bytes: limits.target_bytes,
            headers: limits.headers,
            body_bytes: configuration.validation.max_message_size,
            chunk_overhead_bytes: CHUNK_OVERHEAD,
        },
    }
}

/// The permission that a tool of the configuration needs, if there is one of this name.
pub(crate) fn permission_of_tool(configuration: &Configuration, name: &str) -> Option<Permission> {
    let commands = configuration.tools.iter().map(command_tool::definition);
    let host = configuration.host.enabled.then(|| host_tool::tools(&configuration.host));
    let mut all = commands.chain(host.into_iter().flatten().map(|(definition, _)| definition));
    all.find(|tool| tool.name == name).map(|tool| tool.permission)
}

fn catalog(
    configuration: &Configuration,
    extras: &Extras,
) -> Result<(Catalog, Vec<Watched>), StartError> {
    let checking = Checking {
        input: configuration.validation.json_schema,
        output: configuration.validation.output_schema,
        closes: configuration.validation.reject_unknown_arguments,
    };
    let mut catalog = Catalog::default();
    let mut watched = Vec::new();
    let launcher =
        Arc::new(Launcher { program: extras.launcher.clone(), prefix: vec!["jail".into()] });
    for settings in &configuration.tools {
        let handler = Arc::new(CommandTool::new(settings, Arc::clone(&launcher)));
        catalog.add_tool(&command_tool::definition(settings), handler, false, checking)?;
    }
    if configuration.host.enabled {
        for (definition, handler) in host_tool::tools(&configuration.host) {
            catalog.add_tool(&definition, Arc::new(handler), false, checking)?;
        }
    }
    for settings in &configuration.prompts {
        let prompt = TemplatePrompt::new(settings.clone());
        catalog.add_prompt(&prompt.definition(), Arc::new(prompt))?;
    }
    for settings in &configuration.resources {
        match settings {
            ResourceSettings::File(file) => {
                let provider = FileProvider::open(file);
                let provider = provider.map_err(|e| StartError::resource(&file.file, &e))?;
                let provider = Arc::new(provider);
                if file.watch {
                    watched.push(Watched::File(Arc::clone(&provider)));
                }
                catalog.add_resources(provider);
            }
            ResourceSettings::Root(root) => {
                let provider = RootProvider::open(root);
                let provider = provider.map_err(|e| StartError::resource(&root.root, &e))?;
                let provider = Arc::new(provider);
                if root.watch {
                    watched.push(Watched::Root(Arc::clone(&provider)));
                }
                catalog.add_resources(provider);
            }
        }
    }
    extras.offer(&mut catalog, checking)?;
    Ok((catalog, watched))
}
