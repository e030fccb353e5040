//! Temperatures and pressure stall information; it must never report a reading that the kernel
//! refused.

use std::path::Path;

use serde_json::Value;

use super::read;
use super::schema::{self, Facts, optional, required};
use super::text;

/// The most directories looked at and the most readings reported.
const MAX_SENSORS: usize = 64;

/// Readings outside this range come from sensors that are absent or asleep.
const PLAUSIBLE_MILLIDEGREES: std::ops::RangeInclusive<i32> = -100_000..=300_000;

pub(super) fn temperature_schema() -> Value {
    let reading = schema::object([
        required("sensor", schema::string("What is measured, as the driver names it.")),
        required("temperature_celsius", schema::number("Temperature.")),
    ]);
    schema::array("Temperatures; absent on machines without sensors.", reading)
}

/// The readings of thermal zones and of hardware monitors, without counting a sensor twice.
pub(super) fn temperatures(sys_root: &Path) -> Vec<Value> {
    let mut readings = Vec::new();
    let zones = sys_root.join("class/thermal");
    for zone in read::names(&zones, MAX_SENSORS) {
        if zone.starts_with("thermal_zone") {
            let zone_path = zones.join(&zone);
            let sensor = read::line(&zone_path.join("type")).unwrap_or(zone);
            push_reading(&mut readings, &zone_path.join("temp"), &sensor);
        }
    }
    let monitors = sys_root.join("class/hwmon");
    for monitor in read::names(&monitors, MAX_SENSORS) {
        let monitor_path = monitors.join(&monitor);
        // A thermal zone shows itself as a monitor too; its device is the zone.
        if !monitor_path.join("device/temp").exists() {
            monitor_temperatures(&mut readings, &monitor_path, monitor);
        }
    }
    readings
}

fn monitor_temperatures(readings: &mut Vec<Value>, monitor: &Path, directory: String) {
    let chip = read::line(&monitor.join("name")).unwrap_or(directory);
    for file in read::names(monitor, MAX_SENSORS * 8) {
        let Some(channel) = file.strip_suffix("_input") else { continue };
        if !channel.starts_with("temp") {
            continue;
        }
        let label = read::line(&monitor.join(format!("{channel}_label")));
        let sensor = format!("{chip} {}", label.as_deref().unwrap_or(channel));
        push_reading(readings, &monitor.join(&file), &sensor);
    }
}

fn push_reading(readings: &mut Vec<Value>, path: &Path, sensor: &str) {
    let Some(millidegrees) = read::number(path) else { return };
    if readings.len() < MAX_SENSORS && PLAUSIBLE_MILLIDEGREES.contains(&millidegrees) {
        let mut facts = Facts::default();
        facts.put("sensor", text::escape(sensor.as_bytes()));
        facts.put("temperature_celsius", f64::from(millidegrees) / 1_000.0);
        readings.push(facts.into());
    }
}

/// The kernel's pressure files, its keys, and the properties they become
/// (Documentation/accounting/psi.rst).
const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];
const AVERAGES: [(&str, &str, &str); 6] = [
    ("some", "avg10=", "some_10_seconds_percent"),
    ("some", "avg60=", "some_60_seconds_percent"),
    ("some", "avg300=", "some_300_seconds_percent"),
    ("full", "avg10=", "full_10_seconds_percent"),
    ("full", "avg60=", "full_60_seconds_percent"),
    ("full", "avg300=", "full_300_seconds_percent"),
];

pub(super) fn pressure_schema() -> Value {
    let averages = AVERAGES.iter().map(|(who, _, name)| {
        optional(
            name,
            schema::number(if *who == "some" {
                "Share of the last seconds in which at least one task waited."
            } else {
                "Share of the last seconds in which all tasks waited at once."
            }),
        )
    });
    let resource = required("resource", schema::choice("What tasks waited for.", RESOURCES));
    schema::array(
        "Pressure stall information; absent on kernels without it.",
        schema::object(averages.chain([resource])),
    )
}

/// Pressure stall information, one item for each resource the kernel accounts.
pub(super) fn pressure(proc_root: &Path) -> Vec<Value> {
    let mut resources = Vec::new();
    for resource in RESOURCES {
        let Some(text) = read::text(&proc_root.join("pressure").join(resource)) else { continue };
        let mut facts = Facts::default();
        facts.put("resource", resource);
        for (who, key, name) in AVERAGES {
            facts.put_known(name, average(&text, who, key));
        }
        resources.push(facts.into());
    }
    resources
}

fn average(text: &str, who: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(who))?;
    let value = line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key))?;
    value.parse().ok().filter(|value: &f64| value.is_finite())
}
