//! JSON lines: one object a line, for programs. The names of events are fixed by a snapshot in
//! `words`; times and lengths of time are milliseconds, as in the journal, beside them `time` for
//! readers of logs.

use super::{Progress, SCHEMA, words::words};
use crate::event::Event;
use serde_json::{Map, Value, json};

/// An event: its own fields, where it stands in its run, and its sentence. `so_far` is where the
/// run stood before it.
pub fn event(event: &Event, so_far: &Progress) -> Value {
    let said = words(&event.kind, so_far);
    let mut object = typed("event");
    object.insert("run".into(), json!(event.run));
    object.insert("seq".into(), json!(event.seq));
    object.insert("epoch".into(), json!(event.epoch));
    object.insert("at".into(), json!(event.at));
    object.insert("time".into(), json!(event.at.to_string()));
    if let Ok(Value::Object(fields)) = serde_json::to_value(&event.kind) {
        object.extend(fields);
    }
    object.insert("text".into(), json!(format!("{}: {}", said.subject(), said.text)));
    Value::Object(object)
}

/// A line for people that is no fact of the run.
pub fn line(text: &str) -> Value {
    let mut object = typed("line");
    object.insert("text".into(), json!(text));
    Value::Object(object)
}

/// An object of a type, to be filled.
pub fn typed(name: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!(name)), ("schema".to_owned(), json!(SCHEMA))])
}

/// A value of a type: its own fields below the type's name.
pub fn of<T: serde::Serialize>(name: &str, value: &T) -> Value {
    let mut object = typed(name);
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => object.extend(fields),
        Ok(other) => drop(object.insert("value".into(), other)),
        Err(why) => drop(object.insert("error".into(), json!(why.to_string()))),
    }
    Value::Object(object)
}
