//! Checks settings against one another; it must never let a contradiction pass as a default.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::Configuration;
use super::context::Context;
use super::outbound;
use super::tls::TlsTable;
use super::transports::{clash, is_loopback};
use crate::connection::settings::HttpListener;
use crate::guard::settings::AuthenticationMethod;

const HTTP: &str = "transports.http.listen";
const TCP: &str = "transports.tcp.listen";
const WEBSOCKET: &str = "transports.websocket.listen";

/// What one table says that another one makes wrong.
pub(super) fn check(
    context: &Context<'_>,
    settings: &Configuration,
    tls: &TlsTable,
    insecure_listeners: bool,
) {
    if !settings.stdio && !settings.has_network() {
        context.error_at(
            "transports",
            "there is no transport, so nobody could call",
            "add [transports.stdio], [transports.http] or [transports.tcp]",
        );
    }
    check_mtls(context, settings);
    outbound::check(context, &settings.authentication, &settings.outbound);
    let check = |path, addresses: &[SocketAddr], has_tls| {
        check_listener(context, settings, (path, addresses, has_tls), insecure_listeners);
    };
    if let Some(listener) = &settings.http {
        check(HTTP, &listener.addresses, listener.tls.is_some());
        warn_of_missing_names(context, HTTP, listener);
        warn_of_uncounted_proxies(context, settings, listener);
    }
    if let Some(listener) = &settings.tcp {
        check(TCP, &listener.addresses, listener.tls.is_some());
    }
    if let Some(listener) = &settings.websocket {
        check(WEBSOCKET, &listener.addresses, listener.tls.is_some());
        warn_of_missing_names(context, WEBSOCKET, listener);
        warn_of_uncounted_proxies(context, settings, listener);
    }
    let one = settings.validation.max_message_size;
    if settings.has_network() && settings.limits.buffered_bytes < one {
        context.error_at(
            "limits.buffered_bytes",
            "is less than one message may have (validation.max_message_size)",
            "write a multiple of that",
        );
    }
    check_addresses(context, settings);
    if !settings.has_network() {
        warn_of_idle_tables(context, settings, tls);
    }
    if tls.enabled && !tls.settings.verify_peer && !insecure_listeners {
        context.error_at(
            "tls.verify",
            "\"verify_none\" would accept any client certificate",
            "write verify = \"verify_peer\", or for tests development.insecure_listeners = true",
        );
    }
}

/// Certificates prove nothing unless clients are asked for them and an authority vouches for them.
fn check_mtls(context: &Context<'_>, settings: &Configuration) {
    let authentication = &settings.authentication;
    if !authentication.enabled || !authentication.methods.contains(&AuthenticationMethod::Mtls) {
        return;
    }
    let (what, remedy) = match settings.network_tls() {
        None => ("\"mtls\" proves nothing without TLS", "add [tls]"),
        Some(tls) if !tls.verify_peer || tls.client_authorities.is_none() => (
            "\"mtls\" proves nothing, for clients are not asked for certificates",
            "write for example tls.cacertfile = \"/etc/erlmcp/tls/ca.crt\"",
        ),
        Some(_) => return,
    };
    context.error_at("authentication.methods", what, remedy);
}

fn check_listener(
    context: &Context<'_>,
    settings: &Configuration,
    (path, addresses, has_tls): (&str, &[SocketAddr], bool),
    insecure_listeners: bool,
) {
    let mut beyond = addresses.iter().filter(|address| !is_loopback(address.ip()));
    let Some(address) = beyond.next() else { return };
    let switch = "or for tests development.insecure_listeners = true";
    if !has_tls && !insecure_listeners {
        let what = format!("{address} is reached from other hosts, and TLS is off");
        let remedy = format!("add [tls], or listen on 127.0.0.1, {switch}");
        context.error_at(path, &what, &remedy);
    }
    if !settings.authentication.enabled && !insecure_listeners {
        let what = format!("{address} is reached from other hosts, and authentication is off");
        let remedy =
            format!("write authentication.enabled = true, or listen on 127.0.0.1, {switch}");
        context.error_at(path, &what, &remedy);
    }
}

/// Two transports cannot listen at one address.
fn check_addresses(context: &Context<'_>, settings: &Configuration) {
    let of_http =
        |it: &Option<HttpListener>| it.iter().flat_map(|it| it.addresses.clone()).collect();
    let tcp = settings.tcp.iter().flat_map(|it| it.addresses.clone()).collect();
    let all: [(&str, Vec<SocketAddr>); 3] =
        [(HTTP, of_http(&settings.http)), (TCP, tcp), (WEBSOCKET, of_http(&settings.websocket))];
    for (at, (path, addresses)) in all.iter().enumerate() {
        for (other, taken) in all.iter().take(at) {
            let both = |one: &&SocketAddr| taken.iter().any(|other| clash(**one, *other));
            if let Some(address) = addresses.iter().find(both) {
                let other = other.trim_end_matches(".listen");
                let what = format!("{address} is an address of {other}, too");
                context.error_at(path, &what, "give one of them another port");
            }
        }
    }
}

fn warn_of_missing_names(context: &Context<'_>, path: &str, listener: &HttpListener) {
    if listener.addresses.iter().all(|address| is_loopback(address.ip())) {
        return;
    }
    let only_loopback_names = listener
        .surface
        .allowed_hosts
        .iter()
        .all(|pattern| matches!(pattern.host.as_str(), "localhost" | "127.0.0.1" | "[::1]"));
    if only_loopback_names {
        let table = path.trim_end_matches(".listen");
        let or = if path == HTTP { " or public_url" } else { "" };
        context.warning_at(
            path,
            "other hosts are answered under no name yet",
            &format!("name this host in {table}.allowed_hosts{or}"),
        );
    }
}

/// A request whose proxy names nobody counts as one of the proxy.
fn warn_of_uncounted_proxies(
    context: &Context<'_>,
    settings: &Configuration,
    listener: &HttpListener,
) {
    let exempt = &settings.rate_limiting.exempt_networks;
    let proxies = &listener.surface.proxies.trusted;
    let meet = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    if let Some(proxy) = proxies.iter().find(|proxy| exempt.iter().any(|one| meet(one, proxy))) {
        context.warning_at(
            "rate_limiting.exempt_networks",
            &format!("the trusted proxies of {proxy} would not be counted"),
            "whoever sends a header that names nobody would not be either: leave proxies out",
        );
    }
}

/// Warns of tables that guard a network where there is none.
fn warn_of_idle_tables(context: &Context<'_>, settings: &Configuration, tls: &TlsTable) {
    let idle = [("tls", tls.enabled), ("authentication", settings.authentication.enabled)];
    for (table, enabled) in idle {
        if enabled {
            let what = "has no effect without a network transport";
            context.warning_at(table, what, &format!("remove [{table}] or add [transports.http]"));
        }
    }
}
