//! The table of methods: which revisions have them and what permission they need. A method that is
//! not in the table does not exist.

use super::era::{Span, Version};

/// What a role may allow (the guide's four words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Look: lists, reads, prompts, completions, subscriptions, read-only tools.
    Read,
    /// Change.
    Write,
    /// Run.
    Execute,
    /// Remove.
    Delete,
}

impl Permission {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Execute, Self::Delete];

    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Delete => "delete",
        }
    }

    /// The permission with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// What a method needs of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only to be authenticated.
    Nothing,
    /// This permission.
    Permission(Permission),
    /// The permission of the tool that it names, or whose task it names.
    ToolPermission,
}

macro_rules! methods {
    ($($variant:ident $name:literal $span:ident $needs:expr;)+) => {
        /// A request method.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Method {
            /// All methods.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The method of this name, in any era.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The revisions that have it.
            pub fn span(self) -> Span {
                match self {
                    $(Self::$variant => Span::$span,)+
                }
            }

            /// True if the revision has it.
            pub fn is_in(self, version: Version) -> bool {
                self.span().has(version)
            }

            /// What the caller needs.
            pub fn needs(self) -> Needs {
                match self {
                    $(Self::$variant => $needs,)+
                }
            }
        }
    };
}

use Needs::{Nothing, ToolPermission};
const READ: Needs = Needs::Permission(Permission::Read);

methods! {
    // name                                        revisions needs
    Initialize         "initialize"                LEGACY Nothing;
    Ping               "ping"                      LEGACY Nothing;
    Discover           "server/discover"           MODERN Nothing;
    SetLevel           "logging/setLevel"          LEGACY READ;
    ToolsList          "tools/list"                ALL    READ;
    ToolsCall          "tools/call"                ALL    ToolPermission;
    ResourcesList      "resources/list"            ALL    READ;
    TemplatesList      "resources/templates/list"  ALL    READ;
    ResourcesRead      "resources/read"            ALL    READ;
    Subscribe          "resources/subscribe"       LEGACY READ;
    Unsubscribe        "resources/unsubscribe"     LEGACY READ;
    Listen             "subscriptions/listen"      MODERN READ;
    PromptsList        "prompts/list"              ALL    READ;
    PromptsGet         "prompts/get"               ALL    READ;
    Complete           "completion/complete"       ALL    READ;
    TasksGet           "tasks/get"                 TASKS  ToolPermission;
    TasksUpdate        "tasks/update"              MODERN ToolPermission;
    TasksCancel        "tasks/cancel"              TASKS  ToolPermission;
    TasksResult        "tasks/result"              REQUESTED_TASKS ToolPermission;
    TasksList          "tasks/list"                REQUESTED_TASKS Nothing;
}

impl Method {
    /// The parameter that names the thing the request is about, mirrored in `Mcp-Name`.
    pub fn target_parameter(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            Self::TasksGet | Self::TasksUpdate | Self::TasksCancel | Self::TasksResult => {
                Some("taskId")
            }
            _ => None,
        }
    }

    /// True if it is about tasks, and so needs that both sides have them.
    pub fn is_about_tasks(self) -> bool {
        matches!(
            self,
            Self::TasksGet
                | Self::TasksUpdate
                | Self::TasksCancel
                | Self::TasksResult
                | Self::TasksList
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::era::Era;

    #[test]
    fn the_modern_era_has_dropped_the_five_methods_that_it_dropped() {
        for name in [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let span = Method::from_name(name).unwrap().span();
            assert!(span.reaches(Era::Legacy) && !span.reaches(Era::Modern), "{name}");
        }
    }

    #[test]
    fn names_are_matched_exactly_and_client_methods_are_unknown() {
        for name in ["Tools/list", "tools/list/", "sampling/createMessage", "foo/bar"] {
            assert_eq!(Method::from_name(name), None, "{name}");
        }
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(*method));
        }
    }
}
