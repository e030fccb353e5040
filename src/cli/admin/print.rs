//! Answers of a server as text for people.

use serde_json::Value;

use crate::cli::text::{moment, plain};

/// The result of a command.
pub(super) fn readable(command: &str, result: &Value) -> String {
    match command {
        "status" => status(result),
        "clients" if result.get("clients").is_some() => clients(result),
        "clients" => client(result),
        "keys list" => keys(result),
        "sessions list" => sessions(result),
        _ => format!("{}\n", done(command, result)),
    }
}

fn done(command: &str, result: &Value) -> String {
    let text = |name: &str| word(result.get(name));
    let time = |name: &str| result.get(name).and_then(Value::as_u64).map(moment);
    match command {
        "reset" if result["had_failures"] == true => "its failures are forgotten".into(),
        "reset" => "it had no failures".into(),
        "block" => match time("until") {
            Some(until) => format!("{} is blocked until {until}", text("network")),
            None => format!("{} is blocked", text("network")),
        },
        "unblock" => format!("{} is not blocked any more", text("network")),
        "keys rotate" => match time("retires") {
            Some(at) => format!("{} is in use; the old key retires at {at}", text("id")),
            None => format!("{} is in use", text("id")),
        },
        "keys retire" => {
            format!("{} retires at {}", text("id"), time("retires").unwrap_or_default())
        }
        "keys revoke" => format!("revoked: {} API keys", text("revoked")),
        "tokens revoke" => match (time("until"), time("before")) {
            (_, Some(before)) => format!("all tokens issued until {before} are revoked"),
            (Some(until), None) => format!("revoked; the token would have been over at {until}"),
            (None, None) => "revoked; when the token is over is not known here".into(),
        },
        "sessions revoke" => format!("ended: {} sessions", text("revoked")),
        "log-level" => format!("the log tells from {} on", text("level")),
        "reload" => format!("configuration {} is in force", text("configuration")),
        _ => plain(&result.to_string()),
    }
}

fn status(result: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<18} {value}\n"));
    for (name, key) in [
        ("version", "version"),
        ("process", "pid"),
        ("uptime", "uptime_seconds"),
        ("configuration", "configuration"),
        ("log level", "log_level"),
        ("connections", "connections"),
        ("sessions", "sessions"),
        ("event streams", "event_streams"),
        ("calls", "calls"),
        ("tasks", "tasks"),
        ("audit log", "audit"),
        ("rotated keys", "rotated_keys"),
    ] {
        let value = word(result.get(key));
        let unit = if key == "uptime_seconds" { " s" } else { "" };
        line(name, format!("{value}{unit}"));
    }
    for (kind, count) in members(result.get("revoked")) {
        line(&format!("revoked {}", kind.replace('_', " ")), word(Some(count)));
    }
    line("blocked networks", word(result.get("blocked_networks")));
    for block in items(result.get("blocks")) {
        let until = block["until"].as_u64().map(|until| format!(" until {}", moment(until)));
        let network = word(block.get("network"));
        line("", format!("{network}{}", until.unwrap_or_default()));
    }
    let moved = members(result.get("counters")).filter(|(_, value)| value.as_u64() != Some(0));
    for (name, value) in moved {
        line(name, word(Some(value)));
    }
    text
}

fn client(result: &Value) -> String {
    let blocked = if result["blocked"] == true { "yes" } else { "no" };
    format!(
        "address            {}\nfailures           {}\nlocked out for     {} ms\n\
         requests left      {}\nblocked            {blocked}\n",
        word(result.get("address")),
        word(result.get("failures")),
        word(result.get("locked_out_ms")),
        word(result.get("tokens")),
    )
}

fn clients(result: &Value) -> String {
    let rows = items(result.get("clients")).map(|one| {
        let locked_out = format!("{} ms", word(one.get("locked_out_ms")));
        [word(one.get("network")), word(one.get("failures")), locked_out]
    });
    table(["network", "failures", "locked out for"], rows, "nobody has failures that count")
}

fn keys(result: &Value) -> String {
    let api = items(result.get("api_keys")).map(|key| {
        let expires = key["expires"].as_u64().map(moment).unwrap_or_else(|| "never".into());
        let state = if key["revoked"] == true { "revoked".into() } else { expires };
        [word(key.get("label")), word(key.get("user")), state]
    });
    let public = items(result.get("public_keys")).map(|key| {
        let retires = key["retires"].as_u64().map(|at| format!("retires {}", moment(at)));
        let from = word(key.get("from"));
        [word(key.get("id")), word(key.get("issuer")), retires.unwrap_or(from)]
    });
    let api = table(["label of API key", "user", "expires"], api, "there are no API keys");
    let public = table(["id of public key", "issuer", "from"], public, "there are no public keys");
    format!("{api}\n{public}")
}

fn sessions(result: &Value) -> String {
    let rows = items(result.get("sessions")).map(|one| {
        let seconds = |name: &str| one[name].as_u64().map(|it| format!("{it} s"));
        [
            word(one.get("handle")),
            word(one.get("user")),
            word(one.get("authentication")),
            word(one.get("revision")),
            seconds("age_seconds").unwrap_or_default(),
            seconds("idle_seconds").unwrap_or_else(|| "-".into()),
        ]
    });
    let head = ["handle", "user", "authentication", "revision", "age", "idle"];
    let text = table(head, rows, "there are no sessions");
    let told = items(result.get("sessions")).count();
    match result["count"].as_u64().and_then(|count| usize::try_from(count).ok()) {
        Some(count) if count > told => format!("{text}and {} more\n", count - told),
        _ => text,
    }
}

/// Columns as wide as what stands in them; `nothing` if there is no row.
fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    nothing: &str,
) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    let all: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

fn word(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => plain(&text.replace('\n', " ")),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_cannot_write_to_the_terminal() {
        let result =
            json!({ "count": 1, "sessions": [{ "handle": "0a", "user": "a\u{1b}[2J\nb" }] });
        let text = readable("sessions list", &result);
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text:?}");
    }

    #[test]
    fn columns_stand_below_one_another() {
        let result = json!({ "clients": [
            { "network": "2001:db8::/64", "failures": 12, "locked_out_ms": 0 },
            { "network": "203.0.113.7/32", "failures": 3, "locked_out_ms": 9_000 },
        ] });
        assert_eq!(
            readable("clients", &result),
            "network         failures  locked out for\n\
             2001:db8::/64   12        0 ms\n\
             203.0.113.7/32  3         9000 ms\n"
        );
        assert_eq!(
            readable("clients", &json!({ "clients": [] })),
            "nobody has failures that count\n"
        );
    }

    #[test]
    fn times_are_told_as_dates() {
        let blocked = json!({ "network": "203.0.113.0/24", "until": 951_782_400 });
        let told = readable("block", &blocked);
        assert_eq!(told, "203.0.113.0/24 is blocked until 2000-02-29T00:00:00Z\n");
    }
}
