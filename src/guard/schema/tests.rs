//! Hostile schemas and instances, limits and messages; no test may depend on time.

use serde_json::{Value, json};

use super::{PatternError, Schema, SchemaError, SchemaLimits, Violation};

fn compile(schema: &Value) -> Schema {
    Schema::compile(schema, &SchemaLimits::default()).unwrap()
}

fn refusal(schema: &Value) -> SchemaError {
    Schema::compile(schema, &SchemaLimits::default()).map(|_| ()).unwrap_err()
}

fn violation(schema: &Value, instance: &Value) -> Violation {
    compile(schema).check(instance).unwrap_err()
}

fn nested(levels: usize, mut value: Value, wrap: impl Fn(Value) -> Value) -> Value {
    for _ in 0..levels {
        value = wrap(value);
    }
    value
}

// C66
#[test]
fn references_out_of_the_document_are_refused_and_named() {
    for reference in [
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/schema.json#/x",
        "file:///etc/passwd",
        "other.json",
        "#missing",
        "#/$defs/missing",
        "#/%zz",
        "//[::1]/x",
    ] {
        for keyword in ["$ref", "$dynamicRef"] {
            let error = refusal(&json!({"properties": {"a": {keyword: reference}}}));
            let at = "/properties/a".to_owned();
            let expected = SchemaError::Reference { at, reference: reference.to_owned() };
            assert_eq!(error, expected);
        }
    }
}

// C67
#[test]
fn loops_without_progress_are_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}),
        json!({"if": true, "then": {"allOf": [{"$ref": "#"}]}}),
        json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
    ] {
        assert!(matches!(refusal(&schema), SchemaError::Loop { .. }), "{schema}");
    }
}

#[test]
fn a_dynamic_loop_ends_with_a_violation() {
    let schema = json!({"$dynamicAnchor": "a", "$dynamicRef": "#a"});
    assert_eq!(violation(&schema, &json!(1)).keyword, "budget");
}

// C67
#[test]
fn an_explosion_of_branches_ends_with_the_budget() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let mut definitions = json!({"d0": {"type": "string"}});
        for level in 1..40 {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            definitions[format!("d{level}")] = json!({keyword: [below.clone(), below]});
        }
        // An `allOf` of failures ends at the first one: this one must succeed.
        let instance = if keyword == "allOf" { json!("x") } else { json!(1) };
        let schema = json!({"$defs": definitions, "$ref": "#/$defs/d39"});
        assert_eq!(violation(&schema, &instance).keyword, "budget", "{keyword}");
    }
}

#[test]
fn a_check_that_is_not_finished_is_a_violation_even_under_not() {
    let many: Value = (0..1_000_001).collect();
    for schema in [
        json!({"uniqueItems": true}),
        json!({"not": {"uniqueItems": true}}),
        json!({"anyOf": [{"uniqueItems": true}, true]}),
        json!({"if": {"uniqueItems": true}, "else": true}),
        json!({"contains": true, "maxContains": 2_000_000}),
    ] {
        assert_eq!(violation(&schema, &many).keyword, "budget", "{schema}");
    }
}

#[test]
fn deep_instances_end_at_the_depth_limit_on_a_small_stack() {
    let tree = json!({"anyOf": [{"$ref": "#/$defs/node"}], "$defs": {"node":
        {"allOf": [{"properties": {"n": {"$ref": "#"}}}], "unevaluatedProperties": false}}});
    let dynamic = json!({"$dynamicAnchor": "t", "properties": {"n": {"$dynamicRef": "#t"}}});
    let work = move || {
        for schema in [tree, dynamic] {
            let schema = compile(&schema);
            let deep = |levels| nested(levels, json!({}), |inner| json!({"n": inner}));
            assert_eq!(schema.check(&deep(100)), Ok(()));
            let violation = schema.check(&deep(200)).unwrap_err();
            assert_eq!(violation.keyword, "budget");
            assert!(violation.message.contains("deeply"));
        }
    };
    std::thread::Builder::new().stack_size(1 << 21).spawn(work).unwrap().join().unwrap();
}

#[test]
fn what_the_schema_does_not_look_at_may_be_deep() {
    let deep = nested(500, json!(1), |inner| json!([inner]));
    assert_eq!(compile(&json!({"type": "array"})).check(&deep), Ok(()));
}

#[test]
fn schemas_beyond_the_limits_are_refused() {
    let deep = nested(65, json!(true), |inner| json!({"items": inner}));
    assert!(matches!(refusal(&deep), SchemaError::Limit { .. }));
    let fits = nested(64, json!(true), |inner| json!({"items": inner}));
    compile(&fits);
    let wide = json!({"allOf": vec![json!(true); 10_000]});
    assert!(matches!(refusal(&wide), SchemaError::Limit { .. }));
    compile(&json!({"allOf": vec![json!(true); 9_999]}));
    let constant = nested(130, json!(1), |inner| json!([inner]));
    assert!(matches!(refusal(&json!({"const": constant})), SchemaError::Limit { .. }));
    let identifier = format!("http://a/{}", "x".repeat(3_000));
    assert!(matches!(refusal(&json!({"$id": identifier})), SchemaError::Identifier { .. }));
}

// C65
#[test]
fn hostile_patterns_are_refused_or_linear() {
    for (pattern, reason) in [
        ("^(?=(a+)+$)a*$", PatternError::LookAround),
        ("^(a+)+\\1$", PatternError::BackReference),
        ("^((a{1,100}){1,100}){1,100}$", PatternError::TooLarge),
        ("\\p{L}", PatternError::UnicodeProperty),
    ] {
        let at = "/items".to_owned();
        let expected = SchemaError::Pattern { at, reason };
        assert_eq!(refusal(&json!({"items": {"pattern": pattern}})), expected);
        let names = json!({"items": {"patternProperties": {pattern: true}}});
        assert_eq!(refusal(&names), expected);
    }
    let schema = json!({"pattern": "^(a+)+$"});
    assert_eq!(violation(&schema, &json!("a".repeat(10_000) + "!")).keyword, "pattern");
    let many: Vec<_> = (0..200).map(|n| json!({"pattern": format!("x{{900}}{n}|y")})).collect();
    assert!(matches!(refusal(&json!({"allOf": many})), SchemaError::Pattern { .. }));
}

#[test]
fn a_malformed_keyword_is_refused_not_skipped() {
    for (keyword, value) in [
        ("type", json!("text")),
        ("type", json!([])),
        ("type", json!(["string", 1])),
        ("enum", json!("a")),
        ("minimum", json!("1")),
        ("exclusiveMinimum", json!(true)),
        ("multipleOf", json!(0)),
        ("multipleOf", json!(-1)),
        ("maxLength", json!(-1)),
        ("maxLength", json!(1.5)),
        ("minContains", json!("1")),
        ("pattern", json!(1)),
        ("uniqueItems", json!("yes")),
        ("required", json!(true)),
        ("required", json!([1])),
        ("properties", json!([])),
        ("properties", json!({"a": 1})),
        ("items", json!([true])),
        ("allOf", json!([])),
        ("anyOf", json!({})),
        ("not", json!("x")),
        ("dependentRequired", json!({"a": "b"})),
        ("dependencies", json!({"a": 1})),
        ("$ref", json!(1)),
        ("$schema", json!(1)),
    ] {
        let error = refusal(&json!({keyword: value}));
        assert!(matches!(error, SchemaError::Keyword { .. }), "{keyword}: {error}");
    }
    for (keyword, value) in [
        ("$id", json!(1)),
        ("$id", json!("a#b")),
        ("$anchor", json!(1)),
        ("$dynamicAnchor", json!({})),
    ] {
        let error = refusal(&json!({keyword: value}));
        assert!(matches!(error, SchemaError::Identifier { .. }), "{keyword}: {error}");
    }
    assert!(matches!(refusal(&json!(null)), SchemaError::Keyword { .. }));
}

#[test]
fn names_given_twice_are_refused() {
    for schema in [
        json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}),
        json!({"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}),
    ] {
        assert!(matches!(refusal(&schema), SchemaError::Identifier { .. }), "{schema}");
    }
}

#[test]
fn other_dialects_are_refused_by_name_wherever_they_stand() {
    for dialect in [
        "http://json-schema.org/draft-04/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://example.com/own",
        "",
    ] {
        let error = refusal(&json!({"properties": {"a": {"$schema": dialect}}}));
        let at = "/properties/a".to_owned();
        assert_eq!(error, SchemaError::Dialect { at, dialect: dialect.to_owned() });
        assert!(error.to_string().contains(dialect));
    }
}

#[test]
fn the_dialect_decides_what_keywords_mean() {
    let draft_07 = "http://json-schema.org/draft-07/schema#";
    let tuple =
        json!({"$schema": draft_07, "items": [{"type": "string"}], "additionalItems": false});
    assert_eq!(violation(&tuple, &json!(["a", 1])).keyword, "additionalItems");
    let embedded = json!({"items": {"$id": "x", "$schema": draft_07, "definitions":
        {"s": {"type": "string"}}, "allOf": [{"$ref": "#/definitions/s", "type": "number"}]}});
    assert_eq!(compile(&embedded).check(&json!(["a"])), Ok(()));
    let legacy =
        json!({"definitions": {"s": {"type": "string"}}, "items": {"$ref": "#/definitions/s"}});
    assert_eq!(violation(&legacy, &json!([1])).instance_path, "/0");
}

#[test]
fn the_metaschemas_judge_schemas_and_themselves() {
    for uri in
        ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema"]
    {
        let schema = compile(&json!({"$schema": uri, "$ref": uri}));
        let draft = json!({"type": "object", "properties": {"a": {"minLength": 1, "enum": [1]}}});
        assert_eq!(schema.check(&draft), Ok(()));
        let bad = json!({"properties": {"a": {"not": {"minLength": -1}}}});
        let violation = schema.check(&bad).unwrap_err();
        assert_eq!(violation.instance_path, "/properties/a/not/minLength");
    }
}

#[test]
fn a_violation_says_where_and_why_without_the_value() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["path"],
        "properties": {"path": {"type": "string", "maxLength": 4, "pattern": "^/"},
        "n": {"minimum": 1.5, "multipleOf": 0.5}, "list": {"items": {"enum": ["a"]}}}});
    for (instance, path, keyword, message) in [
        (json!([]), "", "type", "The value must be of type object."),
        (json!({}), "", "required", "The property \"path\" is missing."),
        (
            json!({"path": "secret"}),
            "/path",
            "maxLength",
            "The text must have at most 4 characters.",
        ),
        (
            json!({"path": "key"}),
            "/path",
            "pattern",
            "The text does not have the form that is asked for.",
        ),
        (json!({"path": "/", "n": 1}), "/n", "minimum", "The number must be at least 1.5."),
        (
            json!({"path": "/", "n": 1.7}),
            "/n",
            "multipleOf",
            "The number must be a multiple of 0.5.",
        ),
        (
            json!({"path": "/", "list": ["secret"]}),
            "/list/0",
            "enum",
            "The value is not one of those that are allowed.",
        ),
        (
            json!({"path": "/", "x\n": 1}),
            "",
            "additionalProperties",
            "The property \"x\\u{a}\" is not allowed.",
        ),
    ] {
        let found = violation(&schema, &instance);
        assert_eq!((found.instance_path.as_str(), found.keyword), (path, keyword), "{instance}");
        assert_eq!(found.message, message);
    }
    let long = "n".repeat(10_000);
    let found = violation(&schema, &json!({"path": "/", long.as_str(): 1}));
    assert!(found.message.len() < 200, "{}", found.message);
    let found = violation(&json!({"additionalProperties": {"type": "null"}}), &json!({long: 1}));
    assert!(found.instance_path.len() < 200, "{}", found.instance_path);
}

#[test]
fn as_many_violations_are_listed_as_asked_for() {
    let schema =
        compile(&json!({"items": {"type": "string"}, "maxItems": 2, "not": {"const": [1]}}));
    let instance = json!([1, 2, "a", 3]);
    let paths = |max| -> Vec<String> {
        schema.violations(&instance, max).into_iter().map(|found| found.instance_path).collect()
    };
    assert_eq!(paths(10), ["", "/0", "/1", "/3"]);
    assert_eq!(paths(2), ["", "/0"]);
    assert_eq!(paths(0).len(), 1);
    assert!(schema.violations(&json!(["a"]), 10).is_empty());
}

#[test]
fn the_budget_violation_is_within_the_number_asked_for() {
    let limits = SchemaLimits { max_steps: 100, ..SchemaLimits::default() };
    let schema = Schema::compile(&json!({"items": {"type": "string"}}), &limits).unwrap();
    let instance: Value = (0..200).collect();
    let found = schema.violations(&instance, 5);
    assert_eq!(found.len(), 5);
    let found = schema.violations(&instance, 1_000);
    assert_eq!(found.last().unwrap().keyword, "budget");
}

#[test]
fn marks_of_more_than_sixty_four_parts_are_kept_apart() {
    let schema =
        compile(&json!({"anyOf": [{"patternProperties": {"^a": true}}, {"required": ["z"]},
        {"patternProperties": {"^b": {"type": "string"}}}],
        "unevaluatedProperties": {"type": "null"}}));
    let mut instance = json!({});
    for n in 0..100 {
        instance[format!("a{n}")] = json!(n);
        instance[format!("b{n}")] = json!("b");
    }
    assert_eq!(schema.check(&instance), Ok(()));
    instance["b50"] = json!(1);
    let found = schema.check(&instance).unwrap_err();
    assert_eq!(found.instance_path, "/b0", "a failed branch leaves no marks");
    let items = compile(&json!({"contains": {"type": "string"}, "unevaluatedItems": false}));
    let mut list = vec![json!("a"); 100];
    assert_eq!(items.check(&json!(list)), Ok(()));
    list[99] = json!(1);
    assert_eq!(items.check(&json!(list)).unwrap_err().keyword, "unevaluatedItems");
}

// C70
#[test]
fn names_of_prototypes_are_ordinary_names() {
    let schema =
        json!({"properties": {"__proto__": {"type": "string"}}, "required": ["constructor"]});
    assert_eq!(
        violation(&schema, &json!({"__proto__": 1, "constructor": 1})).instance_path,
        "/__proto__"
    );
    assert_eq!(violation(&schema, &json!({})).keyword, "required");
}

#[test]
fn a_schema_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile(&json!(true)));
}
