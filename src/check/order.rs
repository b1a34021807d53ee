//! Order and existence: needs that mean nothing, circles, steps and lists that never run.

use super::{
    case::{MODES, Runs, directions, listed, runs},
    graph::Graph,
};
use crate::{
    diagnostic::{Diagnostic, Path, did_you_mean},
    model::{Direction, Mode},
    runbook::{Runbook, Spec, Step},
};

/// A list by its key, and the directions it runs in.
struct List<'a> {
    key: &'static str,
    steps: &'a [Step],
    directions: Vec<Direction>,
}

/// Every list that stands in the file.
fn lists(runbook: &Runbook) -> Vec<List<'_>> {
    let all = vec![Direction::Failover, Direction::Failback, Direction::Reprotect];
    let failover = &all[..if runbook.mirrored { 2 } else { 1 }];
    let mut lists = vec![List { key: "failover", steps: &runbook.failover, directions: failover.to_vec() }];
    if !runbook.mirrored {
        lists.push(List { key: "failback", steps: &runbook.failback, directions: vec![Direction::Failback] });
    }
    lists.push(List { key: "reprotect", steps: &runbook.reprotect, directions: vec![Direction::Reprotect] });
    lists.push(List { key: "finally", steps: &runbook.finally, directions: all });
    lists
}

/// The list that holds a step of that name.
pub(super) fn list_of(runbook: &Runbook, id: &str) -> Option<&'static str> {
    lists(runbook).into_iter().find(|l| l.steps.iter().any(|s| s.id.as_str() == id)).map(|l| l.key)
}

/// Needs, circles and steps that never run, in every list.
pub(super) fn order(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    for list in lists(runbook) {
        for mode in MODES {
            for step in list.steps {
                needs(runbook, &list, step, mode, out);
            }
            circles(&list, mode, out);
        }
        for step in list.steps {
            existence(&list, step, out);
        }
    }
    absent(runbook, out);
}

/// The node of a step's needs in a mode; its id where it states none.
fn node(step: &Step, mode: Mode) -> Path {
    let spec = step.spec(mode);
    if spec.needs.is_none() {
        step.path.key("id")
    } else if mode == Mode::Emergency && spec.needs != step.planned.needs {
        step.path.key("emergency").key("needs")
    } else {
        step.path.key("needs")
    }
}

fn needs(runbook: &Runbook, list: &List<'_>, step: &Step, mode: Mode, out: &mut Vec<Diagnostic>) {
    for (i, need) in step.spec(mode).needs.iter().flatten().enumerate() {
        let here = node(step, mode).index(i);
        if *need == step.id {
            let wrong = Diagnostic::error("LB0404", &here, format!("step `{need}` needs itself"));
            out.push(wrong.here("itself").help("remove it, or name the step that must be done before"));
        } else if list.steps.iter().any(|s| s.id == *need) {
        } else if let Some(other) = list_of(runbook, need.as_str()) {
            let wrong = Diagnostic::error(
                "LB0403",
                &here,
                format!("step `{}` needs `{need}`, a step of another list", step.id),
            );
            out.push(wrong.here(format!("stands in `{other}`")).help(format!(
                "`{}` and `{other}` run at different times: name a step of `{}`, or remove it",
                list.key, list.key
            )));
        } else {
            let known = list.steps.iter().map(|s| s.id.as_str());
            let help = match did_you_mean(need.as_str(), known) {
                Some(best) => format!("did you mean `{best}`?"),
                None => format!("name a step of `{}` by its `id`", list.key),
            };
            let wrong =
                Diagnostic::error("LB0402", &here, format!("step `{}` needs `{need}`, which does not exist", step.id));
            out.push(wrong.here("no step of that name").help(help));
        }
    }
}

fn circles(list: &List<'_>, mode: Mode, out: &mut Vec<Diagnostic>) {
    let Err(cycles) = Graph::of(list.steps, list.directions[0], mode) else { return };
    for cycle in cycles.iter().filter(|c| c.steps.len() > 1) {
        let steps: Vec<&Step> = cycle.steps.iter().map(|i| &list.steps[*i]).collect();
        let ids = || steps.iter().map(|s| s.id.as_str());
        let mut wrong =
            Diagnostic::error("LB0401", &node(steps[0], mode), format!("{} wait for each other", listed(ids())));
        for (k, step) in steps.iter().enumerate() {
            let next = &steps[(k + 1) % steps.len()].id;
            let text = if step.spec(mode).needs.is_some() {
                format!("`{}` waits for `{next}`", step.id)
            } else {
                format!("`{}` has no `needs`: it waits for all above, `{next}` too", step.id)
            };
            wrong = if k == 0 { wrong.here(text) } else { wrong.label(&node(step, mode), text) };
        }
        out.push(wrong.help("remove one of these needs, or give `needs` to a step that has none"));
    }
}

fn existence(list: &List<'_>, step: &Step, out: &mut Vec<Diagnostic>) {
    let cases = || list.directions.iter().flat_map(|d| MODES.map(|mode| (*d, mode)));
    if cases().all(|(d, mode)| runs(step, d, mode) == Runs::Never) {
        let wrong = Diagnostic::error("LB0405", &step.path.key("id"), format!("step `{}` can never run", step.id));
        out.push(
            wrong
                .here(format!("left out of every run of `{}`", list.key))
                .help("remove it, or change what leaves it out: `planned`, `emergency`, `only` or `when`"),
        );
        return;
    }
    let conditional = |spec: &Spec| spec.when.is_some();
    let always = cases().filter(|(d, mode)| !super::graph::is_left_out(step, *d, *mode));
    if conditional(&step.planned)
        && conditional(&step.emergency)
        && always.into_iter().all(|(d, mode)| runs(step, d, mode) == Runs::Always)
    {
        let path = step.path.key("when");
        let wrong = Diagnostic::warning("LB0406", &path, format!("the condition of `{}` always holds", step.id));
        out.push(wrong.here("true in every run").help("remove `when`, or let it read a parameter or an output"));
    }
}

fn absent(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    let has = |d| directions(runbook).any(|x| x == d);
    let failover = Path::root().key("failover");
    if !has(Direction::Failover) {
        let wrong = Diagnostic::error("LB0407", &failover, "`failover` has no steps").on_key();
        out.push(wrong.here("nothing would be moved").help("write at least one step"));
        return;
    }
    if !has(Direction::Failback) {
        let wrong = Diagnostic::warning("LB0408", &failover, "there is no way home: `failback` is missing").on_key();
        out.push(wrong.here("a way there, none back").help("write `failback: mirror`, or a list of its own"));
    }
    let promotes = |s: &&Step| MODES.iter().any(|m| s.spec(*m).action.as_deref() == Some("promote-replica"));
    if let Some(promote) = runbook.failover.iter().find(promotes).filter(|_| !has(Direction::Reprotect)) {
        let message = "nothing protects the service after a move: `reprotect` is missing";
        let wrong = Diagnostic::warning("LB0409", &promote.path.key("id"), message);
        out.push(wrong.here("promoted here, replicated back nowhere").help(
            "write `reprotect` with `freeze-writes`, `quarantine`, `snapshot`, `retire`, `reverse-replication` and `wait-for-replication` for each database",
        ));
    }
}
