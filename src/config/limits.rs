//! Reads `[limits]`, `[validation]` and `[rate_limiting]`; it must never leave a bound out.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::rates::{self, RATES};
use super::reader::Reader;
use super::value::Value;
use crate::connection::settings::Limits;
use crate::guard::settings::{Authorization, RateLimiting, Validation};
use crate::guard::validate::uri::is_scheme;
use crate::mcp::settings::{CallSettings, SessionSettings, TaskSettings};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Reads `[limits]`. A bound per user or address is never above that for all of them.
pub(super) fn limits(
    reader: &mut Reader<'_>,
) -> (Limits, SessionSettings, CallSettings, TaskSettings) {
    let max_connections = reader.integer_in("max_connections", 1..=1_000_000, 10_000);
    let max_sessions = reader.integer_in("max_sessions", 1..=1_000_000, 10_000);
    let max_calls = reader.integer_in("calls", 1..=100_000, 1024);
    let head_bytes = reader.integer_in("head_bytes", KIB..=MIB, 16 * KIB);
    let connections = Limits {
        max_connections,
        max_connections_per_address: share(
            reader,
            "max_connections_per_address",
            max_connections,
            1000,
        ),
        max_handshakes: share(reader, "max_handshakes", max_connections, 1000),
        head_bytes,
        target_bytes: reader.integer_in(
            "target_bytes",
            256..=head_bytes,
            (8 * KIB).min(head_bytes),
        ),
        headers: reader.integer_in("headers", 8..=1000, 64),
        head_timeout: reader.milliseconds("head_timeout_ms", 100..=600_000, 10_000),
        body_timeout: reader.milliseconds("body_timeout_ms", 100..=3_600_000, 30_000),
        idle_timeout: reader.milliseconds("idle_timeout_ms", 100..=3_600_000, 75_000),
        write_stall: reader.milliseconds("write_stall_ms", 100..=3_600_000, 30_000),
        requests_per_connection: reader.integer_in(
            "requests_per_connection",
            0..=1_000_000_000,
            100_000,
        ),
        pipelined_requests: reader.integer_in("pipelined_requests", 1..=100_000, 64),
        buffered_bytes: reader.integer_in("buffered_bytes", MIB..=65_536 * MIB, 64 * MIB),
        stream_bytes: reader.integer_in("stream_bytes", 4 * KIB..=256 * MIB, MIB),
        keepalive: reader.seconds("keepalive_seconds", 1..=3600, 15),
    };
    let sessions = SessionSettings {
        max_sessions,
        max_sessions_per_user: share(reader, "max_sessions_per_user", max_sessions, 1000),
        idle: reader.seconds("session_idle_seconds", 1..=604_800, 1800),
        lifetime: reader.seconds("session_lifetime_seconds", 1..=31_536_000, 86_400),
        replay_bytes: reader.integer_in("replay_bytes", 0..=256 * MIB, 256 * KIB),
        subscriptions_per_user: reader.integer_in("subscriptions_per_user", 1..=100_000, 100),
    };
    let calls = CallSettings {
        max_calls,
        max_calls_per_user: share(reader, "calls_per_user", max_calls, 64),
        max_calls_per_tool: rates::calls_per_tool(reader, max_calls),
        timeout: reader.seconds("call_timeout_seconds", 1..=86_400, 300),
        input_timeout: reader.seconds("input_timeout_seconds", 1..=86_400, 600),
    };
    let max_tasks = reader.integer_in("max_tasks", 1..=100_000, 1000);
    let result_bytes = reader.integer_in("task_result_bytes", KIB..=4096 * MIB, 64 * MIB);
    let tasks = TaskSettings {
        max_tasks,
        max_tasks_per_user: share(reader, "max_tasks_per_user", max_tasks, 100),
        result_bytes,
        result_bytes_per_user: share(reader, "task_result_bytes_per_user", result_bytes, 16 * MIB),
        ttl: reader.seconds("task_seconds", 1..=604_800, 3600),
        poll: reader.milliseconds("task_poll_ms", 100..=600_000, 1000),
    };
    (connections, sessions, calls, tasks)
}

fn share(reader: &mut Reader<'_>, key: &'static str, whole: usize, default: usize) -> usize {
    reader.integer_in(key, 1..=whole, default.min(whole))
}

/// Reads `[validation]`.
pub(super) fn validation(reader: &mut Reader<'_>) -> Validation {
    let json_schema = reader.boolean("json_schema", true);
    Validation {
        json_schema,
        max_message_size: reader.integer_in("max_message_size", KIB..=256 * MIB, 10 * MIB),
        max_depth: reader.integer_in("max_depth", 4..=120, 64),
        max_nodes: reader.integer_in("max_nodes", 100..=10_000_000, 100_000),
        output_schema: reader.boolean("output_schema", true),
        reject_unknown_arguments: unknown_arguments(reader, json_schema),
        uri_schemes: uri_schemes(reader),
    }
}

fn unknown_arguments(reader: &mut Reader<'_>, json_schema: bool) -> bool {
    let rejects = reader.boolean("reject_unknown_arguments", false);
    if rejects && !json_schema {
        reader.context().error_at(
            &reader.path_of("reject_unknown_arguments"),
            "has no effect while arguments are not checked",
            "remove it, or json_schema = false",
        );
    }
    rejects
}

fn uri_schemes(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let items = reader.value("uri_schemes")?.items("[\"file\"]");
    let schemes = items.iter().filter_map(|item| {
        let scheme = item.string("a string")?;
        if !is_scheme(&scheme) {
            let what = format!("{} is no scheme of a URI", item.shown(&scheme));
            item.error(&what, "write for example \"file\", without a colon");
            return None;
        }
        Some(scheme)
    });
    Some(schemes.collect())
}

/// Reads `[rate_limiting]`; `authorization` says which roles there are.
pub(super) fn rate_limiting(
    reader: &mut Reader<'_>,
    authorization: &Authorization,
) -> RateLimiting {
    let rate = reader.number_in("max_attempts_per_second", RATES, 10.0);
    let roles = rates::roles(reader, &authorization.roles);
    let highest = roles.values().copied().fold(rate, f64::max);
    let per_address = reader.number_in(
        "address_attempts_per_second",
        0.001..=10_000_000.0,
        highest.max(rate * 10.0),
    );
    if highest > per_address {
        reader.context().warning_at(
            &reader.path_of("address_attempts_per_second"),
            &format!("{per_address} is less than the {highest} that one caller may ask"),
            "a caller mostly comes from one address: make it at least as much",
        );
    }
    RateLimiting {
        enabled: reader.boolean("enabled", true),
        max_attempts_per_second: rate,
        burst: reader.integer_in("burst", 1..=1_000_000, rounded_up(rate)),
        address_attempts_per_second: per_address,
        max_failures: reader.integer_in("max_failures", 1..=1000, 5),
        block_duration: reader.milliseconds("block_duration_ms", 1000..=86_400_000, 300_000),
        backoff_levels: backoff_levels(reader),
        exempt_networks: networks(reader, "exempt_networks"),
        roles,
        tools: rates::tools(reader),
        methods: rates::methods(reader),
        max_failures_per_minute: reader.integer_in("max_failures_per_minute", 0..=1_000_000, 100),
        limit_headers: reader.boolean("limit_headers", true),
    }
}

/// Reads networks or addresses; none if the key is absent.
pub(super) fn networks(reader: &mut Reader<'_>, key: &'static str) -> Vec<IpNet> {
    reader.items(key, "[\"10.0.0.0/8\"]").iter().filter_map(network).collect()
}

/// The least whole number that is not below `rate`, at least 1.
fn rounded_up(rate: f64) -> u32 {
    // The range of the rate ends at a million: the search is short, and no cast can lose a digit.
    let (mut low, mut high) = (1_u32, 1_000_000_u32);
    while low < high {
        let middle = low.midpoint(high);
        if f64::from(middle) < rate { low = middle.saturating_add(1) } else { high = middle }
    }
    low
}

fn backoff_levels(reader: &mut Reader<'_>) -> Vec<Duration> {
    const DEFAULT: [u64; 6] = [0, 1000, 2000, 4000, 8000, 16_000];
    let Some(value) = reader.value("backoff_levels") else {
        return DEFAULT.map(Duration::from_millis).to_vec();
    };
    let items = value.items("[0, 1000, 2000, 4000]");
    let levels: Vec<u64> =
        items.iter().filter_map(|item| item.integer_in(&(0..=3_600_000), 1000)).collect();
    if items.len() > 32 {
        value.error(&format!("has {} levels", items.len()), "give at most 32");
    }
    if !levels.is_sorted() {
        value.error("the waits get shorter", "write them in ascending order");
    }
    levels.into_iter().map(Duration::from_millis).collect()
}

pub(super) fn network(value: &Value<'_>) -> Option<IpNet> {
    let text = value.string("a string")?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(network) if network.trunc() == network => Some(network),
        Ok(network) => {
            let what = format!("{} is an address inside a network", value.shown(&text));
            value.error(&what, &format!("write {:?}", network.trunc().to_string()));
            None
        }
        Err(_) => {
            value.error(
                &format!("{} is no network", value.shown(&text)),
                "write for example \"10.0.0.0/8\"",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rounded_up;

    #[test]
    fn a_burst_is_the_rate_rounded_up() {
        assert_eq!(rounded_up(0.5), 1);
        assert_eq!(rounded_up(1.0), 1);
        assert_eq!(rounded_up(10.0), 10);
        assert_eq!(rounded_up(10.1), 11);
        assert_eq!(rounded_up(1_000_000.0), 1_000_000);
    }
}
