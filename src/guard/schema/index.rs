//! Finds every subschema of a document, its base URI and its anchors; nothing is ever fetched.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use serde_json::{Map, Value};

use super::SchemaLimits;
use super::dialect::{Dialect, Holds};
use super::error::{SchemaError, Shown};
use super::metaschema::Metaschemas;
use super::node::{DynamicTargets, NodeId, ResourceId};
use super::uri;
use crate::base::percent;

/// The longest identifier or reference apart from its fragment, in bytes: bases are copied often.
const MAX_URI: usize = 2_048;

/// A subschema that was found.
pub(super) struct Found<'a> {
    pub(super) value: &'a Value,
    pub(super) resource: ResourceId,
    parent: Option<NodeId>,
    step: Step<'a>,
}

/// The way from a subschema to one in it.
enum Step<'a> {
    Root,
    Keyword(&'a str),
    Member(&'a str, &'a str),
    Item(&'a str, usize),
    Pointer(String),
}

struct Resource {
    uri: String,
    root: NodeId,
    dialect: Dialect,
}

#[derive(Clone, Copy)]
struct Anchor {
    node: NodeId,
    dynamic: bool,
}

/// Where a reference leads.
pub(super) struct Target {
    pub(super) node: NodeId,
    /// The name of the `$dynamicAnchor` that the reference named, if it did.
    pub(super) dynamic: Option<String>,
}

pub(super) struct Index<'a> {
    pub(super) limits: &'a SchemaLimits,
    metaschemas: &'a Metaschemas,
    found: Vec<Found<'a>>,
    known: HashMap<*const Value, NodeId>,
    resources: Vec<Resource>,
    by_uri: HashMap<String, ResourceId>,
    anchors: HashMap<(u32, String), Anchor>,
}

/// Where the scan is.
#[derive(Clone, Copy)]
struct Position {
    parent: Option<NodeId>,
    /// `None` at the root of the document.
    resource: Option<ResourceId>,
    depth: usize,
}

impl<'a> Index<'a> {
    pub(super) fn new(
        document: &'a Value,
        limits: &'a SchemaLimits,
        metaschemas: &'a Metaschemas,
    ) -> Result<Index<'a>, SchemaError> {
        let mut index = Index {
            limits,
            metaschemas,
            found: Vec::new(),
            known: HashMap::new(),
            resources: Vec::new(),
            by_uri: HashMap::new(),
            anchors: HashMap::new(),
        };
        let top = Position { parent: None, resource: None, depth: 0 };
        index.scan(document, top, Step::Root)?;
        Ok(index)
    }

    pub(super) fn found(&self, id: NodeId) -> Option<&Found<'a>> {
        self.found.get(id.index())
    }

    /// The subschema that starts at this very value.
    pub(super) fn known(&self, value: &Value) -> Option<NodeId> {
        self.known.get(&std::ptr::from_ref(value)).copied()
    }

    pub(super) fn dialect(&self, resource: ResourceId) -> Dialect {
        self.resource(resource).map_or(Dialect::Draft202012, |resource| resource.dialect)
    }

    fn resource(&self, id: ResourceId) -> Option<&Resource> {
        self.resources.get(usize::try_from(id.0).ok()?)
    }

    /// Hands over, by name, where each `$dynamicAnchor` is.
    pub(super) fn take_dynamic_anchors(&mut self) -> HashMap<String, DynamicTargets> {
        let mut by_name: HashMap<String, DynamicTargets> = HashMap::new();
        for ((resource, name), anchor) in self.anchors.drain() {
            if anchor.dynamic {
                by_name.entry(name).or_default().push((ResourceId(resource), anchor.node));
            }
        }
        for targets in by_name.values_mut() {
            targets.sort_unstable_by_key(|(resource, _)| resource.0);
        }
        by_name
    }

    /// The JSON Pointer of a subschema.
    pub(super) fn pointer(&self, id: NodeId) -> String {
        let mut steps = Vec::new();
        let mut next = Some(id);
        while let Some(found) = next.and_then(|id| self.found(id)) {
            steps.push(&found.step);
            next = found.parent;
        }
        let mut pointer = String::new();
        let mut push = |token: &str| super::error::push_token(&mut pointer, token);
        for step in steps.iter().rev() {
            match step {
                Step::Root => {}
                Step::Keyword(keyword) => push(keyword),
                Step::Member(keyword, name) => [keyword, name].into_iter().for_each(|t| push(t)),
                Step::Item(keyword, item) => {
                    push(keyword);
                    push(&item.to_string());
                }
                Step::Pointer(fragment) => {
                    fragment.split('/').skip(1).for_each(|token| push(&uri::pointer_token(token)));
                }
            }
        }
        pointer
    }

    fn scan(
        &mut self,
        value: &'a Value,
        position: Position,
        step: Step<'a>,
    ) -> Result<NodeId, SchemaError> {
        let id = NodeId(u32::try_from(self.found.len()).unwrap_or(u32::MAX));
        let resource = position.resource.unwrap_or(ResourceId(0));
        self.found.push(Found { value, resource, parent: position.parent, step });
        if self.found.len() > self.limits.max_subschemas {
            return Err(SchemaError::Limit { at: self.pointer(id), what: "too many subschemas" });
        }
        if position.depth > self.limits.max_depth {
            return Err(SchemaError::Limit { at: self.pointer(id), what: "too many levels" });
        }
        self.known.insert(std::ptr::from_ref(value), id);
        let object = match value {
            Value::Object(object) => Some(object),
            Value::Bool(_) => None,
            _ => return Err(self.malformed(id, "schema", "an object or a boolean")),
        };
        let resource = self.identify(id, object, position.resource)?;
        if let Some(found) = self.found.get_mut(id.index()) {
            found.resource = resource;
        }
        let Some(object) = object else { return Ok(id) };
        let dialect = self.dialect(resource);
        // In draft-07 the siblings of a reference mean nothing (core, section 8.3), yet are often
        // where the definitions are.
        let only_definitions = dialect == Dialect::Draft07 && object.contains_key("$ref");
        let inner =
            Position { parent: Some(id), resource: Some(resource), depth: position.depth + 1 };
        for (keyword, value) in object {
            if only_definitions && keyword != "definitions" {
                continue;
            }
            if let Some((keyword, holds)) = dialect.holder(keyword) {
                self.scan_keyword(keyword, holds, value, inner)?;
            }
        }
        Ok(id)
    }

    fn scan_keyword(
        &mut self,
        keyword: &'static str,
        holds: Holds,
        value: &'a Value,
        position: Position,
    ) -> Result<(), SchemaError> {
        let parent = position.parent.unwrap_or(NodeId(0));
        match (holds, value) {
            (Holds::Members | Holds::Dependencies, Value::Object(members)) => {
                for (name, member) in members {
                    if holds == Holds::Dependencies && member.is_array() {
                        continue;
                    }
                    self.scan(member, position, Step::Member(keyword, name))?;
                }
            }
            (Holds::Members | Holds::Dependencies, _) => {
                return Err(self.malformed(parent, keyword, "an object"));
            }
            (Holds::Schemas | Holds::SchemaOrSchemas, Value::Array(items)) => {
                if items.is_empty() && holds == Holds::Schemas {
                    return Err(self.malformed(parent, keyword, "a list with at least one schema"));
                }
                for (item, schema) in items.iter().enumerate() {
                    self.scan(schema, position, Step::Item(keyword, item))?;
                }
            }
            (Holds::Schemas, _) => {
                return Err(self.malformed(parent, keyword, "a list of schemas"));
            }
            (Holds::Schema | Holds::SchemaOrSchemas, Value::Object(_) | Value::Bool(_)) => {
                self.scan(value, position, Step::Keyword(keyword))?;
            }
            (Holds::Schema | Holds::SchemaOrSchemas, _) => {
                return Err(self.malformed(parent, keyword, "a schema (an object or a boolean)"));
            }
        }
        Ok(())
    }

    pub(super) fn malformed(
        &self,
        id: NodeId,
        keyword: &'static str,
        expected: &'static str,
    ) -> SchemaError {
        SchemaError::Keyword { at: self.pointer(id), keyword, expected }
    }

    /// Registers what names this subschema, and tells which resource it belongs to.
    fn identify(
        &mut self,
        id: NodeId,
        object: Option<&'a Map<String, Value>>,
        parent: Option<ResourceId>,
    ) -> Result<ResourceId, SchemaError> {
        let outer = parent.map_or(Dialect::Draft202012, |parent| self.dialect(parent));
        let declared = match object.and_then(|object| object.get("$schema")) {
            Some(declared) => self.declared_dialect(id, declared)?,
            None => outer,
        };
        let Some(object) = object else {
            return Ok(parent.unwrap_or_else(|| self.add_resource(id, String::new(), declared)));
        };
        let text = |keyword| match object.get(keyword) {
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(SchemaError::Identifier { at: self.pointer(id) }),
            None => Ok(None),
        };
        // A subschema is of the dialect of its resource: `$schema` counts where a resource begins.
        let inside = if parent.is_none() || object.contains_key("$id") { declared } else { outer };
        let legacy = inside == Dialect::Draft07;
        let identifier = if legacy && object.contains_key("$ref") { None } else { text("$id")? };
        let (own, fragment) = uri::split_fragment(identifier.unwrap_or_default());
        if !legacy && !fragment.is_empty() {
            return Err(SchemaError::Identifier { at: self.pointer(id) });
        }
        let mut anchors = vec![(fragment, false)];
        if !legacy {
            anchors.push((text("$anchor")?.unwrap_or_default(), false));
            anchors.push((text("$dynamicAnchor")?.unwrap_or_default(), true));
        }
        let resource = self.enter_resource(id, own, parent, inside)?;
        for (name, dynamic) in anchors.into_iter().filter(|(name, _)| !name.is_empty()) {
            self.add_anchor(id, resource, name, dynamic)?;
        }
        Ok(resource)
    }

    fn declared_dialect(&self, id: NodeId, declared: &Value) -> Result<Dialect, SchemaError> {
        let Some(uri) = declared.as_str() else {
            return Err(self.malformed(id, "$schema", "a URI"));
        };
        Dialect::of_uri(uri).ok_or_else(|| SchemaError::Dialect {
            at: self.pointer(id),
            dialect: Shown(uri).to_string(),
        })
    }

    fn enter_resource(
        &mut self,
        id: NodeId,
        own: &str,
        parent: Option<ResourceId>,
        dialect: Dialect,
    ) -> Result<ResourceId, SchemaError> {
        if let Some(parent) = parent
            && own.is_empty()
        {
            return Ok(parent);
        }
        let base = parent.and_then(|parent| self.resource(parent)).map_or("", |r| r.uri.as_str());
        let uri = uri::resolve(base, own);
        if uri.len() > MAX_URI || self.by_uri.contains_key(&uri) {
            return Err(SchemaError::Identifier { at: self.pointer(id) });
        }
        Ok(self.add_resource(id, uri, dialect))
    }

    fn add_resource(&mut self, root: NodeId, uri: String, dialect: Dialect) -> ResourceId {
        let id = ResourceId(u32::try_from(self.resources.len()).unwrap_or(u32::MAX));
        self.by_uri.insert(uri.clone(), id);
        self.resources.push(Resource { uri, root, dialect });
        id
    }

    fn add_anchor(
        &mut self,
        node: NodeId,
        resource: ResourceId,
        name: &str,
        dynamic: bool,
    ) -> Result<(), SchemaError> {
        let anchor = Anchor { node, dynamic };
        match self.anchors.entry((resource.0, name.to_owned())) {
            Slot::Vacant(slot) => {
                slot.insert(anchor);
            }
            // One subschema may have one name twice, as `$anchor` and `$dynamicAnchor`.
            Slot::Occupied(mut slot) if slot.get().node == node => {
                slot.get_mut().dynamic |= dynamic
            }
            Slot::Occupied(_) => return Err(SchemaError::Identifier { at: self.pointer(node) }),
        }
        Ok(())
    }

    /// Finds what a reference in subschema `from` names; a target that no scan has seen, because
    /// it is under an unknown keyword, becomes a subschema now.
    pub(super) fn resolve(&mut self, from: NodeId, text: &str) -> Result<Target, SchemaError> {
        self.try_resolve(from, text)?.ok_or_else(|| SchemaError::Reference {
            at: self.pointer(from),
            reference: Shown(text).to_string(),
        })
    }

    fn try_resolve(&mut self, from: NodeId, text: &str) -> Result<Option<Target>, SchemaError> {
        let (address, fragment) = uri::split_fragment(text);
        let Some(current) = self.found(from).map(|found| found.resource) else { return Ok(None) };
        let Some(resource) = self.find_resource(current, address)? else { return Ok(None) };
        let Some(fragment) = percent::decode(fragment) else { return Ok(None) };
        let Some(root) = self.resource(resource).map(|resource| resource.root) else {
            return Ok(None);
        };
        if fragment.is_empty() {
            return Ok(Some(Target { node: root, dynamic: None }));
        }
        if fragment.starts_with('/') {
            let node = self.follow(root, fragment)?;
            return Ok(node.map(|node| Target { node, dynamic: None }));
        }
        let key = (resource.0, fragment);
        let Some(anchor) = self.anchors.get(&key).copied() else { return Ok(None) };
        Ok(Some(Target { node: anchor.node, dynamic: anchor.dynamic.then_some(key.1) }))
    }

    fn find_resource(
        &mut self,
        current: ResourceId,
        address: &str,
    ) -> Result<Option<ResourceId>, SchemaError> {
        if address.is_empty() {
            return Ok(Some(current));
        }
        let Some(base) = self.resource(current).filter(|_| address.len() <= MAX_URI) else {
            return Ok(None);
        };
        let uri = uri::resolve(&base.uri, address);
        if let Some(resource) = self.by_uri.get(&uri) {
            return Ok(Some(*resource));
        }
        let Some(dialect) = Dialect::of_uri(&uri).filter(|dialect| dialect.uri() == uri) else {
            return Ok(None);
        };
        let metaschemas: &'a Metaschemas = self.metaschemas;
        let top = Position { parent: None, resource: None, depth: 0 };
        let root = self.scan(metaschemas.of(dialect), top, Step::Root)?;
        Ok(self.found(root).map(|found| found.resource))
    }

    /// Follows a JSON Pointer (RFC 6901) from the root of a resource.
    fn follow(&mut self, root: NodeId, fragment: String) -> Result<Option<NodeId>, SchemaError> {
        let Some(found) = self.found(root) else { return Ok(None) };
        let (mut value, mut nearest) = (found.value, root);
        for token in fragment.split('/').skip(1) {
            let token = uri::pointer_token(token);
            let next = match value {
                Value::Object(members) => members.get(&token),
                Value::Array(items) => array_index(&token).and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            value = next;
            nearest = self.known(value).unwrap_or(nearest);
        }
        if let Some(known) = self.known(value) {
            return Ok(Some(known));
        }
        let resource = self.found(nearest).map(|found| found.resource);
        let position = Position { parent: Some(root), resource, depth: 1 };
        self.scan(value, position, Step::Pointer(fragment)).map(Some)
    }
}

/// An array index of a JSON Pointer: digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with('0');
    if plain && token.bytes().all(|byte| byte.is_ascii_digit()) { token.parse().ok() } else { None }
}
