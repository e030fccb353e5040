//! The dialects and where their subschemas are; a keyword of one must never act in the other.

/// A dialect of JSON Schema that this validator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Draft202012,
    Draft07,
}

/// Where a keyword holds subschemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Schema,
    Schemas,
    /// One schema or a list of them.
    SchemaOrSchemas,
    /// An object whose members are schemas.
    Members,
    /// The same, but members may be lists of names.
    Dependencies,
}

impl Dialect {
    pub(super) fn uri(self) -> &'static str {
        match self {
            Dialect::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
            Dialect::Draft07 => "http://json-schema.org/draft-07/schema",
        }
    }

    /// The dialect of a `$schema` value, with or without an empty fragment, over either scheme.
    pub(super) fn of_uri(uri: &str) -> Option<Dialect> {
        let uri = uri.strip_suffix('#').unwrap_or(uri);
        let name = uri.strip_prefix("https:").or_else(|| uri.strip_prefix("http:"))?;
        [Dialect::Draft202012, Dialect::Draft07]
            .into_iter()
            .find(|dialect| dialect.uri().split_once(':').is_some_and(|(_, own)| own == name))
    }

    /// The keyword, if its value holds subschemas in this dialect.
    pub(super) fn holder(self, keyword: &str) -> Option<(&'static str, Holds)> {
        let own: &[(&str, Holds)] = match self {
            Dialect::Draft202012 => &DRAFT_2020_12,
            Dialect::Draft07 => &DRAFT_07,
        };
        SHARED.iter().chain(own).find(|(known, _)| *known == keyword).copied()
    }
}

const SHARED: [(&str, Holds); 13] = [
    ("properties", Holds::Members),
    ("additionalProperties", Holds::Schema),
    ("patternProperties", Holds::Members),
    ("propertyNames", Holds::Schema),
    ("contains", Holds::Schema),
    ("allOf", Holds::Schemas),
    ("anyOf", Holds::Schemas),
    ("oneOf", Holds::Schemas),
    ("not", Holds::Schema),
    ("if", Holds::Schema),
    ("then", Holds::Schema),
    ("else", Holds::Schema),
    ("dependencies", Holds::Dependencies),
];

const DRAFT_2020_12: [(&str, Holds); 7] = [
    ("$defs", Holds::Members),
    ("items", Holds::Schema),
    ("prefixItems", Holds::Schemas),
    ("dependentSchemas", Holds::Members),
    ("unevaluatedItems", Holds::Schema),
    ("unevaluatedProperties", Holds::Schema),
    ("contentSchema", Holds::Schema),
];

const DRAFT_07: [(&str, Holds); 3] = [
    ("definitions", Holds::Members),
    ("items", Holds::SchemaOrSchemas),
    ("additionalItems", Holds::Schema),
];
