//! `scale`: gives a group of servers a named size, and waits until enough of it serve.

use super::{
    Action, ActionRow, Assumed, Behave, DefaultAt, Next, StepCx,
    databases::{answer, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Resource, Shape, Size, Ty, fact},
    world::{Call, Effect, Seen, Target, What, World, asg, permission},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "scale",
        doc: "Gives a group of servers a size of its `sizes`, min, desired and max together.",
        fields: &[
            Field::required("to", Ty::Text, "The name of the size.", "serving"),
            Field::default("pin", Ty::Flag, "false", "Min = desired, so that no scaling policy takes servers away."),
            Field::default("enough", Ty::Percent, "100%", "The share of the servers wanted that will do."),
        ],
    },
    kinds: &[KindName::AutoscalingGroup],
    at: DefaultAt::To,
    outputs: &[Field::optional("in_service", Ty::Int { min: 0, max: 100_000 }, "Servers in service in the end.", "8")],
    impact: Impact::Disruptive,
    calls: &[permission::RESIZE],
    timeout: Span::mins(15),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (to, pin, enough) = (f.text("to"), f.flag("pin"), f.percent("enough"));
    Some(Action::Scale(Scale { to: to?, pin: pin.unwrap_or(false), enough: enough.unwrap_or(1.0) }))
}

/// Parameters of `scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The name of the size.
    pub to: String,
    /// Min = desired.
    pub pin: bool,
    /// The share of the servers wanted that will do, 0 to 1.
    pub enough: f64,
}

impl Behave for Scale {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let groups = cx.items.iter().filter_map(|item| target(cx, item));
        let zones = if cx.direction.is_move() { vec![] } else { zones(cx) };
        groups.chain(zones).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| self.scale(cx, item, w))))
    }

    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        for target in cx.items.iter().filter_map(|item| target(cx, item)) {
            w.change(&target, |seen| {
                if let Seen::Group(group) = seen {
                    group.in_service = group.size.desired;
                }
            });
        }
        Some(Assumed { what: "the servers come into service".into(), takes: Span::mins(3) })
    }
}

fn target(cx: &StepCx<'_>, item: &Resource) -> Option<Target> {
    Some(Target::at(cx.at, What::Group(item.group(&cx.at.name)?.name.clone())))
}

/// The zones whose weights tell whether this site still serves.
fn zones(cx: &StepCx<'_>) -> Vec<Target> {
    cx.resources.values().filter_map(super::shift_traffic::zone).collect()
}

impl Scale {
    fn scale(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
        let missing = |what: String, hint: &str| Next::stuck(what, hint);
        let mut want = item
            .size(&self.to)
            .ok_or_else(|| missing(format!("{} has no size `{}`", item.name, self.to), "add it under `sizes`"))?;
        if self.pin {
            want.min = want.desired;
        }
        let target = target(cx, item)
            .ok_or_else(|| missing(format!("{} has no group at {}", item.name, cx.at.name), "add it under `sites`"))?;
        let group = match w.seen(&target) {
            Some(Seen::Group(group)) => group,
            Some(Seen::Absent) => {
                return Err(missing(format!("{target} does not exist"), "compare the runbook's name with the account"));
            }
            seen => return Err(unknown(&target, seen)),
        };
        let sent = cx.past.last_on(&target);
        if !is_set(group, want, sent.is_some()) {
            if want.desired > group.in_service && group.suspended.iter().any(|p| p == "Launch") {
                return Err(missing(
                    format!("{target} cannot grow: its process Launch is suspended"),
                    "resume the process, then resume the run",
                ));
            }
            let shrinks = want.desired < group.size.desired;
            if shrinks && !cx.direction.is_move() {
                not_serving(cx, w)?;
            }
            let call = Call::Scaling(asg::Call::Update { name: group.name.clone(), size: want, shrinks });
            return Ok(Next::send(Effect { target, call }, group.size));
        }
        Ok(self.in_service(group, want, &target, sent.map(|s| s.at)))
    }

    fn in_service(
        &self,
        group: &asg::Group,
        want: Size,
        target: &Target,
        sent: Option<crate::clock::Timestamp>,
    ) -> Next {
        let wanted = want.desired.min(group.size.desired);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let needed = (f64::from(wanted) * self.enough).ceil() as u32;
        let most = group.size.desired.max(want.desired);
        let have = group.in_service;
        if have >= needed && have <= most {
            let outputs = [("in_service".to_owned(), have.into())].into();
            return Next::Done {
                outputs,
                facts: vec![fact(&group.name, format!("{have} in service, {}", group.size))],
            };
        }
        let mut why = if have < needed {
            format!("{} has {have} of {needed} in service", group.name)
        } else {
            format!("{} still has {have} in service", group.name)
        };
        if let Some((at, text)) = group.failure.as_ref().filter(|(at, _)| sent.is_none_or(|s| *at >= s)) {
            why = format!("{why}; failing since {}: {text}", at.time_of_day());
        }
        Next::wait([target.clone()], why)
    }
}

/// Whether the group is set as wanted. A scaling policy may have moved `desired` within min and max
/// since: that is its right. A pin keeps it from falling, by the min alone, not from growing.
fn is_set(group: &asg::Group, want: Size, sent: bool) -> bool {
    let bounds = group.size.min == want.min && group.size.max == want.max;
    let moved = want.desired > 0 && (sent || group.size.desired > want.desired);
    bounds && (group.size.desired == want.desired || moved)
}

/// After a move, a site must not be shrunk while users are still sent there.
fn not_serving(cx: &StepCx<'_>, w: &World) -> Result<(), Next> {
    for item in cx.resources.values() {
        let Some(zone) = super::shift_traffic::zone(item) else { continue };
        let Some(Seen::Records(records)) = w.seen(&zone) else { return Err(unknown(&zone, w.seen(&zone))) };
        let weight = super::shift_traffic::weight(item, records, &cx.at.name);
        if weight.is_none_or(|w| w > 0) {
            let why = format!(
                "users are still sent to {}: {} has weight {}",
                cx.at.name,
                item.name,
                weight.map_or("unknown".into(), |w| w.to_string())
            );
            return Err(Next::stuck(why, "shift the traffic first"));
        }
    }
    Ok(())
}
