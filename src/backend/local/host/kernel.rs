//! What the kernel tells about the machine without procfs, by uname(2) and sysinfo(2): for an empty
//! root. It must never name a fact that these calls only approximate.

use rustix::system::{Sysinfo, sysinfo, uname};

use super::schema::Facts;
use super::status::LOADS;
use super::text;

/// Fixed-point loads have this many parts in a whole (SI_LOAD_SHIFT in linux/sysinfo.h).
const LOAD_PARTS: f64 = 65_536.0;

/// Sets the properties of `host_status` that need no file.
pub(super) fn put_facts(facts: &mut Facts) {
    let (name, system) = (uname(), sysinfo());
    facts.put("hostname", text::escape(name.nodename().to_bytes()));
    facts.put("kernel_release", text::escape(name.release().to_bytes()));
    facts.put_known("uptime_seconds", u64::try_from(system.uptime).ok());
    for ((name, _), load) in LOADS.iter().zip(system.loads) {
        facts.put_known(name, u32::try_from(u128::from(load)).ok().map(hundredths));
    }
    facts.put_known("memory_total_bytes", bytes(&system, system.totalram.into()));
    let swap = bytes(&system, system.totalswap.into()).filter(|total| *total > 0);
    facts.put_known("swap_total_bytes", swap);
    let free = bytes(&system, system.freeswap.into());
    facts.put_known(
        "swap_used_bytes",
        swap.zip(free).map(|(total, free)| total.saturating_sub(free)),
    );
}

/// A load as procfs writes it, with two decimals.
fn hundredths(load: u32) -> f64 {
    (f64::from(load) * 100.0 / LOAD_PARTS).round() / 100.0
}

fn bytes(system: &Sysinfo, units: u128) -> Option<u64> {
    u64::try_from(units.checked_mul(u128::from(system.mem_unit))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_two_decimals() {
        assert_eq!([0, 65_536, 98_304, 800].map(hundredths), [0.0, 1.0, 1.5, 0.01]);
    }
}
