//! Questions that a look can ask of the workload itself, and their answer.

use crate::clock::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An HTTP request and what must come back. One look makes all its requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Http {
    /// What is asked for, by GET.
    pub url: String,
    /// How many answers in a row must be right.
    pub times: u32,
    /// The status that must come; any below 400 where none is given.
    pub status: Option<u16>,
    /// Headers that must come, by lowercase name.
    pub headers: BTreeMap<String, String>,
    /// Fields that the JSON body must hold, by name, each value as JSON text.
    pub json: BTreeMap<String, String>,
}

/// A DNS question and what must be answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dns {
    /// The hosted zone's id; its name servers are asked first.
    pub zone: String,
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub record_type: String,
    /// The set whose values must be the answer.
    pub set_identifier: String,
}

/// SQL checks in a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sql {
    /// The instance.
    pub identifier: String,
    /// Files of queries, relative to the runbook; every row they return is a violation.
    pub queries: Vec<String>,
    /// Tables that must be equal here and in `other`, up to one watermark.
    pub same_tables: Vec<String>,
    /// The instance compared with, and its Region; needed where `same_tables` has items.
    pub other: Option<(String, String)>,
}

/// A command that only looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// It is ended after that.
    pub limit: Span,
    /// The author says that it changes nothing, so that plans may run it too.
    pub read_only: bool,
    /// The names of the variables it is given from lifeboat's own environment; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
}

/// The answer to a probe. An answer of "no" is an answer; not being able to ask is `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked for holds.
    pub ok: bool,
    /// How it is, in words: `200 in 40 ms`, `3 rows violate invariants.sql`.
    pub why: String,
    /// What came back, where later steps may want it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
}

impl Answer {
    /// Whether it holds and how it is, with nothing that came back.
    pub fn plain(ok: bool, why: impl Into<String>) -> Self {
        Self { ok, why: why.into(), output: Value::Null }
    }
}
