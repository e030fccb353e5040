//! Network interfaces.

use serde_json::json;

use super::Host;

#[test]
fn the_network_shows_links_counters_and_addresses() {
    let host = Host::new()
        .with(
            "proc/net/dev",
            "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 \
             0 0\n  eth0:100 2 3 4 0 0 0 0 900 10 11 12 0 0 0 0\n  wg0: 5\n",
        )
        .with("sys/class/net/eth0/operstate", "up\n")
        .with("sys/class/net/eth0/address", "02:00:00:00:00:01\n")
        .with("sys/class/net/eth0/mtu", "1500\n")
        .with("sys/class/net/eth0/speed", "1000\n")
        .with("sys/class/net/lo/address", "00:00:00:00:00:00\n")
        .with("sys/class/net/lo/operstate", "strange\n")
        .with("sys/class/net/wg0/speed", "-1\n")
        .with(
            "proc/net/if_inet6",
            "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nshort 04 40 20 80 eth0\n",
        )
        .with("proc/net/route", {
            let word = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
            let line = |name: &str, network, mask, flags: &str| {
                let zero = word([0; 4]);
                format!("{name}\t{}\t{zero}\t{flags}\t0\t0\t0\t{}\t0\n", word(network), word(mask))
            };
            line("Iface", [0; 4], [0; 4], "x")
                + &line("eth0", [0; 4], [0; 4], "0001")
                + &line("eth0", [192, 0, 2, 0], [255, 255, 255, 0], "0001")
                + &line("wg0", [192, 0, 2, 128], [255, 255, 255, 128], "0001")
                + &line("eth0", [198, 51, 100, 0], [255, 255, 255, 0], "0001")
                + &line("wg0", [198, 51, 100, 0], [255, 255, 255, 0], "0001")
                + &line("eth0", [203, 0, 113, 0], [255, 255, 255, 0], "0003")
        })
        .with("proc/net/fib_trie", {
            let mut trie = String::from("Main:\n  |-- 192.0.2.0\n     /24 link UNICAST\n");
            for address in ["127.0.0.1", "192.0.2.2", "192.0.2.200", "198.51.100.1", "203.0.113.1"]
            {
                trie += &format!("     |-- {address}\n        /32 host LOCAL\n");
            }
            trie.clone() + &trie
        });
    let network = host.call("host_network", json!({}));
    let interfaces = &network["interfaces"];
    assert_eq!(
        interfaces[1],
        json!({
            "name": "eth0", "state": "up", "mac_address": "02:00:00:00:00:01",
            "mtu_bytes": 1500, "speed_megabits_per_second": 1000,
            "received_bytes": 100, "received_packets": 2, "receive_errors": 3,
            "receive_drops": 4, "sent_bytes": 900, "sent_packets": 10, "send_errors": 11,
            "send_drops": 12,
            "ipv4_addresses": ["192.0.2.2"], "ipv6_addresses": ["fe80::fc:ff:fe00:1/64"],
        })
    );
    assert_eq!(interfaces[0]["ipv4_addresses"], json!(["127.0.0.1"]));
    assert_eq!(interfaces[0].get("mac_address"), None);
    assert_eq!(interfaces[0].get("state"), None);
    assert_eq!(
        interfaces[2],
        json!({"name": "wg0", "received_bytes": 5, "ipv4_addresses": ["192.0.2.200"]})
    );
    assert_eq!(network["other_ipv4_addresses"], json!(["198.51.100.1", "203.0.113.1"]));
}

#[test]
fn interfaces_come_from_sysfs_when_procfs_has_no_table() {
    let host = Host::new()
        .with("sys/class/net/eth1/operstate", "down\n")
        .with("sys/class/net/eth1/speed", "4294967295\n");
    let network = host.call("host_network", json!({}));
    assert_eq!(network["interfaces"], json!([{"name": "eth1", "state": "down"}]));
}

#[test]
fn an_interface_name_leads_to_no_other_directory() {
    let host = Host::new()
        .with("proc/net/dev", "../../secret: 1\n..: 1\n")
        .with("sys/class/net/lo/mtu", "1")
        .with("sys/secret/mtu", "7")
        .with("sys/class/mtu", "7");
    let network = host.call("host_network", json!({}));
    assert_eq!(network["interfaces"][0], json!({"name": "../../secret", "received_bytes": 1}));
    assert_eq!(network["interfaces"][1], json!({"name": "..", "received_bytes": 1}));
}
