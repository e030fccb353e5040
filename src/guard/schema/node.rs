//! The compiled form of a schema: an arena of nodes; a node must never own another.

use serde_json::{Number, Value};

use super::number::{Decimal, Exact};
use super::pattern::Pattern;

/// The index of a node in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The index of a schema resource: the document, or a part with its own `$id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResourceId(pub(super) u32);

/// One subschema.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) resource: ResourceId,
    /// In the order of their cost; `unevaluated*` last, because they look at what the others did.
    pub(super) checks: Box<[Check]>,
    pub(super) unevaluated_items: bool,
    pub(super) unevaluated_properties: bool,
}

/// One thing to check.
#[derive(Debug)]
pub(super) enum Check {
    /// The schema `false`.
    Never,
    Type(TypeSet),
    Choice(Choice),
    Number(NumberCheck),
    Text(TextCheck),
    Array(ArrayCheck),
    Object(ObjectCheck),
    InPlace(InPlace),
}

/// The types of the `type` keyword, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TypeSet(u8);

pub(super) const TYPE_NAMES: [&str; 7] =
    ["null", "boolean", "object", "array", "number", "string", "integer"];

impl TypeSet {
    pub(super) const NUMBER: u8 = 1 << 4;
    pub(super) const INTEGER: u8 = 1 << 6;

    /// Adds a type; `None` if there is no such type.
    pub(super) fn add(&mut self, name: &str) -> Option<()> {
        let index = TYPE_NAMES.iter().position(|known| *known == name)?;
        self.0 |= 1 << index;
        Some(())
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        TYPE_NAMES.into_iter().enumerate().filter(move |(i, _)| self.0 & (1 << i) != 0).map(|n| n.1)
    }

    #[inline]
    pub(super) fn admits(self, value: &Value) -> bool {
        let bit = match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Object(_) => 1 << 2,
            Value::Array(_) => 1 << 3,
            Value::String(_) => 1 << 5,
            Value::Number(number) => {
                return self.0 & Self::NUMBER != 0
                    || (self.0 & Self::INTEGER != 0 && Exact::of(number).is_integer());
            }
        };
        self.0 & bit != 0
    }
}

/// `enum` or `const`.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) keyword: &'static str,
    /// Sorted.
    pub(super) strings: Box<[Box<str>]>,
    pub(super) others: Box<[Value]>,
}

/// A bound with the number as the schema writes it, for messages.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) limit: Exact,
    pub(super) written: Number,
}

#[derive(Debug)]
pub(super) enum NumberCheck {
    Minimum(Bound),
    Maximum(Bound),
    ExclusiveMinimum(Bound),
    ExclusiveMaximum(Bound),
    MultipleOf { step: Decimal, written: Number },
}

#[derive(Debug)]
pub(super) enum TextCheck {
    MinLength(u64),
    MaxLength(u64),
    Pattern(Pattern),
}

#[derive(Debug)]
pub(super) enum ArrayCheck {
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Items { prefix: Box<[NodeId]>, rest: Option<NodeId>, rest_keyword: &'static str },
    Contains { node: NodeId, min: u64, max: Option<u64>, marks: bool },
    Unevaluated(NodeId),
}

#[derive(Debug)]
pub(super) enum ObjectCheck {
    MinProperties(u64),
    MaxProperties(u64),
    Required(Box<[Box<str>]>),
    Properties(Box<PropertyRules>),
    PropertyNames(NodeId),
    DependentRequired { keyword: &'static str, rules: Box<[DependentNames]> },
    DependentSchemas(NamedNodes),
    Unevaluated(NodeId),
}

/// If the first name is there, the others must be, too.
pub(super) type DependentNames = (Box<str>, Box<[Box<str>]>);

/// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
#[derive(Debug)]
pub(super) struct PropertyRules {
    pub(super) named: NamedNodes,
    pub(super) patterns: Box<[(Pattern, NodeId)]>,
    pub(super) additional: Option<NodeId>,
}

impl PropertyRules {
    pub(super) fn named(&self, name: &str) -> Option<NodeId> {
        let index = self.named.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.named.get(index).map(|(_, node)| *node)
    }
}

/// The subschemas that share a `$dynamicAnchor`, sorted by resource.
pub(super) type DynamicTargets = Vec<(ResourceId, NodeId)>;

/// Subschemas by the name of a property, sorted.
pub(super) type NamedNodes = Box<[(Box<str>, NodeId)]>;

/// Applicators to the same instance.
#[derive(Debug)]
pub(super) enum InPlace {
    Reference(NodeId),
    /// The outermost resource of the dynamic scope that has an anchor of this name wins; `name`
    /// is the index of its targets.
    DynamicReference {
        fallback: NodeId,
        name: usize,
    },
    AllOf(Box<[NodeId]>),
    AnyOf(Box<[NodeId]>),
    OneOf(Box<[NodeId]>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
}

impl Check {
    /// The nodes this check applies to the same instance, other than through `$dynamicRef`.
    pub(super) fn in_place(&self) -> Vec<NodeId> {
        match self {
            Check::InPlace(InPlace::Reference(node) | InPlace::Not(node)) => vec![*node],
            Check::InPlace(
                InPlace::AllOf(nodes) | InPlace::AnyOf(nodes) | InPlace::OneOf(nodes),
            ) => nodes.to_vec(),
            Check::InPlace(InPlace::If { condition, then, otherwise }) => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
            }
            Check::Object(ObjectCheck::DependentSchemas(rules)) => {
                rules.iter().map(|(_, node)| *node).collect()
            }
            _ => Vec::new(),
        }
    }
}
