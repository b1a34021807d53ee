//! The JSON Schema of the language (draft 2020-12), for editors and foreign validators, from the
//! same rows that the walk uses. It knows shapes, words and names, not what names lead to: whatever
//! it refuses, `validate` refuses too.

use super::walk::takes_expressions;
use crate::{
    action::{ACTIONS, ActionRow},
    model::{Field, Need, Shape, Ty},
    runbook::{KINDS, OVERRIDE, RUNBOOK, STEP},
};
use serde_json::{Map, Value, json};

const NAME: &str = "^[a-z][a-z0-9_]*$";
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
const EXPRESSION: &str = r"\$\{";

/// The schema.
pub fn schema() -> Value {
    let mut defs = Map::new();
    let mut root = object(&RUNBOOK, true, &mut defs);
    root["properties"]["resources"] = named(&json!({ "$ref": "#/$defs/resource" }));
    defs.insert("resource".into(), resource());
    for row in KINDS {
        let kind = object(&row.shape, true, &mut defs);
        defs.insert(row.shape.name.into(), kind);
    }
    for row in ACTIONS {
        let whole = object(&row.shape, true, &mut defs);
        let part = object(&row.shape, false, &mut defs);
        defs.insert(format!("with {}", row.name()), whole);
        defs.insert(format!("part of with {}", row.name()), part);
    }
    conditions(&mut defs);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lifeboat runbook, version 1",
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
        schema.insert("$defs".into(), Value::Object(defs));
    }
    schema
}

/// A mapping of a shape. `whole`: keys that must be there are required.
fn object(shape: &'static Shape, whole: bool, defs: &mut Map<String, Value>) -> Value {
    let properties: Map<_, _> =
        shape.fields.iter().map(|field| (field.name.to_owned(), property(field, defs))).collect();
    let mut object = json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "patternProperties": { "^x_": true },
        "additionalProperties": false,
    });
    let required: Vec<_> = shape.fields.iter().filter(|f| f.need == Need::Required).map(|f| f.name).collect();
    if whole && !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(field: &'static Field, defs: &mut Map<String, Value>) -> Value {
    let mut schema = ty(&field.ty, true, defs);
    if let Value::Object(map) = &mut schema {
        // Beside a `$ref` too: draft 2020-12 allows it.
        map.insert("description".into(), field.doc.into());
        if let Need::Default(value) = field.need {
            map.insert("default".into(), serde_yaml::from_str(value).unwrap_or_else(|_| value.into()));
        }
    }
    schema
}

fn ty(wanted: &'static Ty, dynamic: bool, defs: &mut Map<String, Value>) -> Value {
    let plain = match wanted {
        // Numbers and flags without quotes are taken as they are written.
        Ty::Text | Ty::Fixed => json!({ "type": ["string", "number", "boolean"] }),
        Ty::Name => json!({ "type": "string", "pattern": NAME }),
        Ty::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Ty::Duration => json!({ "type": "string", "pattern": DURATION, "minLength": 2 }),
        Ty::Flag => json!({ "type": "boolean" }),
        Ty::OneOf(words) => json!({ "enum": words }),
        Ty::Number => json!({ "type": "number" }),
        Ty::Percent => json!({ "type": "string", "pattern": r"^[0-9.]+\s*%$" }),
        Ty::Expr => json!({ "type": ["string", "boolean"] }),
        Ty::List(inner) => json!({ "type": "array", "items": ty(inner, dynamic, defs) }),
        Ty::Map(inner) => json!({ "type": "object", "additionalProperties": ty(inner, dynamic, defs) }),
        Ty::Named(inner) => named(&ty(inner, dynamic, defs)),
        Ty::Literal(inner) => ty(inner, false, defs),
        Ty::Of(shape) => reference_to(shape, defs),
        Ty::Either(options) => {
            let options: Vec<_> = options.iter().map(|option| ty(option, dynamic, defs)).collect();
            json!({ "anyOf": options })
        }
        Ty::Any => json!({}),
    };
    let typed = !matches!(wanted, Ty::Text | Ty::Any);
    if dynamic && typed && takes_expressions(wanted) {
        return json!({ "anyOf": [plain, { "type": "string", "pattern": EXPRESSION }] });
    }
    plain
}

/// A shape stands once, under its name.
fn reference_to(shape: &'static Shape, defs: &mut Map<String, Value>) -> Value {
    if !defs.contains_key(shape.name) {
        // Taken before it is made, so that a shape may hold itself.
        defs.insert(shape.name.into(), Value::Null);
        let made = object(shape, true, defs);
        defs.insert(shape.name.into(), made);
    }
    json!({ "$ref": format!("#/$defs/{}", escaped(shape.name)) })
}

fn escaped(name: &str) -> String {
    name.replace(' ', "%20")
}

fn named(values: &Value) -> Value {
    json!({
        "type": "object",
        "patternProperties": { "^x_": true, "^(?!x_)[a-z][a-z0-9_]*$": values },
        "additionalProperties": false,
    })
}

/// A resource: its `kind` tells the rest.
fn resource() -> Value {
    let kinds: Vec<_> = KINDS.iter().map(|row| row.shape.name).collect();
    let rules: Vec<_> = KINDS
        .iter()
        .map(|row| {
            json!({
                "if": { "properties": { "kind": { "const": row.shape.name } }, "required": ["kind"] },
                "then": { "$ref": format!("#/$defs/{}", row.shape.name) },
            })
        })
        .collect();
    json!({ "type": "object", "properties": { "kind": { "enum": kinds } }, "required": ["kind"], "allOf": rules })
}

/// What depends on another key: `with` on `action`, in steps, their overrides and probes.
fn conditions(defs: &mut Map<String, Value>) {
    let actions: Vec<_> = ACTIONS.iter().map(ActionRow::name).collect();
    let is = |name: &str| json!({ "properties": { "action": { "const": name } }, "required": ["action"] });
    let has_own = json!({ "type": "object", "required": ["action"] });
    let (mut of_steps, mut of_overrides, mut of_probes) = (vec![], vec![], vec![]);
    for row in ACTIONS {
        let name = row.name();
        let whole = json!({ "$ref": format!("#/$defs/with%20{name}") });
        let part = json!({ "$ref": format!("#/$defs/part%20of%20with%20{name}") });
        // An override that names no action changes the step's own.
        let same = json!({ "if": { "not": has_own }, "then": { "properties": { "with": part } } });
        of_steps.push(json!({
            "if": is(name),
            "then": { "properties": { "with": part, "planned": same, "emergency": same } },
        }));
        let mut complete = json!({ "properties": { "with": whole } });
        if row.shape.fields.iter().any(|field| field.need == Need::Required) {
            complete["required"] = json!(["with"]);
        }
        let mut alone = is(name);
        alone["not"] = json!({ "anyOf": [{ "required": ["planned"] }, { "required": ["emergency"] }] });
        of_steps.push(json!({ "if": alone, "then": complete }));
        of_overrides.push(json!({ "if": is(name), "then": { "properties": { "with": part } } }));
        if name.starts_with("verify-") {
            of_probes.push(json!({ "if": is(name), "then": complete }));
        }
    }
    for (shape, rules) in [(STEP.name, of_steps), (OVERRIDE.name, of_overrides), ("probe", of_probes)] {
        let Some(Value::Object(def)) = defs.get_mut(shape) else { continue };
        def.insert("allOf".into(), rules.into());
        if shape != "probe" {
            def["properties"]["action"]["enum"] = json!(actions);
        }
    }
    if let Some(Value::Object(step)) = defs.get_mut(STEP.name) {
        step.insert("anyOf".into(), json!([{ "required": ["action"] }, { "required": ["verify"] }]));
        step.insert("not".into(), json!({ "required": ["resource", "resources"] }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::RESERVED;

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, defs: &Map<String, Value>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        let name = to.strip_prefix("#/$defs/").unwrap().replace("%20", " ");
                        assert!(defs.get(&name).is_some_and(Value::is_object), "{name}");
                    }
                    map.values().for_each(|v| walk(v, defs));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, defs)),
                _ => {}
            }
        }
        let schema = schema();
        walk(&schema, schema["$defs"].as_object().unwrap());
    }

    #[test]
    fn reserved_keys_are_refused_and_private_ones_are_not() {
        let schema = schema();
        for (key, _) in RESERVED {
            assert!(schema["properties"].get(key).is_none(), "{key}");
        }
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["patternProperties"]["^x_"], true);
    }
}
