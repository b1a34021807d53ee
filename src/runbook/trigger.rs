//! What a runbook says of starting without people: `triggers`, and `notify` for what people must be
//! told meanwhile.

use crate::{
    alarm::AlarmArn,
    clock::Span,
    diagnostic::Path,
    ids::{ProbeName, SiteName, TriggerName},
    model::{Field, Impact, Mode, Place, Shape, Ty},
};
use serde::{Deserialize, Serialize};

/// A policy that people wrote and rehearsed: when a failover begins by itself, and how far it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Its name.
    pub name: TriggerName,
    /// What has to be true.
    pub when: Condition,
    /// It must still be true after so long.
    pub hold: Span,
    /// How far the run goes without people; none: nothing is said.
    pub autonomy: Option<Autonomy>,
    /// A run that is `safe` goes on to what is disruptive, and no further, when the site being left is
    /// observed dead.
    pub disruptive_if_unreachable: bool,
    /// The mode of the run.
    pub mode: Mode,
    /// So much loss of writes needs no person.
    pub accept_data_loss: Option<Span>,
    /// After a run that began by itself, none begins for so long.
    pub cooldown: Span,
    /// The standby to move to; none: the first.
    pub to: Option<SiteName>,
    /// Where it stands.
    pub path: Path,
}

impl Trigger {
    /// How long after a run that began by itself none begins, unless the runbook says.
    pub const COOLDOWN: Span = Span::hours(1);

    /// The alarms that speak for it.
    pub fn alarms(&self) -> impl Iterator<Item = &AlarmArn> {
        self.when.of.iter().filter_map(|one| match &one.what {
            Witness::Alarm { arn, .. } => Some(arn),
            Witness::Probe { .. } => None,
        })
    }

    /// The probes that speak for it, and where each asks.
    pub fn probes(&self) -> impl Iterator<Item = (&ProbeName, &Place)> {
        self.when.of.iter().filter_map(|one| match &one.what {
            Witness::Probe { name, at, .. } => Some((name, at)),
            Witness::Alarm { .. } => None,
        })
    }
}

/// So many of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// How many.
    pub quorum: usize,
    /// Of what.
    pub of: Vec<Evidence>,
}

/// Something that speaks for a failover.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What.
    pub what: Witness,
    /// Where it stands.
    pub path: Path,
}

/// Who speaks for a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// An alarm, while it is in ALARM.
    Alarm {
        /// Which.
        arn: AlarmArn,
        /// What it means that it has no data, or cannot be asked; none: nothing is said, and it speaks
        /// for nothing then.
        silence: Option<Silence>,
        /// It counts although somebody muted its actions.
        muted_counts: bool,
    },
    /// A probe of the runbook.
    Probe {
        /// Which.
        name: ProbeName,
        /// It speaks while the probe fails; otherwise while it holds.
        failing: bool,
        /// At which site it asks.
        at: Place,
    },
}

impl Witness {
    /// It in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Alarm { arn, .. } => format!("alarm {}", arn.name()),
            Self::Probe { name, failing: true, .. } => format!("{name} failing"),
            Self::Probe { name, failing: false, .. } => format!("{name} holding"),
        }
    }
}

/// What an alarm's silence stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// As if it were in ALARM: what it watches is probably gone.
    Alarm,
    /// As if it were OK: it tells nothing.
    Ok,
}

/// How far a run goes without people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autonomy {
    /// Nothing is begun; people are told.
    Observe,
    /// Only safe steps; then it waits for a person.
    Safe,
    /// All of it: the consent that its irreversible steps need.
    Full,
}

impl Autonomy {
    /// The gravest step that it begins without a person.
    pub fn reach(self) -> Impact {
        match self {
            Self::Observe => Impact::Read,
            Self::Safe => Impact::Safe,
            Self::Full => Impact::Irreversible,
        }
    }
}

/// Where people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// A topic of SNS, by its ARN.
    Topic(String),
    /// A URL that takes a JSON object by POST.
    Webhook(String),
}

const fn optional(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Field {
    Field::optional(name, ty, doc, example)
}

/// `triggers`, an item.
pub const TRIGGER: Shape = Shape {
    name: "trigger",
    doc: "A policy by which `lifeboat watch` starts a failover without people.",
    fields: &[
        Field::required("name", Ty::Name, "Its name.", "region_lost"),
        Field::required("when", Ty::Of(&CONDITION), "What has to be true.", "{ quorum: 2, of: [] }"),
        Field::default(
            "hold",
            Ty::Literal(&Ty::Duration),
            "0s",
            "It must still be true after so long, looked at again.",
        ),
        optional(
            "autonomy",
            Ty::OneOf(&["observe", "safe", "full"]),
            "How far it goes alone: only tell people; only safe steps, then wait for a person; all of it, which is the \
             consent that irreversible steps need.",
            "safe",
        ),
        optional(
            "disruptive_if",
            Ty::Of(&DISRUPTIVE_IF),
            "When `safe` goes on to the freeze, and no further.",
            "{ from: unreachable }",
        ),
        Field::default("mode", Ty::OneOf(&["planned", "emergency"]), "emergency", "The mode of the run."),
        optional(
            "accept_data_loss",
            Ty::Literal(&Ty::Duration),
            "So much needs no person; beyond it, or unknown, one is asked.",
            "1m",
        ),
        Field::default(
            "cooldown",
            Ty::Literal(&Ty::Duration),
            "1h",
            "After a run that began by itself none begins for so long, and until a person acknowledges that run.",
        ),
        optional("to", Ty::Name, "The standby to move to; without it the first.", "oregon"),
    ],
};

/// `when` of a trigger.
pub const CONDITION: Shape = Shape {
    name: "condition",
    doc: "So many of these.",
    fields: &[
        optional("quorum", Ty::Literal(&Ty::Int { min: 1, max: 100 }), "How many; without it all of them.", "2"),
        Field::required(
            "of",
            Ty::List(&Ty::Of(&EVIDENCE)),
            "Of what: alarms and probes.",
            "[{ probe: site_answers, is: failing }]",
        ),
    ],
};

/// `of` of a condition, an item.
pub const EVIDENCE: Shape = Shape {
    name: "evidence",
    doc: "An alarm, which counts while it is in ALARM, or a probe.",
    fields: &[
        optional("alarm", Ty::Fixed, "Its ARN.", "\"arn:aws:cloudwatch:us-west-2:111122223333:alarm:orders-down\""),
        optional(
            "silence",
            Ty::OneOf(&["alarm", "ok"]),
            "What it means that the alarm has no data or cannot be asked; must be said of an alarm in the Region of the \
             site being left.",
            "alarm",
        ),
        optional(
            "muted",
            Ty::OneOf(&["ignored", "counts"]),
            "Whether the alarm counts while its actions are muted or suppressed; without it, it is ignored.",
            "counts",
        ),
        optional("probe", Ty::Name, "A probe of the runbook, or `site_answers`.", "writes_ok"),
        optional("is", Ty::OneOf(&["failing", "holding"]), "When the probe counts; without it, failing.", "failing"),
        optional("at", Ty::Name, "Where the probe asks: `from`, `to` or a site; without it, `from`.", "from"),
    ],
};

/// `disruptive_if` of a trigger.
pub const DISRUPTIVE_IF: Shape = Shape {
    name: "disruptive if",
    doc: "When a run that is `safe` goes on to what is disruptive.",
    fields: &[Field::required(
        "from",
        Ty::OneOf(&["unreachable"]),
        "The site being left does not answer.",
        "unreachable",
    )],
};

/// `notify`, an item.
pub const NOTIFY: Shape = Shape {
    name: "notify",
    doc: "Where people are told what they must do while a run goes on without them.",
    fields: &[
        optional("topic", Ty::Fixed, "A topic of SNS.", "\"arn:aws:sns:us-west-2:111122223333:oncall\""),
        optional(
            "webhook",
            Ty::Fixed,
            "A URL that takes a JSON object by POST; `env:NAME` is read from the environment.",
            "\"env:PAGER_URL\"",
        ),
    ],
};
