//! The table of methods: which era has them and what permission they need. A method that is not in
//! the table does not exist.

use super::era::Era;

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
    /// The permission of the tool it names.
    ToolPermission,
}

macro_rules! methods {
    ($($variant:ident $name:literal $legacy:literal $modern:literal $needs:expr;)+) => {
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

            /// True if the era knows it.
            pub fn is_in(self, era: Era) -> bool {
                let (legacy, modern) = match self {
                    $(Self::$variant => ($legacy, $modern),)+
                };
                match era {
                    Era::Legacy => legacy,
                    Era::Modern => modern,
                }
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
    // name                                        legacy modern needs
    Initialize         "initialize"                true  false Nothing;
    Ping               "ping"                      true  false Nothing;
    Discover           "server/discover"           false true  Nothing;
    SetLevel           "logging/setLevel"          true  false READ;
    ToolsList          "tools/list"                true  true  READ;
    ToolsCall          "tools/call"                true  true  ToolPermission;
    ResourcesList      "resources/list"            true  true  READ;
    TemplatesList      "resources/templates/list"  true  true  READ;
    ResourcesRead      "resources/read"            true  true  READ;
    Subscribe          "resources/subscribe"       true  false READ;
    Unsubscribe        "resources/unsubscribe"     true  false READ;
    Listen             "subscriptions/listen"      false true  READ;
    PromptsList        "prompts/list"              true  true  READ;
    PromptsGet         "prompts/get"               true  true  READ;
    Complete           "completion/complete"       true  true  READ;
}

impl Method {
    /// The parameter that names the thing the request is about, mirrored in `Mcp-Name`.
    pub fn target_parameter(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modern_era_has_dropped_the_five_methods_that_it_dropped() {
        for name in [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let method = Method::from_name(name).unwrap();
            assert!(method.is_in(Era::Legacy) && !method.is_in(Era::Modern), "{name}");
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
