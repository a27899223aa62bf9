use arrow::datatypes::DataType;
use serde_json::{Value, json};

use super::*;
use crate::module::fixture::guest;
use crate::module::validate;

fn parse(json: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(json.to_string().as_bytes(), &Limits::default())
}

fn function() -> Value {
    json!({"name": "f", "params": [{"name": "x", "type": "Float64"}], "returns": {"type": "Float64"}})
}

fn with_functions(functions: Value) -> Value {
    json!({"name": "geo", "version": "0.1.0", "functions": functions})
}

/// The refusal of a manifest whose only function is the valid one with `patch` over it; `null` removes a key.
fn refusal(patch: Value) -> String {
    let mut function = function();
    for (key, value) in patch.as_object().unwrap() {
        match value {
            Value::Null => function.as_object_mut().unwrap().remove(key),
            value => function
                .as_object_mut()
                .unwrap()
                .insert(key.clone(), value.clone()),
        };
    }
    refusal_of(with_functions(json!([function])))
}

fn refusal_of(manifest: Value) -> String {
    parse(&manifest)
        .expect_err("the manifest is refused")
        .to_string()
}

const DOCUMENTED: &str = r#"{
  "name": "geo", "version": "0.1.0", "description": "Distances on the sphere.",
  "functions": [{
      "name": "great_circle_km", "export": "udf_great_circle_km", "kind": "scalar",
      "params": [
        {"name": "lat1", "type": "Float64"}, {"name": "lon1", "type": "Float64"},
        {"name": "lat2", "type": "Float64", "nulls": "pass"}, {"name": "lon2", "type": "Float64"}
      ],
      "returns": {"type": "Float64", "nullable": false},
      "volatility": "immutable", "aliases": ["gcd_km"], "description": "Distance in kilometres.",
      "examples": [{"sql": "SELECT great_circle_km(52.5, 13.4, 48.9, 2.4)", "result": "877.46"}]
  }],
  "capabilities": [], "config_schema": null
}"#;

#[test]
fn the_documented_manifest_is_read() {
    let manifest = Manifest::parse(DOCUMENTED.as_bytes(), &Limits::default()).unwrap();
    let [function] = &manifest.functions[..] else {
        panic!("one function");
    };
    assert_eq!(function.export, "udf_great_circle_km");
    assert_eq!(function.params[2].nulls, Nulls::Pass);
    assert_eq!(
        function.returns,
        Some(Returns {
            ty: DataType::Float64,
            nullable: false
        })
    );
    assert_eq!(
        signature_text(function),
        "great_circle_km(lat1 Float64, lon1 Float64, lat2 Float64, lon2 Float64) -> Float64"
    );
    let json = serde_json::to_value(&manifest).unwrap();
    assert_eq!(
        json["functions"][0]["params"][0],
        json!({"name": "lat1", "type": "Float64", "nulls": "skip"})
    );
}

#[test]
fn defaults_are_the_documented_ones() {
    let manifest = parse(&with_functions(json!([function()]))).unwrap();
    let function = &manifest.functions[0];
    assert_eq!(function.export, "f");
    assert_eq!(function.volatility, Volatility::Immutable);
    assert_eq!(function.params[0].nulls, Nulls::Skip);
    assert_eq!(
        function.returns,
        Some(Returns {
            ty: DataType::Float64,
            nullable: true
        })
    );
    assert!(!function.bind && !function.variadic && function.aliases.is_empty());
}

#[test]
fn bound_and_variadic_functions_are_read() {
    let functions = json!([{
        "name": "first", "bind": true, "variadic": true, "returns": {"type": "any"},
        "params": [{"name": "n", "type": "Int64"}, {"name": "rest", "type": "any"}]
    }]);
    let manifest = parse(&with_functions(functions)).unwrap();
    assert_eq!(manifest.functions[0].returns, None);
    assert_eq!(
        signature_text(&manifest.functions[0]),
        "first(n Int64, rest any, …) -> any"
    );
}

#[test]
fn refusals_name_function_and_key() {
    let cases = [
        (
            json!({"volatilty": "stable"}),
            "function `f`, key `functions[0]",
        ),
        (json!({"volatilty": "stable"}), "unknown field `volatilty`"),
        (
            json!({"volatility": "sometimes"}),
            "unknown variant `sometimes`, expected one of `immutable`, `stable`, `volatile`",
        ),
        (json!({"params": null}), "missing field `params`"),
        (
            json!({"returns": null}),
            "function `f`, key `returns`: it is missing",
        ),
        (
            json!({"kind": "macro"}),
            "unknown variant `macro`, expected one of `scalar`, `aggregate`, `window`, `table`",
        ),
        (
            json!({"kind": "aggregate"}),
            "key `state` is missing; declare the columns of the state",
        ),
        (
            json!({"kind": "aggregate", "state": []}),
            "key `state`: it has 0 columns, expected 1 to 255",
        ),
        (
            json!({"kind": "aggregate", "state": [{"name": "a", "type": "any"}]}),
            "key `state`, column `a`: its type is `any`",
        ),
        (
            json!({"kind": "aggregate", "state": [{"name": "a", "type": "Int8"}, {"name": "a", "type": "Int8"}]}),
            "two columns have this name",
        ),
        (
            json!({"kind": "aggregate", "state": [{"name": "a", "type": "Int8"}], "params": []}),
            "it has no parameters, so that nothing would tell it how many rows there are",
        ),
        (
            json!({"kind": "aggregate", "state": [{"name": "a", "type": "Int8"}], "variadic": true}),
            "`variadic` is true, which an aggregate function cannot have",
        ),
        (
            json!({"retract": true}),
            "key `retract` is for functions of kind `aggregate`",
        ),
        (
            json!({"kind": "window", "ordered": true}),
            "key `ordered` is for functions of kind `aggregate`",
        ),
        (
            json!({"kind": "window", "window": "backwards"}),
            "unknown variant `backwards`, expected one of `partition`, `ranked`, `framed`, `streaming`",
        ),
        (
            json!({"kind": "window", "window": "ranked"}),
            "its window is `ranked`, and DataFusion gives such a function no arguments",
        ),
        (
            json!({"kind": "window", "params": [{"name": "x", "type": "Int8", "nulls": "skip"}]}),
            "parameter `x`: its `nulls` is `skip`, but a window function sees all rows",
        ),
        (
            json!({"kind": "table"}),
            "key `returns` is not for tables; declare `columns`",
        ),
        (
            json!({"kind": "table", "returns": null}),
            "key `columns` is missing; declare the table's columns",
        ),
        (
            json!({"name": "1st"}),
            "its name `1st` is not a name for a function",
        ),
        (json!({"name": "f\u{1b}[31m"}), "`f\\u{1b}[31m`"),
        (
            json!({"name": "Wasmfusion_x"}),
            "which the host keeps for itself",
        ),
        (json!({"aliases": ["a b"]}), "its alias `a b` is not a name"),
        (
            json!({"aliases": ["F"]}),
            "its alias `F` is the name of a function",
        ),
        (
            json!({"aliases": ["g", "G"]}),
            "its alias `G` is listed twice",
        ),
        (json!({"export": "memory"}), "belongs to the interface"),
        (
            json!({"export": "wasmfusion_alloc"}),
            "belongs to the interface",
        ),
        (json!({"export": ""}), "expected 1 to"),
        (
            json!({"params": [], "variadic": true}),
            "no parameter to repeat",
        ),
        (
            json!({"params": [{"name": "x", "type": "Floot64"}]}),
            "function `f`, parameter `x`: `Floot64` is not a type",
        ),
        (
            json!({"params": [{"name": "x", "type": "any"}]}),
            "parameter `x`: its type is `any`",
        ),
        (
            json!({"params": [{"name": "x", "type": "Int8"}, {"name": "x", "type": "Int8"}]}),
            "two parameters have this name",
        ),
        (
            json!({"params": [{"name": "x", "type": "Int8", "nulls": "keep"}]}),
            "expected `skip` or `pass`",
        ),
        (
            json!({"params": [{"name": "", "type": "Int8"}]}),
            "1 to 63 bytes",
        ),
        (json!({"returns": {"type": "any"}}), "its type is `any`"),
        (json!({"bind": true}), "comes from `wasmfusion_bind`"),
        (
            json!({"bind": true, "returns": {"type": "any", "nullable": true}}),
            "`nullable` says nothing here",
        ),
        (
            json!({"returns": {"type": "Decimal128(99, 2)"}}),
            "key `returns`: `Decimal128(99, 2)` is not a type",
        ),
        (
            json!({"returns": {"type": "Dictionary(Utf8, Utf8)"}}),
            "dictionary keys",
        ),
        (
            json!({"description": "x".repeat(20_000)}),
            "20000 bytes, more than the 16384 allowed",
        ),
    ];
    for (patch, expected) in cases {
        let message = refusal(patch);
        assert!(message.contains(expected), "{message}\nlacks: {expected}");
        assert!(!message.contains('\u{1b}'));
    }
}

#[test]
fn the_plugin_is_checked() {
    let with = |key: &str, value: Value| {
        let mut manifest = with_functions(json!([function()]));
        manifest[key] = value;
        refusal_of(manifest)
    };
    assert!(with("name", json!("Geo")).contains("`Geo` is not a name for a plugin"));
    assert!(with("name", json!("x".repeat(64))).contains("not a name for a plugin"));
    assert!(with("version", json!("1\n")).contains("key `version`: `1\\n`"));
    assert!(with("functions", json!([])).contains("declare at least one"));
    assert!(with("capabilities", json!(["log", "log"])).contains("`log` is listed twice"));
    assert!(with("capabilities", json!(["net"])).contains("`net` is not a capability"));
    let many: Vec<String> = (0..101).map(|i| format!("env:A{i}")).collect();
    assert!(with("capabilities", json!(many)).contains("101 capabilities"));
    assert!(with("config_schema", json!(3)).contains("not a JSON object"));
    assert!(with("functoins", json!([])).contains("unknown field `functoins`"));
}

#[test]
fn overloads_must_differ() {
    let overload = |params: &[&str], variadic: bool| {
        let bind = params.contains(&"any");
        let params: Vec<Value> = params
            .iter()
            .enumerate()
            .map(|(i, ty)| json!({"name": format!("p{i}"), "type": ty}))
            .collect();
        let mut function =
            json!({"name": "f", "params": params, "variadic": variadic, "bind": bind});
        if !bind {
            function["returns"] = json!({"type": "Int64"});
        }
        function
    };
    let both = |a: Value, b: Value| parse(&with_functions(json!([a, b])));
    both(overload(&["Int64"], false), overload(&["Utf8"], false)).unwrap();
    both(
        overload(&["Int64"], false),
        overload(&["Int64", "Int64"], false),
    )
    .unwrap();
    both(
        overload(&["Int64"], true),
        overload(&["Utf8", "Int64"], false),
    )
    .unwrap();
    both(overload(&[], false), overload(&["Int64"], true)).unwrap();
    both(
        overload(&["Int64", "Utf8"], true),
        overload(&["Int64"], true),
    )
    .unwrap();

    let clash = |a: Value, b: Value| both(a, b).unwrap_err().to_string();
    let same = clash(overload(&["Int64"], false), overload(&["Int64"], false));
    assert!(
        same.contains(
            "two overloads take the same arguments: f(p0 Int64) -> Int64 and f(p0 Int64) -> Int64"
        ),
        "{same}"
    );
    clash(overload(&[], false), overload(&[], false));
    clash(overload(&["any"], false), overload(&["Int64"], false));
    clash(
        overload(&["Int64"], true),
        overload(&["Int64", "Int64", "Int64"], false),
    );
    clash(
        overload(&["Int64", "Int64"], true),
        overload(&["Int64"], true),
    );

    let mut upper = function();
    upper["name"] = json!("F");
    assert!(clash(function(), upper).contains("differs from it in case only"));
}

#[test]
fn aliases_belong_to_one_name() {
    let named = |name: &str, ty: &str, alias: &str| json!({"name": name, "params": [{"name": "x", "type": ty}], "returns": {"type": "Int8"}, "aliases": [alias]});
    parse(&with_functions(json!([
        named("f", "Int8", "h"),
        named("f", "Utf8", "h")
    ])))
    .unwrap();
    let taken = refusal_of(with_functions(json!([
        named("f", "Int8", "h"),
        named("g", "Int8", "H")
    ])));
    assert!(
        taken.contains("function `g`: its alias `H` is already an alias of `f`"),
        "{taken}"
    );
    let name = refusal_of(with_functions(json!([
        named("f", "Int8", "g"),
        named("g", "Int8", "k")
    ])));
    assert!(
        name.contains("its alias `g` is the name of a function"),
        "{name}"
    );
}

#[test]
fn every_limit_has_an_effect() {
    let manifest = with_functions(json!([
        function(),
        {"name": "g", "params": [{"name": "x", "type": "List(List(Int8))"}], "returns": {"type": "Int8"}}
    ]))
    .to_string();
    let refused = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Manifest::parse(manifest.as_bytes(), &limits)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(|l| l.manifest_bytes_max = 100).contains("`manifest_bytes_max`"));
    assert!(
        refused(|l| l.manifest_functions_max = 1)
            .contains("2 functions, more than the 1 that `manifest_functions_max`")
    );
    assert!(refused(|l| l.type_depth_max = 2).contains("`type_depth_max` (2)"));
}

#[test]
fn deep_json_and_deep_types_are_refused() {
    let deep = format!("{{\"name\": {}", "[".repeat(100_000));
    Manifest::parse(deep.as_bytes(), &Limits::default()).unwrap_err();
    let schema = format!("{{\"config_schema\": {}", "[".repeat(100_000));
    Manifest::parse(schema.as_bytes(), &Limits::default()).unwrap_err();
    for levels in [17, 60, 10_000] {
        let ty = "List(".repeat(levels) + "Int8" + &")".repeat(levels);
        let message = refusal(json!({"returns": {"type": ty}}));
        assert!(
            message.contains("is not a type that can cross") && message.len() < 1_000,
            "{message}"
        );
    }
}

#[test]
fn exports_are_checked_against_the_module() {
    let info = |fields: &str| validate(&guest(fields), &Limits::default(), |_, _| None).unwrap();
    let manifest = parse(&with_functions(json!([function()]))).unwrap();
    let check = |fields: &str| {
        manifest
            .check_exports(&info(fields))
            .map_err(|e| e.to_string())
    };
    check(r#"(func (export "f") (param i32) (result i32) i32.const 0)"#).unwrap();
    assert_eq!(
        check("").unwrap_err(),
        "function `f`: the module does not export `f`, expected a func (i32) -> i32; export it, or name the right one in `export`"
    );
    assert!(
        check(r#"(func (export "f"))"#)
            .unwrap_err()
            .contains("is a func () -> (), expected a func (i32) -> i32")
    );
    assert!(
        check(r#"(global (export "f") i32 (i32.const 0))"#)
            .unwrap_err()
            .contains("is a global")
    );

    let bound = parse(&with_functions(
        json!([{"name": "f", "params": [], "bind": true}]),
    ))
    .unwrap();
    let exported = r#"(func (export "f") (param i32) (result i32) i32.const 0)"#;
    assert!(
        bound
            .check_exports(&info(exported))
            .unwrap_err()
            .to_string()
            .contains("does not export `wasmfusion_bind`")
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Manifest::parse(&bytes, &Limits::default());
    }

    #[test]
    fn no_damage_causes_a_panic(at in 0..DOCUMENTED.len(), with in "\\PC{0,3}") {
        let mut text = DOCUMENTED.as_bytes().to_vec();
        text.splice(at..at + 1, with.bytes());
        let _ = Manifest::parse(&text, &Limits::default());
    }
}

fn observer(patch: Value) -> Value {
    let mut function = json!({"name": "slow", "kind": "observer", "event": "query_end", "params": [{"name": "rows", "type": "Int64"}]});
    for (key, value) in patch.as_object().unwrap() {
        function
            .as_object_mut()
            .unwrap()
            .insert(key.clone(), value.clone());
    }
    let mut manifest = with_functions(json!([function]));
    manifest["capabilities"] = json!(["observe:query"]);
    manifest
}

#[test]
fn observers_are_read_and_shown() {
    let manifest = parse(&observer(json!({}))).unwrap();
    let function = &manifest.functions[0];
    assert_eq!(function.kind.event(), Some(EventKind::QueryEnd));
    assert!(function.returns.is_none() && !function.in_sql());
    assert_eq!(
        signature_text(function),
        "slow(rows Int64) observes query_end"
    );
    // What `inspect` shows can be read again.
    let shown = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(
        Manifest::parse(&shown, &Limits::default()).unwrap(),
        manifest
    );
}

#[test]
fn observers_say_what_sql_need_not_know() {
    for (patch, told) in [
        (
            json!({"event": null}),
            "key `event` is missing; name the kind of events that it observes: query_start",
        ),
        (json!({"event": "query"}), "unknown variant `query`"),
        (
            json!({"returns": {"type": "Int64"}}),
            "key `returns` is for functions that SQL calls",
        ),
        (
            json!({"bind": true}),
            "key `bind` is for functions that SQL calls",
        ),
        (json!({"variadic": true}), "key `variadic`"),
        (json!({"aliases": ["a"]}), "key `aliases`"),
        (json!({"examples": [{"sql": "SELECT 1"}]}), "key `examples`"),
        (json!({"params": []}), "it has no parameters"),
        (
            json!({"params": [{"name": "row", "type": "Int64"}]}),
            "has no such column; it has time",
        ),
        (
            json!({"params": [{"name": "rows", "type": "Int32"}]}),
            "its type is Int32, but the column is Int64",
        ),
        (
            json!({"event": "span"}),
            "an event `span` has no such column",
        ),
        (
            json!({"event": "call"}),
            "add \"observe:call\" to `capabilities`",
        ),
        (
            json!({"kind": "scalar", "returns": {"type": "Int64"}}),
            "key `event` is for functions of kind `observer`",
        ),
    ] {
        let refused = refusal_of(observer(patch));
        assert!(refused.contains(told), "{refused}: expected {told}");
    }
    let mut twice = observer(json!({}));
    let function = twice["functions"][0].clone();
    twice["functions"].as_array_mut().unwrap().push(function);
    assert!(refusal_of(twice).contains("two observers have this name"));
}

#[test]
fn an_operator_leaves_observers_out_and_gives_them_no_names() {
    let mut manifest = parse(&observer(json!({}))).unwrap();
    let aliases = [("other".to_owned(), "slow".to_owned())].into();
    let refused = manifest.choose(None, &aliases).unwrap_err().to_string();
    assert!(
        refused.contains("an observer, which SQL cannot call"),
        "{refused}"
    );
    let mut manifest = parse(&observer(json!({}))).unwrap();
    manifest.choose(Some(&[]), &[].into()).unwrap();
    assert!(manifest.functions[0].hidden);
}
