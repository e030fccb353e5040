//! The protocol revisions and what each of them can do. The only file that compares versions.

use std::fmt;

/// A published revision of MCP, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 2024-11-05: the first.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches, annotations, audio.
    V2025_03_26,
    /// 2025-06-18: structured results, resource links, the version header.
    V2025_06_18,
    /// 2025-11-25: icons, tool errors as results, resumable polling.
    V2025_11_25,
    /// 2026-07-28: stateless; no handshake, no session.
    V2026_07_28,
}

use Version::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};

/// The two families of revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Begins with an `initialize` handshake.
    Legacy,
    /// Carries its metadata in every request.
    Modern,
}

impl Era {
    /// The era that a `MCP-Protocol-Version` header claims: a version that is not one of the
    /// handshake revisions is modern, so that its client gets a modern answer.
    pub fn claimed(header: Option<&str>) -> Self {
        match header {
            None => Self::Legacy,
            Some(name) => Version::from_name(name).map_or(Self::Modern, Version::era),
        }
    }
}

impl Version {
    /// All revisions, oldest first.
    pub const ALL: [Self; 5] = [V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28];

    /// The newest revision that has a handshake: what a client gets that asked for another.
    pub const NEWEST_LEGACY: Self = V2025_11_25;

    /// What a request over HTTP speaks that names no version (Streamable HTTP 2025-06-18).
    pub const ASSUMED: Self = V2025_03_26;

    /// The revision with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            V2024_11_05 => "2024-11-05",
            V2025_03_26 => "2025-03-26",
            V2025_06_18 => "2025-06-18",
            V2025_11_25 => "2025-11-25",
            V2026_07_28 => "2026-07-28",
        }
    }

    /// Which family it belongs to.
    pub fn era(self) -> Era {
        if self >= V2026_07_28 { Era::Modern } else { Era::Legacy }
    }

    /// The revisions that a modern request may name.
    pub fn modern() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|version| version.era() == Era::Modern)
    }

    /// The answer to an `initialize` that asked for `requested`.
    pub fn negotiate(requested: &str) -> Self {
        match Self::from_name(requested) {
            Some(version) if version.era() == Era::Legacy => version,
            _ => Self::NEWEST_LEGACY,
        }
    }

    /// Results may hold `structuredContent` and tools an `outputSchema`.
    pub fn has_structured_results(self) -> bool {
        self >= V2025_06_18
    }

    /// Content may be a `resource_link`.
    pub fn has_resource_links(self) -> bool {
        self >= V2025_06_18
    }

    /// Content may be audio.
    pub fn has_audio(self) -> bool {
        self >= V2025_03_26
    }

    /// Structured content may be any JSON value, not only an object.
    pub fn has_any_structured_value(self) -> bool {
        self >= V2026_07_28
    }

    /// Arguments that break the tool's schema give a result with `isError`, so that the model sees
    /// them, and not a protocol error.
    pub fn has_argument_errors_as_results(self) -> bool {
        self >= V2025_11_25
    }

    /// Event streams may begin with an empty event that carries an id, and may be polled.
    pub fn has_priming_events(self) -> bool {
        self == V2025_11_25
    }

    /// Progress notifications may carry a `message`.
    pub fn has_progress_messages(self) -> bool {
        self >= V2025_03_26
    }

    /// Capabilities may announce `completions`.
    pub fn has_completions_capability(self) -> bool {
        self >= V2025_03_26
    }

    /// The code of "no such resource".
    pub fn resource_not_found_code(self) -> i64 {
        match self.era() {
            Era::Legacy => -32002,
            Era::Modern => -32602,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_never_gets_a_version_without_initialize() {
        assert_eq!(Version::negotiate("2026-07-28"), V2025_11_25);
        assert_eq!(Version::negotiate("2024-10-07"), V2025_11_25);
        assert_eq!(Version::negotiate("2024-11-05"), V2024_11_05);
    }

    #[test]
    fn names_go_both_ways() {
        for version in Version::ALL {
            assert_eq!(Version::from_name(version.name()), Some(version));
        }
        assert_eq!(Version::from_name("2026-07-28 "), None);
    }
}
