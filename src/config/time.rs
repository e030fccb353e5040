//! Reads a date and time as a moment; it must never ask what time it is.

use std::time::{Duration, SystemTime};

use toml_datetime::{Datetime, Offset};

/// The moment of a date and time with an offset (RFC 3339), from the year 1970 on.
pub(super) fn parse_moment(text: &str) -> Option<SystemTime> {
    let datetime: Datetime = text.parse().ok()?;
    let (date, time) = (datetime.date?, datetime.time?);
    let offset_minutes = match datetime.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = (days * 24 + i64::from(time.hour)) * 60 + i64::from(time.minute) - offset_minutes;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// Days from 1970-01-01 in the Gregorian calendar, counted by years that begin in March, so that
/// the leap day is the last of them.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::parse_moment;

    fn seconds(text: &str) -> Option<u64> {
        let since = parse_moment(text)?.duration_since(SystemTime::UNIX_EPOCH);
        since.ok().map(|since: Duration| since.as_secs())
    }

    #[test]
    fn a_moment_is_read_in_its_own_offset() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00Z"), Some(951_825_600));
        assert_eq!(seconds("2026-11-25T03:00:00Z"), Some(1_795_575_600));
        assert_eq!(seconds("2026-11-25T05:00:00+02:00"), Some(1_795_575_600));
        assert_eq!(seconds("2100-03-01T00:00:00Z"), Some(4_107_542_400));
    }

    #[test]
    fn a_date_without_time_or_offset_is_no_moment() {
        for text in ["2026-11-25", "2026-11-25T03:00:00", "tomorrow", "2026-02-30T00:00:00Z", ""] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
