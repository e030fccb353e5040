//! Finds the IP addresses of interfaces in procfs; it must never assign an address to an
//! interface on an ambiguous route.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde_json::Value;

use super::read;

/// The most addresses of each family and the most direct routes that are kept.
const MAX_ADDRESSES: usize = 1_024;
const MAX_ROUTES: usize = 1_024;

/// `RTF_GATEWAY` of linux/route.h: the route leads elsewhere, not to a neighbour.
const ROUTE_VIA_GATEWAY: u32 = 2;

/// The addresses that no interface has taken yet.
pub(super) struct Addresses {
    ipv4: Vec<Ipv4Addr>,
    ipv6: Vec<(String, String)>,
    routes: Vec<Route>,
}

/// A route to a network this host is attached to.
struct Route {
    interface: String,
    network: u32,
    mask: u32,
}

/// Reads both families. IPv4 addresses come without their interface: the table of local
/// addresses has none, and the direct routes supply it.
pub(super) fn read(proc_root: &Path) -> Addresses {
    let net = proc_root.join("net");
    let text = |name: &str| read::text(&net.join(name)).unwrap_or_default();
    let mut routes =
        vec![Route { interface: "lo".to_owned(), network: 0x7f00_0000, mask: 0xff00_0000 }];
    routes.extend(text("route").lines().filter_map(parse_route).take(MAX_ROUTES));
    Addresses {
        ipv4: local_ipv4(&text("fib_trie")),
        ipv6: text("if_inet6").lines().filter_map(parse_ipv6).take(MAX_ADDRESSES).collect(),
        routes,
    }
}

impl Addresses {
    /// Takes the IPv4 addresses of one interface.
    pub(super) fn take_ipv4(&mut self, interface: &str) -> Vec<Value> {
        let routes = &self.routes;
        let is_its_own = |address: &mut Ipv4Addr| owner(routes, *address) == Some(interface);
        self.ipv4.extract_if(.., is_its_own).map(|address| address.to_string().into()).collect()
    }

    /// Takes the IPv6 addresses of one interface.
    pub(super) fn take_ipv6(&mut self, interface: &str) -> Vec<Value> {
        let taken = self.ipv6.extract_if(.., |(owner, _)| owner == interface);
        taken.map(|(_, address)| address.into()).collect()
    }

    /// The IPv4 addresses that are left.
    pub(super) fn other_ipv4(&self) -> Vec<Value> {
        self.ipv4.iter().map(|address| address.to_string().into()).collect()
    }
}

/// The interface of the most specific direct route that covers an address; `None` when there is
/// none, or when two interfaces have one equally specific, as on one network over two links.
fn owner(routes: &[Route], address: Ipv4Addr) -> Option<&str> {
    let covers = |route: &&Route| address.to_bits() & route.mask == route.network;
    let longest = routes.iter().filter(covers).map(|route| route.mask).max()?;
    let mut owners = routes.iter().filter(covers).filter(|route| route.mask == longest);
    let owner = owners.next()?.interface.as_str();
    owners.all(|route| route.interface == owner).then_some(owner)
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, three counters, mask.
/// The addresses are hexadecimal words in the machine's byte order, of an address that stands in
/// memory in network order. Routes through a gateway and the default route are left out.
fn parse_route(line: &str) -> Option<Route> {
    let mut fields = line.split_ascii_whitespace();
    let interface = fields.next()?.to_owned();
    let word = |field: Option<&str>| u32::from_str_radix(field?, 16).ok();
    let network = u32::from_be(word(fields.next())?);
    let flags = word(fields.nth(1))?;
    let mask = u32::from_be(word(fields.nth(3))?);
    let direct = flags & ROUTE_VIA_GATEWAY == 0 && mask != 0;
    direct.then_some(Route { interface, network, mask })
}

/// The addresses of this host in the kernel's routing trie: each `|-- ADDRESS` line heads the
/// lines of its routes, and `/32 host LOCAL` among them marks the host's own.
fn local_ipv4(trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut current: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            current = leaf.parse().ok();
        } else if line == "/32 host LOCAL" && addresses.len() < MAX_ADDRESSES {
            addresses.extend(current);
        }
    }
    // The local and the main table share a trie unless rules part them, and then show it twice.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// A line of `/proc/net/if_inet6`: address, interface index, prefix length, scope, flags, name.
fn parse_ipv6(line: &str) -> Option<(String, String)> {
    let mut fields = line.split_ascii_whitespace();
    let address = fields.next().filter(|digits| digits.len() == 32)?;
    let address = Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?);
    let prefix = u8::from_str_radix(fields.nth(1)?, 16).ok().filter(|bits| *bits <= 128)?;
    Some((fields.nth(2)?.to_owned(), format!("{address}/{prefix}")))
}
