//! Time as a value: rooms take `Now` as an argument and never ask a clock themselves.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment on the monotonic clock: microseconds since the process first asked.
///
/// Limits, deadlines and lifetimes use it, so that a step of the wall clock moves none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(u64);

impl Now {
    /// Reads the monotonic clock. Only threads (actors) and connections call this.
    pub fn read() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        Self::from_duration(START.get_or_init(Instant::now).elapsed())
    }

    /// The moment `elapsed` after the start of the process; also how tests make moments.
    pub fn from_duration(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Microseconds since the start of the process.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The moment with this number of microseconds since the start of the process.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// This moment plus `duration`, saturating at the end of time.
    pub fn plus(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Now) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Seconds since 1970 on the wall clock; for claims, expiry dates and log lines only.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Microseconds since 1970 on the wall clock.
pub fn unix_micros() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// A date and time of the proleptic Gregorian calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Year, 1970 or later.
    pub year: u64,
    /// Month, 1 to 12.
    pub month: u64,
    /// Day of the month, 1 to 31.
    pub day: u64,
    /// Hour, 0 to 23.
    pub hour: u64,
    /// Minute, 0 to 59.
    pub minute: u64,
    /// Second, 0 to 59.
    pub second: u64,
    /// Day of the week, 0 is Sunday.
    pub weekday: u64,
}

impl Utc {
    /// The calendar time `seconds` after the start of 1970.
    ///
    /// Counts days in eras of 400 years that begin on the first of March, so that the leap day is
    /// the last day of a year.
    pub fn from_unix(seconds: u64) -> Self {
        let days = seconds / 86_400;
        let rest = seconds % 86_400;
        let from_march_0000 = days + 719_468;
        let era = from_march_0000 / 146_097;
        let day_of_era = from_march_0000 % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4) % 7,
        }
    }

    /// The date alone: `2026-07-28`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// RFC 3339 with microseconds in UTC: `2026-07-28T01:02:03.000004Z`.
pub fn rfc3339(micros: u64) -> String {
    let utc = Utc::from_unix(micros / 1_000_000);
    format!(
        "{}T{:02}:{:02}:{:02}.{:06}Z",
        utc.date(),
        utc.hour,
        utc.minute,
        utc.second,
        micros % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges_of_months_and_leap_years() {
        let table = [
            (0, "1970-01-01T00:00:00.000000Z", 4),
            (951_782_400, "2000-02-29T00:00:00.000000Z", 2),
            (951_868_800, "2000-03-01T00:00:00.000000Z", 3),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z", 2),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z", 1),
        ];
        for (seconds, text, weekday) in table {
            assert_eq!(rfc3339(seconds * 1_000_000), text);
            assert_eq!(Utc::from_unix(seconds).weekday, weekday, "{text}");
        }
    }

    #[test]
    fn a_moment_never_goes_below_zero_or_past_the_end() {
        let late = Now::from_micros(u64::MAX).plus(Duration::from_secs(1));
        assert_eq!(late.micros(), u64::MAX);
        assert_eq!(Now::from_micros(1).since(Now::from_micros(5)), Duration::ZERO);
    }
}
