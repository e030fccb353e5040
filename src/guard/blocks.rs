//! Networks that an administrator has blocked. It decides nothing by itself and forgets nobody
//! before their time; where nobody is blocked it costs one look at a flag.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;

/// A network and until when it is blocked, in seconds since 1970; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The network, without bits of a host.
    pub network: IpNet,
    /// When it is over.
    pub until: Option<u64>,
}

impl Block {
    /// True if it is over at `unix_seconds`.
    pub fn is_over(&self, unix_seconds: u64) -> bool {
        self.until.is_some_and(|until| until <= unix_seconds)
    }
}

/// All blocked networks; see the module.
#[derive(Debug, Default)]
pub struct Blocks {
    has_any: AtomicBool,
    list: ArcSwap<List>,
}

#[derive(Debug, Default)]
struct List {
    blocks: HashMap<IpNet, Option<u64>>,
    /// The lengths of their prefixes: each is one look-up.
    lengths: BTreeSet<u8>,
}

impl Blocks {
    /// Puts another list in force.
    pub fn replace(&self, blocks: &[Block]) {
        let list = List {
            blocks: blocks.iter().map(|block| (block.network, block.until)).collect(),
            lengths: blocks.iter().map(|block| block.network.prefix_len()).collect(),
        };
        let has_any = !list.blocks.is_empty();
        self.list.store(std::sync::Arc::new(list));
        self.has_any.store(has_any, Ordering::Release);
    }

    /// True if an address is blocked; `unix_seconds` reads the clock, if it has to be read.
    pub fn hold(&self, address: IpAddr, unix_seconds: impl FnOnce() -> u64) -> bool {
        if !self.has_any.load(Ordering::Acquire) {
            return false;
        }
        let address = address.to_canonical();
        let (list, now) = (self.list.load(), unix_seconds());
        let is_in_force = |length: &u8| {
            let network = IpNet::new(address, *length).ok().map(|network| network.trunc());
            let until = network.and_then(|network| list.blocks.get(&network));
            until.is_some_and(|until| until.is_none_or(|until| now < until))
        };
        list.lengths.iter().any(is_in_force)
    }

    /// All that is not over, in order.
    pub fn list(&self, unix_seconds: u64) -> Vec<Block> {
        let list = self.list.load();
        let all =
            list.blocks.iter().map(|(network, until)| Block { network: *network, until: *until });
        let mut blocks: Vec<Block> = all.filter(|block| !block.is_over(unix_seconds)).collect();
        blocks.sort_unstable();
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(network: &str, until: Option<u64>) -> Block {
        Block { network: network.parse().unwrap(), until }
    }

    #[test]
    fn a_network_is_blocked_as_a_whole_and_until_its_time_is_over() {
        let blocks = Blocks::default();
        let holds = |address: &str, now| blocks.hold(address.parse().unwrap(), || now);
        assert!(!holds("203.0.113.7", 0));
        blocks.replace(&[
            block("203.0.113.0/24", Some(100)),
            block("198.51.100.9/32", None),
            block("2001:db8::/32", None),
        ]);
        for (address, now, expected) in [
            ("203.0.113.7", 99, true),
            ("203.0.113.7", 100, false),
            ("203.0.114.7", 0, false),
            ("::ffff:203.0.113.7", 0, true),
            ("198.51.100.9", 1_000, true),
            ("198.51.100.8", 0, false),
            ("2001:db8:1::1", 0, true),
            ("2001:db9::1", 0, false),
        ] {
            assert_eq!(holds(address, now), expected, "{address} at {now}");
        }
        assert_eq!(blocks.list(100).len(), 2, "what is over is not told of");
        blocks.replace(&[]);
        assert!(!holds("198.51.100.9", 0));
    }

    #[test]
    fn while_nobody_is_blocked_no_clock_is_read() {
        let blocks = Blocks::default();
        assert!(!blocks.hold("203.0.113.7".parse().unwrap(), || panic!("it was read")));
    }
}
