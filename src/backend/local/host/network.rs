//! `host_network`: interfaces, their counters and addresses; it must never use an interface
//! name as a path before checking it.

use std::path::Path;

use serde_json::Value;

use super::addresses::{self, Addresses};
use super::schema::{self, Facts, optional, required};
use super::{HostSettings, HostTool, read, text};

pub(super) const NAME: &str = "host_network";

/// The most interfaces one call reports.
const MAX_INTERFACES: usize = 256;

/// The operational states of RFC 2863 as the kernel writes them.
const STATES: [&str; 7] =
    ["up", "down", "unknown", "dormant", "testing", "lowerlayerdown", "notpresent"];

/// The columns of `/proc/net/dev` that are reported, and the properties they become.
const COUNTERS: [(usize, &str, &str); 8] = [
    (0, "received_bytes", "Bytes received."),
    (1, "received_packets", "Packets received."),
    (2, "receive_errors", "Packets that arrived damaged."),
    (3, "receive_drops", "Packets that arrived and were dropped."),
    (8, "sent_bytes", "Bytes sent."),
    (9, "sent_packets", "Packets sent."),
    (10, "send_errors", "Packets that failed to be sent."),
    (11, "send_drops", "Packets dropped instead of being sent."),
];

pub(super) fn tool() -> HostTool {
    let counters = COUNTERS.map(|(_, name, text)| optional(name, schema::integer(text)));
    let interface = [
        required("name", schema::string("Name of the interface.")),
        optional("state", schema::choice("Operational state (RFC 2863).", STATES)),
        optional("mac_address", schema::string("Hardware address.")),
        optional("mtu_bytes", schema::integer("Largest packet the interface sends.")),
        optional("speed_megabits_per_second", schema::integer("Speed of the link.")),
        optional(
            "ipv4_addresses",
            schema::array(
                "Addresses of this host to which this interface's direct route leads.",
                schema::string("An IPv4 address."),
            ),
        ),
        optional(
            "ipv6_addresses",
            schema::array("Addresses with prefix length.", schema::string("An IPv6 address.")),
        ),
    ];
    let interface = schema::object(interface.into_iter().chain(counters));
    HostTool {
        name: NAME,
        title: "Host network",
        description: "Reports this machine's network interfaces: state, addresses, speed, and \
                      the traffic, errors and drops since each interface came up.",
        input_schema: schema::root([]),
        output_schema: schema::root([
            required("interfaces", schema::array("The interfaces.", interface)),
            optional(
                "other_ipv4_addresses",
                schema::array(
                    "IPv4 addresses of this host that belong to no one interface for certain.",
                    schema::string("An IPv4 address."),
                ),
            ),
        ]),
    }
}

pub(super) fn call(settings: &HostSettings) -> Value {
    let class = settings.sys_root.join("class/net");
    let mut addresses = addresses::read(&settings.proc_root);
    let table = read::text(&settings.proc_root.join("net/dev")).unwrap_or_default();
    let mut interfaces: Vec<Value> = counter_lines(&table)
        .take(MAX_INTERFACES)
        .map(|(name, counters)| describe(name, counters, &class, &mut addresses))
        .collect();
    if interfaces.is_empty() {
        let names = read::names(&class, MAX_INTERFACES);
        interfaces.extend(names.iter().map(|name| describe(name, "", &class, &mut addresses)));
    }
    let mut facts = Facts::default();
    facts.put("interfaces", interfaces);
    facts.put_filled("other_ipv4_addresses", addresses.other_ipv4());
    facts.into()
}

/// The lines behind the two of the header, as name and counters. Old kernels put no space behind
/// the colon; the counters hold none, so the last colon ends the name.
fn counter_lines(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.lines().filter_map(|line| line.rsplit_once(':'));
    lines.map(|(name, counters)| (name.trim(), counters)).filter(|(name, _)| !name.is_empty())
}

fn describe(name: &str, counters: &str, class: &Path, addresses: &mut Addresses) -> Value {
    let mut facts = Facts::default();
    facts.put("name", text::escape(name.as_bytes()));
    if !name.contains('/') && !matches!(name, "." | "..") {
        put_link(&mut facts, &class.join(name));
    }
    let counters: Vec<Option<u64>> =
        counters.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    for (column, property, _) in COUNTERS {
        facts.put_known(property, counters.get(column).copied().flatten());
    }
    facts.put_filled("ipv4_addresses", addresses.take_ipv4(name));
    facts.put_filled("ipv6_addresses", addresses.take_ipv6(name));
    facts.into()
}

fn put_link(facts: &mut Facts, directory: &Path) {
    let state = read::line(&directory.join("operstate"));
    facts.put_known("state", state.filter(|state| STATES.contains(&state.as_str())));
    let mac = read::line(&directory.join("address"));
    // Interfaces without hardware show zeros.
    let mac = mac.filter(|mac| mac.contains(|digit| !matches!(digit, '0' | ':')));
    facts.put_known("mac_address", mac.map(|mac| text::escape(mac.as_bytes())));
    facts.put_known("mtu_bytes", read::number::<u64>(&directory.join("mtu")));
    // An unknown speed is -1, which is no u64; old drivers give it as the largest u32, or 0.
    let speed = read::number::<u64>(&directory.join("speed"));
    let speed = speed.filter(|speed| (1..u64::from(u32::MAX)).contains(speed));
    facts.put_known("speed_megabits_per_second", speed);
}

pub(super) fn summary(structured: &Value) -> String {
    let rows: Vec<[String; 8]> = text::items(structured, "interfaces")
        .iter()
        .map(|interface| {
            let pair = |left: &str, right: &str| {
                format!("{}/{}", text::cell(interface, left), text::cell(interface, right))
            };
            [
                text::cell(interface, "name"),
                text::cell(interface, "state"),
                text::bytes_cell(interface, "received_bytes"),
                text::bytes_cell(interface, "sent_bytes"),
                pair("receive_errors", "send_errors"),
                pair("receive_drops", "send_drops"),
                text::list_cell(interface, "ipv4_addresses"),
                text::list_cell(interface, "ipv6_addresses"),
            ]
        })
        .collect();
    let header = ["NAME", "STATE", "RECEIVED", "SENT", "ERRORS", "DROPS", "IPV4", "IPV6"];
    let mut out = text::table(header, &rows);
    if structured.get("other_ipv4_addresses").is_some() {
        out.push_str("other IPv4 addresses: ");
        out.push_str(&text::list_cell(structured, "other_ipv4_addresses"));
        out.push('\n');
    }
    out
}
