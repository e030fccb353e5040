//! Compiles subschemas to nodes; a keyword whose value has a wrong form must never be skipped.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::SchemaLimits;
use super::dialect::Dialect;
use super::error::SchemaError;
use super::index::Index;
use super::metaschema::Metaschemas;
use super::node::{
    ArrayCheck, Bound, Check, Choice, DependentNames, DynamicTargets, InPlace, NamedNodes, Node,
    NodeId, NumberCheck, ObjectCheck, PropertyRules, TextCheck, TypeSet,
};
use super::number::{Decimal, Exact};
use super::pattern::{MAX_PATTERN_STATES, Pattern, PatternError};

/// The states of all patterns of one schema together.
const MAX_STATES: u64 = 10 * MAX_PATTERN_STATES;

/// A compiled document.
pub(super) struct Compiled {
    pub(super) nodes: Vec<Node>,
    /// By the index of a name; empty if nothing depends on the dynamic scope.
    pub(super) dynamic: Vec<DynamicTargets>,
}

pub(super) fn compile(document: &Value, limits: &SchemaLimits) -> Result<Compiled, SchemaError> {
    let metaschemas = Metaschemas::default();
    let index = Index::new(document, limits, &metaschemas)?;
    let mut compiler = Compiler { index, pattern_states: 0, dynamic_names: HashMap::new() };
    let mut nodes = Vec::new();
    // References may add subschemas, so that the end is found as it comes.
    loop {
        let id = NodeId(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
        let Some(found) = compiler.index.found(id) else { break };
        let (value, resource) = (found.value, found.resource);
        let checks = match value {
            Value::Object(members) => {
                let dialect = compiler.index.dialect(resource);
                Keywords { compiler: &mut compiler, id, members, dialect, checks: Vec::new() }
                    .compile()?
            }
            Value::Bool(false) => vec![Check::Never],
            _ => Vec::new(),
        };
        let marks_items = |c: &Check| matches!(c, Check::Array(ArrayCheck::Unevaluated(_)));
        let marks_members = |c: &Check| matches!(c, Check::Object(ObjectCheck::Unevaluated(_)));
        nodes.push(Node {
            resource,
            unevaluated_items: checks.iter().any(marks_items),
            unevaluated_properties: checks.iter().any(marks_members),
            checks: checks.into_boxed_slice(),
        });
    }
    if let Some(id) = find_loop(&nodes) {
        return Err(SchemaError::Loop { at: compiler.index.pointer(id) });
    }
    let mut anchors = compiler.index.take_dynamic_anchors();
    let mut names: Vec<_> = compiler.dynamic_names.into_iter().collect();
    names.sort_unstable_by_key(|(_, index)| *index);
    let targets = |(name, _): (String, usize)| anchors.remove(&name).unwrap_or_default();
    let dynamic = names.into_iter().map(targets).collect();
    Ok(Compiled { nodes, dynamic })
}

/// A subschema that applies itself to the same instance, if there is one: depth-first, without
/// recursion.
fn find_loop(nodes: &[Node]) -> Option<NodeId> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let edges = |id: usize| -> Vec<NodeId> {
        nodes
            .get(id)
            .map(|n| n.checks.iter().flat_map(Check::in_place).collect())
            .unwrap_or_default()
    };
    let mut states = vec![State::New; nodes.len()];
    for start in 0..nodes.len() {
        if states.get(start) != Some(&State::New) {
            continue;
        }
        let mut stack = vec![(start, edges(start).into_iter())];
        states.get_mut(start).map(|state| *state = State::Open)?;
        while let Some((id, rest)) = stack.last_mut() {
            let Some(next) = rest.next() else {
                states.get_mut(*id).map(|state| *state = State::Done)?;
                stack.pop();
                continue;
            };
            match states.get_mut(next.index())? {
                State::Open => return Some(next),
                State::Done => {}
                state @ State::New => {
                    *state = State::Open;
                    stack.push((next.index(), edges(next.index()).into_iter()));
                }
            }
        }
    }
    None
}

struct Compiler<'a> {
    index: Index<'a>,
    pattern_states: u64,
    /// The names that dynamic references use, with their indices.
    dynamic_names: HashMap<String, usize>,
}

impl Compiler<'_> {
    fn dynamic_name(&mut self, name: String) -> usize {
        let next = self.dynamic_names.len();
        *self.dynamic_names.entry(name).or_insert(next)
    }
}

/// One subschema while it is compiled.
struct Keywords<'c, 'a> {
    compiler: &'c mut Compiler<'a>,
    id: NodeId,
    members: &'a Map<String, Value>,
    dialect: Dialect,
    checks: Vec<Check>,
}

type Step = Result<(), SchemaError>;

impl<'a> Keywords<'_, 'a> {
    fn compile(mut self) -> Result<Vec<Check>, SchemaError> {
        if self.dialect == Dialect::Draft07 && self.members.contains_key("$ref") {
            self.references()?;
            return Ok(self.checks);
        }
        self.any_type()?;
        self.numbers()?;
        self.texts()?;
        self.arrays()?;
        self.objects()?;
        self.dependencies()?;
        self.references()?;
        self.combinations()?;
        if self.dialect == Dialect::Draft202012 {
            self.unevaluated()?;
        }
        Ok(self.checks)
    }

    fn value(&self, keyword: &str) -> Option<&'a Value> {
        self.members.get(keyword)
    }

    fn malformed(&self, keyword: &'static str, expected: &'static str) -> SchemaError {
        self.compiler.index.malformed(self.id, keyword, expected)
    }

    /// The subschema at a value; the scan has seen it and refused what is none.
    fn node(&self, keyword: &'static str, value: &Value) -> Result<NodeId, SchemaError> {
        self.compiler.index.known(value).ok_or_else(|| self.malformed(keyword, "a schema"))
    }

    fn schema(&self, keyword: &'static str) -> Result<Option<NodeId>, SchemaError> {
        self.value(keyword).map(|value| self.node(keyword, value)).transpose()
    }

    fn schemas(&self, keyword: &'static str) -> Result<Option<Box<[NodeId]>>, SchemaError> {
        let Some(Value::Array(items)) = self.value(keyword) else { return Ok(None) };
        items.iter().map(|item| self.node(keyword, item)).collect::<Result<_, _>>().map(Some)
    }

    /// The members of an object of schemas, sorted by name.
    fn named(&self, keyword: &'static str) -> Result<NamedNodes, SchemaError> {
        let Some(Value::Object(members)) = self.value(keyword) else { return Ok(Box::default()) };
        let mut named = Vec::with_capacity(members.len());
        for (name, member) in members.iter().filter(|(_, member)| !member.is_array()) {
            named.push((name.as_str().into(), self.node(keyword, member)?));
        }
        named.sort_unstable_by(|left: &(Box<str>, _), right| left.0.cmp(&right.0));
        Ok(named.into_boxed_slice())
    }

    fn number(&self, keyword: &'static str) -> Result<Option<&'a Number>, SchemaError> {
        match self.value(keyword) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.malformed(keyword, "a number")),
        }
    }

    /// A non-negative integer; what is beyond 2^64 is as good as 2^64 - 1.
    fn count(&self, keyword: &'static str) -> Result<Option<u64>, SchemaError> {
        let expected = "a non-negative integer";
        let Some(value) = self.value(keyword) else { return Ok(None) };
        let Value::Number(number) = value else { return Err(self.malformed(keyword, expected)) };
        match Exact::of(number) {
            Exact::Integer(count) if count >= 0 => {
                Ok(Some(u64::try_from(count).unwrap_or(u64::MAX)))
            }
            Exact::Float(count) if count > 0.0 && count.fract() == 0.0 => Ok(Some(u64::MAX)),
            _ => Err(self.malformed(keyword, expected)),
        }
    }

    fn names(&self, keyword: &'static str, value: &Value) -> Result<Box<[Box<str>]>, SchemaError> {
        let expected = "a list of property names";
        let Value::Array(items) = value else { return Err(self.malformed(keyword, expected)) };
        let name = |item: &Value| item.as_str().map(Box::from);
        items
            .iter()
            .map(name)
            .collect::<Option<_>>()
            .ok_or_else(|| self.malformed(keyword, expected))
    }

    fn pattern(&mut self, keyword: &'static str, source: &Value) -> Result<Pattern, SchemaError> {
        let Value::String(source) = source else {
            return Err(self.malformed(keyword, "a pattern"));
        };
        self.compile_pattern(source)
    }

    fn compile_pattern(&mut self, source: &str) -> Result<Pattern, SchemaError> {
        let refused = |me: &Self, reason| SchemaError::Pattern {
            at: me.compiler.index.pointer(me.id),
            reason,
        };
        let pattern = Pattern::compile(source, self.compiler.index.limits.max_pattern_bytes)
            .map_err(|reason| refused(self, reason))?;
        self.compiler.pattern_states += pattern.states();
        if self.compiler.pattern_states > MAX_STATES {
            return Err(refused(self, PatternError::TooLarge));
        }
        Ok(pattern)
    }

    fn any_type(&mut self) -> Step {
        if let Some(value) = self.value("type") {
            let mut types = TypeSet::default();
            let known = match value {
                Value::String(name) => types.add(name),
                Value::Array(names) if !names.is_empty() => {
                    names.iter().try_for_each(|name| name.as_str().and_then(|name| types.add(name)))
                }
                _ => None,
            };
            known.ok_or_else(|| self.malformed("type", "the name of a type, or a list of them"))?;
            self.checks.push(Check::Type(types));
        }
        if let Some(value) = self.value("const") {
            self.choice("const", std::slice::from_ref(value))?;
        }
        match self.value("enum") {
            None => Ok(()),
            Some(Value::Array(values)) => self.choice("enum", values),
            Some(_) => Err(self.malformed("enum", "a list of values")),
        }
    }

    fn choice(&mut self, keyword: &'static str, values: &[Value]) -> Step {
        let depth = self.compiler.index.limits.max_instance_depth;
        if !values.iter().all(|value| is_shallow(value, depth)) {
            let at = self.compiler.index.pointer(self.id);
            return Err(SchemaError::Limit { at, what: "a value with too many levels" });
        }
        let (mut strings, mut others): (Vec<Box<str>>, Vec<Value>) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::String(text) => strings.push(text.as_str().into()),
                other => others.push(other.clone()),
            }
        }
        strings.sort_unstable();
        let choice = Choice { keyword, strings: strings.into(), others: others.into() };
        self.checks.push(Check::Choice(choice));
        Ok(())
    }

    fn numbers(&mut self) -> Step {
        type Make = fn(Bound) -> NumberCheck;
        let bounds: [(&'static str, Make); 4] = [
            ("minimum", NumberCheck::Minimum),
            ("maximum", NumberCheck::Maximum),
            ("exclusiveMinimum", NumberCheck::ExclusiveMinimum),
            ("exclusiveMaximum", NumberCheck::ExclusiveMaximum),
        ];
        for (keyword, make) in bounds {
            if let Some(number) = self.number(keyword)? {
                let bound = Bound { limit: Exact::of(number), written: number.clone() };
                self.checks.push(Check::Number(make(bound)));
            }
        }
        if let Some(number) = self.number("multipleOf")? {
            let positive = Exact::of(number).compare(Exact::Integer(0)).is_gt();
            let step = Decimal::of(number).filter(|step| positive && !step.is_zero());
            let step = step.ok_or_else(|| self.malformed("multipleOf", "a number above zero"))?;
            let check = NumberCheck::MultipleOf { step, written: number.clone() };
            self.checks.push(Check::Number(check));
        }
        Ok(())
    }

    fn texts(&mut self) -> Step {
        if let Some(min) = self.count("minLength")? {
            self.checks.push(Check::Text(TextCheck::MinLength(min)));
        }
        if let Some(max) = self.count("maxLength")? {
            self.checks.push(Check::Text(TextCheck::MaxLength(max)));
        }
        if let Some(source) = self.value("pattern") {
            let pattern = self.pattern("pattern", source)?;
            self.checks.push(Check::Text(TextCheck::Pattern(pattern)));
        }
        Ok(())
    }

    fn arrays(&mut self) -> Step {
        if let Some(min) = self.count("minItems")? {
            self.checks.push(Check::Array(ArrayCheck::MinItems(min)));
        }
        if let Some(max) = self.count("maxItems")? {
            self.checks.push(Check::Array(ArrayCheck::MaxItems(max)));
        }
        match self.value("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => self.checks.push(Check::Array(ArrayCheck::UniqueItems)),
            Some(_) => return Err(self.malformed("uniqueItems", "a boolean")),
        }
        let listed = self.value("items").is_some_and(Value::is_array);
        let (prefix, rest, rest_keyword) = match self.dialect {
            Dialect::Draft202012 => (self.schemas("prefixItems")?, self.schema("items")?, "items"),
            Dialect::Draft07 if listed => {
                (self.schemas("items")?, self.schema("additionalItems")?, "additionalItems")
            }
            Dialect::Draft07 => (None, self.schema("items")?, "items"),
        };
        let prefix = prefix.unwrap_or_default();
        if !prefix.is_empty() || rest.is_some() {
            self.checks.push(Check::Array(ArrayCheck::Items { prefix, rest, rest_keyword }));
        }
        let modern = self.dialect == Dialect::Draft202012;
        let (least, max) = if modern {
            (self.count("minContains")?, self.count("maxContains")?)
        } else {
            (None, None)
        };
        if let Some(node) = self.schema("contains")? {
            let min = least.unwrap_or(1);
            self.checks.push(Check::Array(ArrayCheck::Contains { node, min, max, marks: modern }));
        }
        Ok(())
    }

    fn objects(&mut self) -> Step {
        if let Some(min) = self.count("minProperties")? {
            self.checks.push(Check::Object(ObjectCheck::MinProperties(min)));
        }
        if let Some(max) = self.count("maxProperties")? {
            self.checks.push(Check::Object(ObjectCheck::MaxProperties(max)));
        }
        if let Some(names) = self.value("required") {
            let names = self.names("required", names)?;
            self.checks.push(Check::Object(ObjectCheck::Required(names)));
        }
        if let Some(node) = self.schema("propertyNames")? {
            self.checks.push(Check::Object(ObjectCheck::PropertyNames(node)));
        }
        let named = self.named("properties")?;
        let mut patterns = Vec::new();
        if let Some(Value::Object(members)) = self.value("patternProperties") {
            for (source, member) in members {
                let node = self.node("patternProperties", member)?;
                patterns.push((self.compile_pattern(source)?, node));
            }
        }
        let additional = self.schema("additionalProperties")?;
        if !named.is_empty() || !patterns.is_empty() || additional.is_some() {
            let rules = PropertyRules { named, patterns: patterns.into(), additional };
            self.checks.push(Check::Object(ObjectCheck::Properties(Box::new(rules))));
        }
        Ok(())
    }

    fn dependencies(&mut self) -> Step {
        self.dependent_names("dependencies")?;
        self.dependent_schemas("dependencies")?;
        if self.dialect == Dialect::Draft202012 {
            self.dependent_names("dependentRequired")?;
            self.dependent_schemas("dependentSchemas")?;
        }
        Ok(())
    }

    /// `dependencies` of draft-07 has both forms; those that are schemas are not lists.
    fn dependent_names(&mut self, keyword: &'static str) -> Step {
        let members = match self.value(keyword) {
            None => return Ok(()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(self.malformed(keyword, "an object")),
        };
        let mut rules: Vec<DependentNames> = Vec::new();
        for (name, names) in members {
            if keyword == "dependencies" && !names.is_array() {
                continue;
            }
            rules.push((name.as_str().into(), self.names(keyword, names)?));
        }
        if !rules.is_empty() {
            let check = ObjectCheck::DependentRequired { keyword, rules: rules.into() };
            self.checks.push(Check::Object(check));
        }
        Ok(())
    }

    fn dependent_schemas(&mut self, keyword: &'static str) -> Step {
        let rules = self.named(keyword)?;
        if !rules.is_empty() {
            self.checks.push(Check::Object(ObjectCheck::DependentSchemas(rules)));
        }
        Ok(())
    }

    fn references(&mut self) -> Step {
        for keyword in ["$ref", "$dynamicRef"] {
            if keyword == "$dynamicRef" && self.dialect == Dialect::Draft07 {
                continue;
            }
            let Some(value) = self.value(keyword) else { continue };
            let text = value.as_str().ok_or_else(|| self.malformed(keyword, "a URI reference"))?;
            let target = self.compiler.index.resolve(self.id, text)?;
            let check = match target.dynamic {
                Some(name) if keyword == "$dynamicRef" => {
                    let name = self.compiler.dynamic_name(name);
                    InPlace::DynamicReference { fallback: target.node, name }
                }
                _ => InPlace::Reference(target.node),
            };
            self.checks.push(Check::InPlace(check));
        }
        Ok(())
    }

    fn combinations(&mut self) -> Step {
        type Make = fn(Box<[NodeId]>) -> InPlace;
        let lists: [(&'static str, Make); 3] =
            [("allOf", InPlace::AllOf), ("anyOf", InPlace::AnyOf), ("oneOf", InPlace::OneOf)];
        for (keyword, make) in lists {
            if let Some(nodes) = self.schemas(keyword)? {
                self.checks.push(Check::InPlace(make(nodes)));
            }
        }
        if let Some(node) = self.schema("not")? {
            self.checks.push(Check::InPlace(InPlace::Not(node)));
        }
        if let Some(condition) = self.schema("if")? {
            let (then, otherwise) = (self.schema("then")?, self.schema("else")?);
            self.checks.push(Check::InPlace(InPlace::If { condition, then, otherwise }));
        }
        Ok(())
    }

    fn unevaluated(&mut self) -> Step {
        if let Some(node) = self.schema("unevaluatedItems")? {
            self.checks.push(Check::Array(ArrayCheck::Unevaluated(node)));
        }
        if let Some(node) = self.schema("unevaluatedProperties")? {
            self.checks.push(Check::Object(ObjectCheck::Unevaluated(node)));
        }
        Ok(())
    }
}

/// Whether a value has at most so many levels; never recurses deeper than that.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return !matches!(value, Value::Array(_) | Value::Object(_));
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallow(item, below)),
        Value::Object(members) => members.values().all(|member| is_shallow(member, below)),
        _ => true,
    }
}
