//! Time: whether the promises of the runbook can be kept by its own limits.

use super::{
    case::{Case, Runs},
    holds::outage,
};
use crate::{
    clock::Span,
    diagnostic::{Diagnostic, Path},
    model::{Direction, Mode},
    runbook::{Milestone, RunWord},
};

/// What attempts to fence a site that is probably dead may cost.
const FENCING: Span = Span::secs(60);

fn objective(name: &str) -> Path {
    Path::root().key("objectives").key(name)
}

/// `promote` 20m, `scale` 10m: the longest first.
fn told(case: &Case<'_>, path: &[usize], length: impl Fn(usize) -> Span) -> String {
    let mut longest = path.to_vec();
    longest.sort_by_key(|i| std::cmp::Reverse(length(*i)));
    let shown: Vec<_> = longest.iter().take(6).map(|i| format!("`{}` {}", case.id(*i), length(*i))).collect();
    let more = if longest.len() > shown.len() { ", …" } else { "" };
    shown.join(", ") + more
}

/// The RTO clock has one end, and failover's limits add up to less than the objective.
pub(super) fn recovery_time(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    let restored: Vec<_> =
        case.running().filter(|i| case.spec(*i).milestone == Some(Milestone::ServiceRestored)).collect();
    if let [first, second, ..] = restored[..] {
        let message = format!("{} restores the service twice", case.name());
        let path = case.node(second, "milestone", |s| &s.milestone);
        let wrong = Diagnostic::warning("LB0602", &path, message).here("the RTO clock stopped before");
        let earlier = case.node(first, "milestone", |s| &s.milestone);
        out.push(wrong.label(&earlier, "here already").help("keep the one that proves that users are served"));
    }
    if case.direction != Direction::Failover {
        return;
    }
    if restored.is_empty() {
        let message = format!("nothing says when {} has restored the service", case.name());
        let wrong = Diagnostic::warning("LB0601", &Path::root().key("failover"), message).on_key();
        out.push(
            wrong
                .here("no step with `milestone: service-restored`")
                .help("write `milestone: service-restored` on the step that proves that users are served"),
        );
    }
    let Some(rto) = case.runbook.objectives.rto else { return };
    for end in restored {
        let length = |i| if case.runs(i) == Runs::Never { Span::ZERO } else { case.limit(i) };
        let (path, sum) = case.graph.longest_path(Some(end), length);
        if sum > rto {
            let message = format!("the timeouts of {} add up to {sum}, more than the RTO of {rto}", case.name());
            let node = case.node(end, "milestone", |s| &s.milestone);
            out.push(
                Diagnostic::warning("LB0603", &node, message)
                    .here(format!("{sum} until here, people's time not counted"))
                    .label(&objective("rto"), "the objective")
                    .help(format!("shorten timeouts or the longest way: {}", told(case, &path, length))),
            );
        }
    }
}

/// What is usual is possible.
pub(super) fn expectations(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running() {
        let Some(expect) = case.span(case.spec(i).expect.as_deref()) else { continue };
        let limit = case.limit(i);
        // A question has no limit of this kind, and best effort may well be cut short.
        let is_cut = case.spec(i).run == RunWord::BestEffort || limit == Span::ZERO;
        if !is_cut && expect > limit {
            let stated = case.spec(i).timeout.is_some();
            let whose = if stated { "its `timeout`" } else { "the default of its action" };
            let message = format!("`{}` is expected to take {expect}, yet may take {limit}", case.id(i));
            let mut wrong = Diagnostic::error("LB0604", &case.node(i, "expect", |s| &s.expect), message);
            wrong = wrong.here(format!("longer than {whose}"));
            if stated {
                wrong = wrong.label(&case.node(i, "timeout", |s| &s.timeout), "the limit");
            }
            out.push(wrong.help("write a `timeout` well over what is usual"));
        }
    }
}

/// A planned move keeps its promise about writes, if all goes as usual.
pub(super) fn write_outage(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    let Some(promised) = case.runbook.objectives.write_outage else { return };
    if !case.is(Mode::Planned) {
        return;
    }
    for (promote, resource) in case.promotions() {
        let Some((freeze, end)) = outage(case, promote, resource) else { continue };
        let inside = |i| (i == freeze || case.before(freeze, i)) && (i == end || case.before(i, end));
        let length = |i| if inside(i) && case.runs(i) != Runs::Never { case.usual(i) } else { Span::ZERO };
        let (path, sum) = case.graph.longest_path(Some(end), length);
        if sum > promised {
            let message = format!("`{resource}` takes no writes for {sum} in {}, {promised} are promised", case.name());
            out.push(
                Diagnostic::warning("LB0605", &objective("write_outage"), message)
                    .here("the objective")
                    .label(&case.place(freeze), "from here")
                    .label(&case.place(end), "to here")
                    .help(format!("state or shorten what is usual (`expect`): {}", told(case, &path, length))),
            );
        }
    }
}

/// Fencing what is probably dead delays an emergency promotion by a minute at most.
pub(super) fn fencing_time(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.is(Mode::Emergency) {
        return;
    }
    for (promote, _) in case.promotions() {
        let tries = |i| case.spec(i).run == RunWord::BestEffort && case.runs(i) != Runs::Never;
        let length = |i| if i != promote && tries(i) { case.limit(i) } else { Span::ZERO };
        let (path, sum) = case.graph.longest_path(Some(promote), length);
        if sum > FENCING {
            let message = format!("best-effort steps may delay `{}` by {sum}", case.id(promote));
            let mut wrong = Diagnostic::warning("LB0606", &case.place(promote), message).here("waits for them");
            for i in &path {
                wrong = wrong.label(&case.node(*i, "timeout", |s| &s.timeout), format!("up to {}", length(*i)));
            }
            out.push(wrong.help("shorten their timeouts, or let them run side by side: `emergency: { needs: [] }`"));
        }
    }
}
