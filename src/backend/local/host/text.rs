//! Turns raw facts into readable text; it must never let through a character that a terminal
//! obeys or a reader cannot see.

use std::fmt::Write as _;
use std::iter;

use serde_json::Value;

use crate::base::clock::Utc;

/// Kernel strings and log lines as text: bytes that are not UTF-8 are replaced, control and
/// invisible characters are written as escapes.
///
/// Backslashes stay as they are, so the escapes are for reading, not for decoding.
pub(super) fn escape(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => out.extend(character.escape_default()),
            _ if is_hidden(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}

/// Control characters, and those that change or hide the text around them: zero-width and
/// bidirectional marks, line separators, byte order marks and tag characters.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A number of bytes with a binary unit and one decimal, such as `1.5 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u32, &str); 5] =
        [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = UNITS.iter().find(|(shift, _)| count >> shift > 0);
    unit.map_or_else(
        || format!("{count} B"),
        |(shift, name)| {
            let tenths = (u128::from(count) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

/// A number of seconds in days, hours, minutes and seconds, the leading two parts only.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else if minutes > 0 {
        format!("{minutes} min {rest} s")
    } else {
        format!("{rest} s")
    }
}

/// Seconds since 1970 as an RFC 3339 time in UTC; `None` after the year 9999.
pub(super) fn timestamp(unix_seconds: u64) -> Option<String> {
    let utc = Utc::from_unix(unix_seconds);
    (utc.year <= 9999)
        .then(|| format!("{}T{:02}:{:02}:{:02}Z", utc.date(), utc.hour, utc.minute, utc.second))
}

/// A property of a structured result as plain text; `-` when it is absent.
pub(super) fn cell(object: &Value, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A property in bytes, with a unit; `-` when it is absent.
pub(super) fn bytes_cell(object: &Value, name: &str) -> String {
    object.get(name).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), bytes)
}

/// The items of an array property; none when it is absent.
pub(super) fn items<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The items of an array of strings, separated by commas; `-` when there are none.
pub(super) fn list_cell(object: &Value, name: &str) -> String {
    let mut out = String::new();
    for item in items(object, name) {
        let separator = if out.is_empty() { "" } else { ", " };
        let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        let _ = write!(out, "{separator}{text}");
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

/// Rows under a header, in columns as wide as their widest cell.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(str::len);
    for row in rows {
        for (width, cell) in iter::zip(&mut widths, row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    push_row(&mut out, &header, &widths);
    for row in rows {
        push_row(&mut out, row, &widths);
    }
    out
}

fn push_row(out: &mut String, cells: &[impl AsRef<str>], widths: &[usize]) {
    let mut row = String::new();
    for (cell, width) in iter::zip(cells, widths) {
        let _ = write!(row, "{:<width$}  ", cell.as_ref());
    }
    out.push_str(row.trim_end());
    out.push('\n');
}
