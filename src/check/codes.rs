//! The codes of the checks: what each means, for `validate --explain`.
//!
//! LB04xx order, LB05xx safety, LB06xx time and advice.

use crate::diagnostic::CodeRow;

const fn row(code: &'static str, title: &'static str, text: &'static str) -> CodeRow {
    CodeRow { code, title, text, wrong: "", right: "" }
}

/// Every code that a check can give.
pub const CODES: &[CodeRow] = &[
    row(
        "LB0401",
        "steps wait for each other",
        "These steps need one another in a circle, so none of them can ever start. A step without `needs` waits for every step above it in its list; give it `needs` of its own where that closes the circle.",
    ),
    row(
        "LB0402",
        "a need names no step",
        "`needs` names steps of the same list by their `id`. No list of this runbook has a step of that name.",
    ),
    row(
        "LB0403",
        "a need names a step of another list",
        "Order exists inside one list alone: failover, failback and reprotect are runs of their own, and `finally` starts when everything else has ended. A step cannot wait for a step of another list.",
    ),
    row("LB0404", "a step needs itself", "A step that waits for itself can never start."),
    row(
        "LB0405",
        "a step can never run",
        "`planned`, `emergency`, `only` and `when` together leave this step out of every run that its list can have. A step that never runs is either a mistake or in the way of the reader.",
    ),
    row(
        "LB0406",
        "a condition always holds",
        "The `when` of this step holds in every run, so it decides nothing. Conditions read `parameters`, `mode`, `direction` and the outputs of earlier steps.",
    ),
    row(
        "LB0407",
        "a list is empty",
        "A failover or failback without steps moves nothing; it would end with success and leave production where it was.",
    ),
    row(
        "LB0408",
        "there is no way home",
        "The runbook has no `failback`. After a failover the service would stay on the standby until somebody writes one, under pressure. `failback: mirror` runs the failover's steps with from and to swapped.",
    ),
    row(
        "LB0409",
        "nothing protects the service after a move",
        "The runbook promotes a database but has no `reprotect`. Until the site that was left is a replica of the active one, the next disaster has nowhere to go, and a planned failback is refused.",
    ),
    row(
        "LB0411",
        "an output is used of a step that may not have run yet",
        "The expression reads an output of a step that is not surely done when this one starts. Name it in `needs`, directly or through other steps.",
    ),
    row(
        "LB0412",
        "an output may be missing",
        "The expression reads an output of a step that a mode, `only` or `when` can leave out, or whose failure stops nothing (best-effort, `on_failure: continue`); or, in `finally`, of any step of the run, which may have ended before it. Say what holds then: `${steps.lag.loss | default('unknown')}`.",
    ),
    row(
        "LB0501",
        "a planned promotion without a freeze before it",
        "A planned move loses nothing and never has two writers: the database at the site being left must be frozen before its replica is promoted, by a `freeze-writes` step that surely ran (not skipped, not best-effort, not `on_failure: continue`).",
    ),
    row(
        "LB0502",
        "a planned promotion without a proven drain",
        "Between the freeze and the promotion nothing may be left to replicate, and that is proven, not assumed: by `wait-for-replication` with `drained: true`, which needs the freeze and is needed by the promotion.",
    ),
    row(
        "LB0503",
        "the drain is proven by the weakest means",
        "`proof: metric` trusts samples of a metric that come late and, on PostgreSQL, grow while the source is idle. `lsn` compares positions in the log; `marker` writes a row and reads it on the replica. Both need a `connection`.",
    ),
    row(
        "LB0504",
        "the old writer is opened again",
        "A move that has frozen the site being left must not open it again by a step: after the promotion that makes two writers. Before it, the step's `undo` does so. In reprotect the site that was left may only be opened when it is quarantined, retired or already a replica.",
    ),
    row(
        "LB0505",
        "an emergency promotion without a fence",
        "The site being left may be gone, or only look so. An attempt to freeze it, `best-effort` with a short `timeout`, costs seconds and prevents two writers in most cases. Without it the run owes the fence.",
    ),
    row(
        "LB0506",
        "a dead site would block the recovery",
        "In an emergency the site being left may not answer. A step that works there, is not `best-effort`, and is waited for by the promotion, the traffic shift or the restored service would block all of them.",
    ),
    row(
        "LB0507",
        "traffic moves before its database is promoted",
        "Users would be sent to a site whose database is still a read-only replica. `shift-traffic` must wait for every `promote-replica` of its list.",
    ),
    row(
        "LB0508",
        "traffic moves to a site nobody looked at",
        "Before users are sent to a site something should have scaled it, or asked whether it is ready: a `scale` step or a `verify` at `to`, before the shift.",
    ),
    row(
        "LB0509",
        "an undo would cross the point of no return",
        "Once an irreversible step has begun, a run goes only forward. `on_failure: undo`, `on_timeout: undo` and `hold.then: undo` are therefore allowed only on steps that are surely done before every irreversible step of their list (a question may also be the irreversible step's own). Say `pause` or `page`.",
    ),
    row(
        "LB0511",
        "an irreversible step has an `undo`",
        "What cannot be taken back has no undo. The way back is a failback.",
    ),
    row(
        "LB0512",
        "an undo that cannot work",
        "The action that should take this step back does not exist, or does not work on the kind of its resources.",
    ),
    row(
        "LB0513",
        "an undo that cannot be taken back",
        "Undoing must not pass the point of no return itself: its action is irreversible.",
    ),
    row(
        "LB0514",
        "`finally` holds a step that is not safe",
        "`finally` runs however a run ends, also after a failure half-way, with nobody asked. It holds only steps that users do not feel: impact read or safe. For `exec` and `http` state `impact: safe`.",
    ),
    row(
        "LB0515",
        "a key that has no meaning in `finally`",
        "Steps of `finally` ask nobody, hold nothing, are not undone and undo nothing: at that time the run is over.",
    ),
    row(
        "LB0516",
        "a step that guards the promotion may be skipped by hand",
        "Whoever skips the freeze or the drain of a planned move gives up that nothing is lost. `skippable: false` takes that temptation away at 3 a.m.",
    ),
    row(
        "LB0517",
        "a best-effort step without a limit",
        "Best effort means: tried within a time that was chosen for it, then let go. The default limit of an action is chosen for steps that must succeed, so a best-effort step states its own `timeout`.",
    ),
    row(
        "LB0518",
        "an irreversible step cannot be best-effort",
        "What cannot be undone is either wanted or not. Best effort would leave it unknown and go on.",
    ),
    row(
        "LB0519",
        "an irreversible effect would be repeated blindly",
        "An irreversible `exec` or `http` without a `check` cannot tell whether its first attempt took effect; a second one may do it twice. Give `exec` a `check`, or leave `retry` out: then a person decides.",
    ),
    row(
        "LB0520",
        "a parameter group that is not the database's own",
        "Writes are frozen through the parameter group. A group that others share freezes them too, and a group named `default.…` cannot be changed at all. Each database needs a group of its own at each site.",
    ),
    row(
        "LB0521",
        "a resource lacks what the action needs",
        "The action works on something that the resource does not state: its identity at that site, a `parameter_group` for freezing, `quarantine_security_groups` for quarantine, a `connection` for a proof by `lsn` or `marker` and for data tests, a named size for `scale`.",
    ),
    row(
        "LB0530",
        "a freeze before a promotion without `hold`",
        "A freeze is an outage that users feel. `hold` says how long it may last before it is undone or people are called: `hold: { max: 5m, then: undo }`.",
    ),
    row(
        "LB0531",
        "a hold without an end",
        "What a step holds closed is opened by the `undo` of that step or by the promotion of its resource. On some way through the run neither happens: without a later promotion a run that succeeds leaves it closed, without an `undo` a run that is aborted does.",
    ),
    row(
        "LB0532",
        "a hold that ends by an undo which does not exist",
        "`hold.then: undo` opens what is held by the step's own `undo`. The step has none.",
    ),
    row(
        "LB0533",
        "a question without a limit inside a hold",
        "While writes are frozen users wait for the answer. In a planned run a question that can be asked in that time needs a `timeout` and an `on_timeout` that decides (`abort`, `undo` or `proceed`). Better: ask before the freeze.",
    ),
    row(
        "LB0534",
        "a hold that is shorter than what happens in it",
        "The steps between the freeze and the promotion may take longer, by their timeouts, than `hold.max`: the hold would end in the middle of a run that goes well.",
    ),
    row(
        "LB0601",
        "nothing says when the service is restored",
        "The RTO clock stops with the milestone `service-restored`. Without it a failover's recovery time cannot be measured. Put `milestone: service-restored` on the step that proves that users are served.",
    ),
    row(
        "LB0602",
        "the service is restored twice",
        "The RTO clock stops once. Several steps of one run carry the milestone `service-restored`.",
    ),
    row(
        "LB0603",
        "the timeouts do not fit into the RTO",
        "If every step on the longest way to the restored service takes its whole timeout, the objective is missed, people's time not even counted.",
    ),
    row(
        "LB0604",
        "a step is expected to take longer than it may",
        "`expect` is the usual duration, `timeout` the limit. A step whose usual duration is over its limit fails as a rule.",
    ),
    row(
        "LB0605",
        "the write outage will probably be longer than promised",
        "From the freeze to the first probe that proves that writes are accepted again, the expected durations (`expect`, else the timeouts) add up to more than `objectives.write_outage`.",
    ),
    row(
        "LB0606",
        "fencing delays the emergency promotion",
        "In an emergency every second is data and users. Attempts to reach a site that is probably dead should not delay the promotion by more than a minute: shorten their timeouts or let them run side by side.",
    ),
    row(
        "LB0611",
        "a resource stays behind",
        "The strategy moves this kind of resource, but no step of the failover does so with this one.",
    ),
    row(
        "LB0612",
        "users go home to data that nobody tested",
        "Before a planned failback moves users, the data at home must be tested: a `verify-sql` step, before the promotion.",
    ),
    row(
        "LB0613",
        "both sites are in one Region",
        "A disaster of that Region takes both. Such a runbook protects against the loss of instances, not of a Region.",
    ),
    row(
        "LB0614",
        "traffic depends on the Region being left",
        "Changes of Route 53 records go through a control plane in us-east-1. If that Region is a site of this runbook, its loss can keep the traffic from being moved away from it.",
    ),
    row(
        "LB0615",
        "a promoted database is not replicated back",
        "The failover promotes this database, but no step of `reprotect` makes the site that was left its replica again (`reverse-replication`).",
    ),
    row(
        "LB0616",
        "an emergency promotion with an unknown loss",
        "No `measure-lag` comes before this promotion: nobody can be told how much data it will cost, and the objective for it cannot be enforced.",
    ),
];
