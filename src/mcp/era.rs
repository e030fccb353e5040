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

impl Version {
    /// All revisions, oldest first.
    pub const ALL: [Self; 5] = [V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28];

    /// The newest revision that has a handshake: what a client gets that asked for another.
    pub const NEWEST_LEGACY: Self = V2025_11_25;

    /// The newest revision.
    pub const NEWEST: Self = V2026_07_28;

    /// What a request over HTTP speaks that names no version (Streamable HTTP 2025-06-18).
    pub const ASSUMED: Self = V2025_03_26;

    /// The revision with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// The revision that a `MCP-Protocol-Version` header claims: one that is not known is taken for
    /// the newest, so that its client gets a modern answer.
    pub fn claimed(header: Option<&str>) -> Self {
        header.map_or(Self::ASSUMED, |name| Self::from_name(name).unwrap_or(Self::NEWEST))
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

    /// A completion may be asked for in the light of arguments that are filled in already.
    pub fn has_completion_context(self) -> bool {
        self >= V2025_06_18
    }

    /// An error that answers nothing in particular has `"id":null`, as JSON-RPC 2.0 wants it; later
    /// it has no id.
    pub fn has_null_ids(self) -> bool {
        self < V2025_11_25
    }

    /// The server may ask the person to fill in a form.
    pub fn has_elicitation(self) -> bool {
        self >= V2025_06_18
    }

    /// The server may ask the person to open a URL.
    pub fn has_url_elicitation(self) -> bool {
        self >= V2025_11_25
    }

    /// An elicitation by URL has an id, and the client may be told when it is over.
    pub fn has_elicitation_ids(self) -> bool {
        self == V2025_11_25
    }

    /// The client's model may be offered tools.
    pub fn has_sampling_tools(self) -> bool {
        self >= V2025_11_25
    }

    /// The client decides which calls become tasks (core, experimental).
    pub fn has_requested_tasks(self) -> bool {
        self == V2025_11_25
    }

    /// The server decides which calls become tasks (extension).
    pub fn has_task_handles(self) -> bool {
        self >= V2026_07_28
    }

    /// A message may be an array of messages.
    pub fn has_batches(self) -> bool {
        self == V2025_03_26
    }

    /// Definitions may have icons.
    pub fn has_icons(self) -> bool {
        self >= V2025_11_25
    }

    /// Definitions may have a `title` beside their name, and a `_meta`.
    pub fn has_titles(self) -> bool {
        self >= V2025_06_18
    }

    /// Tools may have annotations.
    pub fn has_tool_annotations(self) -> bool {
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

/// One value for each revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerVersion<T>([T; 5]);

impl<T> PerVersion<T> {
    /// The values that `make` gives.
    pub fn new(make: impl FnMut(Version) -> T) -> Self {
        Self(Version::ALL.map(make))
    }

    /// The value of a revision.
    pub fn get(&self, version: Version) -> &T {
        let [first, second, third, fourth, fifth] = &self.0;
        match version {
            V2024_11_05 => first,
            V2025_03_26 => second,
            V2025_06_18 => third,
            V2025_11_25 => fourth,
            V2026_07_28 => fifth,
        }
    }
}

/// The revisions that have something, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Version, Version);

impl Span {
    /// All of them.
    pub const ALL: Self = Self(V2024_11_05, V2026_07_28);
    /// The handshake revisions.
    pub const LEGACY: Self = Self(V2024_11_05, V2025_11_25);
    /// The revisions without a handshake.
    pub const MODERN: Self = Self(V2026_07_28, V2026_07_28);
    /// Those in which clients ask for tasks.
    pub const REQUESTED_TASKS: Self = Self(V2025_11_25, V2025_11_25);
    /// Those that have tasks, in one shape or the other.
    pub const TASKS: Self = Self(V2025_11_25, V2026_07_28);

    /// True if `version` has it.
    pub fn has(self, version: Version) -> bool {
        (self.0..=self.1).contains(&version)
    }

    /// True if a revision of `era` has it.
    pub fn reaches(self, era: Era) -> bool {
        Version::ALL.into_iter().any(|version| version.era() == era && self.has(version))
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
    fn each_revision_has_its_own_value_and_spans_end_where_they_say() {
        let names = PerVersion::new(Version::name);
        for version in Version::ALL {
            assert_eq!(*names.get(version), version.name());
            assert_eq!(Span::LEGACY.has(version), version.era() == Era::Legacy);
        }
        assert!(Span::TASKS.has(V2026_07_28) && !Span::REQUESTED_TASKS.has(V2026_07_28));
        assert!(Span::TASKS.reaches(Era::Legacy) && !Span::MODERN.reaches(Era::Legacy));
    }

    #[test]
    fn names_go_both_ways() {
        for version in Version::ALL {
            assert_eq!(Version::from_name(version.name()), Some(version));
        }
        assert_eq!(Version::from_name("2026-07-28 "), None);
    }
}
