//! The rows of the language beside those of the actions and kinds: what a runbook and a step may
//! hold. See [`crate::model::Shape`].

use super::trigger::{NOTIFY, TRIGGER};
use crate::{
    action::CONFIRM,
    model::{Field, Shape, Ty},
};

const fn required(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Field {
    Field::required(name, ty, doc, example)
}
const fn optional(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Field {
    Field::optional(name, ty, doc, example)
}
const fn default(name: &'static str, ty: Ty, value: &'static str, doc: &'static str) -> Field {
    Field::default(name, ty, value, doc)
}

/// Keys that are parsed and answered with "not supported yet", and what each will be for.
pub const RESERVED: &[(&str, &str)] = &[
    ("drill", "rehearsing on real sites"),
    ("secrets", "values from a secret store"),
    ("windows", "when planned moves are allowed"),
    ("guards", "conditions that stop a run"),
    ("outputs", "what a run tells its caller"),
    ("for_each", "one step for many resources"),
];

/// What a key is reserved for, in a mapping of the shape of that name; none: it is not reserved there.
pub fn reserved(shape: &str, key: &str) -> Option<&'static str> {
    let listed = || RESERVED.iter().find(|(name, _)| *name == key).map(|(_, purpose)| *purpose);
    match (shape, key) {
        ("runbook", _) | ("step" | "override", "for_each" | "guards") => listed(),
        ("confirm", "approvers") => Some("who may answer"),
        _ => None,
    }
}

/// The whole file.
pub const RUNBOOK: Shape = Shape {
    name: "runbook",
    doc: "A failover and failback runbook, version 1. Keys that begin with `x_` are ignored.",
    fields: &[
        required("version", Ty::Literal(&Ty::Int { min: 1, max: 1 }), "The version of the language.", "1"),
        required("name", Ty::Fixed, "Its name: letters, digits, `-` and `_`.", "storefront"),
        optional("description", Ty::Fixed, "What it is for.", "Moves the storefront between Regions"),
        optional("owner", Ty::Fixed, "Who answers for it.", "team-storefront"),
        optional(
            "strategy",
            Ty::OneOf(&["backup-and-restore", "pilot-light", "warm-standby", "multi-site"]),
            "The kind of recovery; advice depends on it, behaviour does not.",
            "warm-standby",
        ),
        optional(
            "objectives",
            Ty::Of(&OBJECTIVES),
            "What it promises; every run is measured against it.",
            "{ rto: 1h, rpo: 1m }",
        ),
        required(
            "sites",
            Ty::Named(&Ty::Of(&SITE)),
            "The places the workload can run, by name.",
            "{ ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }",
        ),
        optional(
            "aws",
            Ty::Of(&AWS),
            "How global services are reached.",
            "{ endpoint_url: \"http://localhost:5000\" }",
        ),
        required("primary", Ty::Name, "The site that is home.", "ohio"),
        required(
            "standby",
            Ty::Either(&[Ty::Name, Ty::List(&Ty::Name)]),
            "Where the service can move; of several the first, unless `--to` says otherwise.",
            "oregon",
        ),
        optional(
            "parameters",
            Ty::Named(&Ty::Of(&PARAMETER)),
            "What can be set from outside, by `--param name=value`.",
            "{ batch: { type: integer, default: 3 } }",
        ),
        optional("resources", Ty::Named(&Ty::Any), "What is moved, by name; each has a `kind`.", "{}"),
        optional(
            "probes",
            Ty::Named(&Ty::Of(&PROBE)),
            "Questions to the workload, by name, for `verify` and `wait`.",
            "{}",
        ),
        required("failover", Ty::List(&Ty::Of(&STEP)), "The steps from primary to standby.", "[]"),
        optional(
            "failback",
            Ty::Either(&[Ty::OneOf(&["mirror"]), Ty::List(&Ty::Of(&STEP))]),
            "The steps home; `mirror`: failover's, with from and to swapped.",
            "mirror",
        ),
        optional(
            "reprotect",
            Ty::List(&Ty::Of(&STEP)),
            "The steps that make the site that was left the replica of the active one.",
            "[]",
        ),
        optional(
            "finally",
            Ty::List(&Ty::Of(&STEP)),
            "Safe steps that run once at the end, however the run ends.",
            "[]",
        ),
        optional(
            "triggers",
            Ty::List(&Ty::Of(&TRIGGER)),
            "When `lifeboat watch` starts a failover without people.",
            "[]",
        ),
        optional(
            "notify",
            Ty::List(&Ty::Of(&NOTIFY)),
            "Where `lifeboat watch` tells people what they must do.",
            "[{ webhook: \"env:PAGER_URL\" }]",
        ),
    ],
};

/// `objectives`.
pub const OBJECTIVES: Shape = Shape {
    name: "objectives",
    doc: "What the runbook promises.",
    fields: &[
        optional("rto", Ty::Literal(&Ty::Duration), "Longest time from disruption to restored service.", "1h"),
        optional("rpo", Ty::Literal(&Ty::Duration), "Longest window of lost writes.", "1m"),
        optional(
            "write_outage",
            Ty::Literal(&Ty::Duration),
            "Longest time without accepted writes in a planned move.",
            "20m",
        ),
    ],
};

/// A site.
pub const SITE: Shape = Shape {
    name: "site",
    doc: "A place the workload can run.",
    fields: &[
        required("region", Ty::Fixed, "Its Region.", "us-east-2"),
        optional("account", Ty::Fixed, "Its account, where it is not the caller's own.", "\"111122223333\""),
        optional("role_arn", Ty::Fixed, "A role to assume there.", "arn:aws:iam::111122223333:role/lifeboat"),
        optional("external_id", Ty::Fixed, "The external id that the role asks for.", "storefront"),
        optional("profile", Ty::Fixed, "A named profile for its credentials.", "dr"),
        optional(
            "endpoint_url",
            Ty::Fixed,
            "Where its API answers: tests and private endpoints.",
            "\"http://localhost:5000\"",
        ),
    ],
};

/// `aws`.
pub const AWS: Shape = Shape {
    name: "aws",
    doc: "How services without a Region are reached.",
    fields: &[optional(
        "endpoint_url",
        Ty::Fixed,
        "Where they answer: tests and private endpoints.",
        "\"http://localhost:5000\"",
    )],
};

/// A parameter.
pub const PARAMETER: Shape = Shape {
    name: "parameter",
    doc: "Something that can be set from outside.",
    fields: &[
        required(
            "type",
            Ty::OneOf(&["string", "integer", "number", "boolean", "duration", "choice"]),
            "What its value is.",
            "integer",
        ),
        optional("choices", Ty::List(&Ty::Fixed), "The words of a `choice`.", "[fast, careful]"),
        optional(
            "default",
            Ty::Literal(&Ty::Any),
            "Its value where none is given; without one, one must be given.",
            "3",
        ),
        optional("description", Ty::Fixed, "What it is for.", "Servers per batch"),
    ],
};

/// A probe.
pub const PROBE: Shape = Shape {
    name: "probe",
    doc: "A question to the workload: a `verify-…` action by name. Built in: `site_answers`.",
    fields: &[
        required("action", Ty::OneOf(&["verify-http", "verify-dns", "verify-sql"]), "What asks.", "verify-http"),
        optional("resource", Ty::Name, "The resource it asks about.", "orders"),
        optional("resources", Ty::List(&Ty::Name), "Several of them.", "[orders, payments]"),
        optional("with", Ty::Any, "The action's parameters.", "{ url: \"https://example.com/ready\" }"),
    ],
};

/// A step.
pub const STEP: Shape = Shape {
    name: "step",
    doc: "One step. Without `needs` it waits for every step above it in its list; without `action` it only asks its probes.",
    fields: &[
        required("id", Ty::Name, "Its name, unique in the file.", "promote"),
        optional("name", Ty::Text, "A name for people.", "Promote the orders database"),
        optional("action", Ty::Fixed, "What it does.", "promote-replica"),
        optional("resource", Ty::Name, "What it works on.", "orders"),
        optional("resources", Ty::List(&Ty::Name), "Several of them, side by side.", "[orders, payments]"),
        optional("with", Ty::Any, "The action's parameters.", "{ backup_retention: 7 }"),
        optional("at", Ty::Name, "`from`, `to` or a site's name; each action has a default.", "to"),
        optional("needs", Ty::List(&Ty::Name), "What must be done before; `[]` starts at once.", "[freeze]"),
        optional("only", Ty::OneOf(&["failover", "failback"]), "The one direction it belongs to.", "failback"),
        optional(
            "when",
            Ty::Expr,
            "It is left out unless this expression holds; over parameters, mode, direction and outputs.",
            "parameters.batch > 0",
        ),
        optional(
            "planned",
            Ty::Either(&[Ty::OneOf(&["run", "skip", "best-effort"]), Ty::Of(&OVERRIDE)]),
            "What is different in a planned run.",
            "skip",
        ),
        optional(
            "emergency",
            Ty::Either(&[Ty::OneOf(&["run", "skip", "best-effort"]), Ty::Of(&OVERRIDE)]),
            "What is different in an emergency.",
            "{ run: best-effort, timeout: 45s }",
        ),
        optional(
            "confirm",
            Ty::Either(&[Ty::Text, Ty::Of(&CONFIRM)]),
            "A question before it; no means abort.",
            "Promote now?",
        ),
        optional("expect", Ty::Duration, "How long it probably takes.", "8m"),
        optional("timeout", Ty::Duration, "How long it may take; each action has a default.", "20m"),
        optional(
            "retry",
            Ty::Of(&RETRY),
            "How it is tried again. Without it, what surely was not applied is tried again within `timeout`.",
            "{ attempts: 3, delay: 10s }",
        ),
        default(
            "on_failure",
            Ty::OneOf(&["pause", "abort", "continue", "undo"]),
            "pause",
            "What happens when it fails.",
        ),
        optional(
            "undo",
            Ty::Either(&[Ty::Fixed, Ty::Of(&UNDO)]),
            "What takes it back: an action, or `with` for the same one.",
            "unfreeze-writes",
        ),
        optional("hold", Ty::Of(&HOLD), "What it holds closed, and for how long at most.", "{ max: 5m, then: undo }"),
        optional("verify", Ty::List(&Ty::Name), "Probes that must hold after it.", "[writes_ok]"),
        optional(
            "milestone",
            Ty::OneOf(&["service-restored"]),
            "What is reached with it; stops the RTO clock.",
            "service-restored",
        ),
        default("skippable", Ty::Literal(&Ty::Flag), "true", "May it be skipped by hand."),
        optional(
            "simulate",
            Ty::Of(&SIMULATE),
            "What the sandbox answers for `exec`, `http`, `verify-sql` and `notify`.",
            "{ takes: 1s }",
        ),
    ],
};

/// `planned` and `emergency` as a map: any step key but these and `id`. `with` and `hold` merge key
/// by key, all else is replaced.
pub const OVERRIDE: Shape = Shape {
    name: "override",
    doc: "What is different in that mode: `run`, and any key of a step.",
    fields: &[
        default("run", Ty::OneOf(&["run", "skip", "best-effort"]), "run", "Whether it is run in this mode."),
        optional("name", Ty::Text, "A name for people.", "Promote the orders database"),
        optional("action", Ty::Fixed, "What it does.", "promote-replica"),
        optional("resource", Ty::Name, "What it works on.", "orders"),
        optional("resources", Ty::List(&Ty::Name), "Several of them, side by side.", "[orders, payments]"),
        optional("with", Ty::Any, "The action's parameters; merged key by key.", "{ backup_retention: 7 }"),
        optional("at", Ty::Name, "`from`, `to` or a site's name.", "to"),
        optional("needs", Ty::List(&Ty::Name), "What must be done before.", "[declare]"),
        optional("only", Ty::OneOf(&["failover", "failback"]), "The one direction it belongs to.", "failback"),
        optional("when", Ty::Expr, "It is left out unless this expression holds.", "parameters.batch > 0"),
        optional("confirm", Ty::Either(&[Ty::Text, Ty::Of(&CONFIRM)]), "A question before it.", "Promote now?"),
        optional("expect", Ty::Duration, "How long it probably takes.", "8m"),
        optional("timeout", Ty::Duration, "How long it may take.", "45s"),
        optional("retry", Ty::Of(&RETRY), "How it is tried again.", "{ attempts: 3, delay: 10s }"),
        optional(
            "on_failure",
            Ty::OneOf(&["pause", "abort", "continue", "undo"]),
            "What happens when it fails.",
            "abort",
        ),
        optional("undo", Ty::Either(&[Ty::Fixed, Ty::Of(&UNDO)]), "What takes it back.", "unfreeze-writes"),
        optional("hold", Ty::Of(&HOLD_CHANGE), "What it holds closed; merged key by key.", "{ max: 15m, then: page }"),
        optional("verify", Ty::List(&Ty::Name), "Probes that must hold after it.", "[writes_ok]"),
        optional("milestone", Ty::OneOf(&["service-restored"]), "What is reached with it.", "service-restored"),
        optional("skippable", Ty::Literal(&Ty::Flag), "May it be skipped by hand.", "false"),
        optional("simulate", Ty::Of(&SIMULATE), "What the sandbox answers.", "{ takes: 1s }"),
    ],
};

/// `retry`.
pub const RETRY: Shape = Shape {
    name: "retry",
    doc: "How a step is tried again.",
    fields: &[
        required("attempts", Ty::Literal(&Ty::Int { min: 1, max: 1000 }), "How often in all.", "10"),
        default("delay", Ty::Literal(&Ty::Duration), "5s", "Before the second attempt; doubled for each one after it."),
        default("max_delay", Ty::Literal(&Ty::Duration), "1m", "No pause is longer."),
    ],
};

/// `undo` as a map.
pub const UNDO: Shape = Shape {
    name: "undo",
    doc: "What takes a step back.",
    fields: &[
        optional("action", Ty::Fixed, "The action; none: the step's own.", "scale"),
        optional("with", Ty::Any, "Its parameters.", "{ to: resting }"),
    ],
};

/// `hold`.
pub const HOLD: Shape = Shape {
    name: "hold",
    doc: "What a step holds closed. Ends with the step's undo or the promotion of its resource.",
    fields: &[
        required("max", Ty::Duration, "At most so long.", "5m"),
        required("then", Ty::OneOf(&["undo", "page"]), "What happens then.", "undo"),
    ],
};

/// `hold` in an override.
pub const HOLD_CHANGE: Shape = Shape {
    name: "hold change",
    doc: "What is different about a hold.",
    fields: &[
        optional("max", Ty::Duration, "At most so long.", "15m"),
        optional("then", Ty::OneOf(&["undo", "page"]), "What happens then.", "page"),
    ],
};

/// `simulate`.
pub const SIMULATE: Shape = Shape {
    name: "simulate",
    doc: "What the sandbox answers for what it cannot simulate.",
    fields: &[
        optional("takes", Ty::Literal(&Ty::Duration), "How long it takes.", "1s"),
        optional("exit", Ty::Literal(&Ty::Int { min: 0, max: 255 }), "The exit code.", "0"),
        optional("status", Ty::Literal(&Ty::Int { min: 100, max: 599 }), "The HTTP status.", "200"),
        optional("output", Ty::Literal(&Ty::Any), "What comes back.", "ok"),
    ],
};
