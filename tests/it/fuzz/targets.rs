//! What is tried, on which corpus, with which words.

use super::mutate::Words;
use lifeboat::{
    check,
    clock::{Span, Timestamp},
    engine::{Live, RunState, decide, wanted},
    event::{Event, EventKind},
    ids::{Epoch, RunId, Seq},
    model::expr,
    syntax,
    world::World,
};
use serde_json::json;

/// Takes one input after the other.
type Reader = Box<dyn FnMut(&[u8])>;

/// Something that reads what comes from outside.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) words: Words,
    pub(super) corpus: fn() -> Vec<Vec<u8>>,
    pub(super) new: fn() -> Reader,
}

pub(super) const TARGETS: &[Target] = &[
    Target { name: "runbooks", words: RUNBOOK, corpus: runbooks, new: || Box::new(runbook) },
    Target { name: "expressions", words: EXPRESSION, corpus: expressions, new: || Box::new(expression) },
    Target { name: "events", words: EVENT, corpus: events, new: fold },
    Target { name: "times", words: TIME, corpus: times, new: || Box::new(time) },
];

const RUNBOOK: Words = Words(&[
    "- ",
    "? ",
    "&a ",
    "*a ",
    "<<: ",
    "!!str ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "# ",
    "%YAML 1.2\n",
    "${",
    "$${",
    "}",
    "needs: []",
    "needs: [promote]",
    "undo:",
    "hold: { max: 1m, then: undo }",
    "when: ${mode == 'planned'}",
    "version: 1",
    "sites:",
    "failover:",
    "resources:",
    "with: {",
    "15m",
    "9999999d",
    "promote-replica",
    "x_a: 1",
    "verify:",
    "only: failback",
]);

const EXPRESSION: Words = Words(&[
    "${",
    "}",
    "$${",
    "parameters.size",
    "to.name",
    "steps.lag.output.loss",
    " | ",
    "default('a')",
    "list",
    "sort",
    "range(9)",
    "range(99999999)",
    "'a' * 999999999",
    " * 999999999",
    " ** 999999",
    "[0:99999999]",
    "center(999999999)",
    "indent(99999999)",
    "batch(3)",
    "slice(9)",
    "tojson",
    "join(', ')",
    "map('upper')",
    "select('odd')",
    "groupby('a')",
    "dictsort",
    "unique",
    "reverse",
    "~",
    " in ",
    " is ",
    " not ",
    " if ",
    " else ",
    "namespace()",
    "dict(a=1)",
    "debug()",
    "((((((((",
    "))))))))",
    "[[[[[[[[",
    "]]]]]]]]",
    "------",
    "not not not ",
    "format('%0999999999d')",
]);

const EVENT: Words = Words(&[
    "\"event\":",
    "\"step\":\"promote\"",
    "\"step\":\"nowhere\"",
    "\"step_ready\"",
    "\"attempt_started\"",
    "\"effect_intended\"",
    "\"effect_applied\"",
    "\"effect_settled\"",
    "\"step_undone\"",
    "\"undo_begun\"",
    "\"run_paused\"",
    "\"run_finished\"",
    "\"attempt\":0",
    "\"effect\":4294967295",
    "\"deadline\":-9223372036854775808",
    "\"until\":9223372036854775807",
    "{}",
    "[]",
]);

const TIME: Words =
    Words(&["d", "h", "m", "s", "ms", "T", "Z", "+", "-", ".", "+25:00", "2026-11-21", "03:12:00", "[UTC]"]);

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// The bundled runbook, the example, and what once went wrong.
fn runbooks() -> Vec<Vec<u8>> {
    let all: [&[u8]; 2] =
        [include_bytes!("../../../runbooks/warm-standby.yaml"), include_bytes!("../../../src/syntax/example.yaml")];
    all.map(<[u8]>::to_vec).into()
}

fn expressions() -> Vec<Vec<u8>> {
    lines(include_str!("corpus/expressions.txt"))
}

fn events() -> Vec<Vec<u8>> {
    lines(include_str!("corpus/events.jsonl"))
}

fn times() -> Vec<Vec<u8>> {
    lines(include_str!("corpus/times.txt"))
}

fn runbook(input: &[u8]) {
    let read = syntax::parse("fuzz.yaml", input, None);
    if let Some(runbook) = &read.runbook {
        check::check(runbook);
    }
}

fn expression(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let known = json!({
        "parameters": { "size": 3, "on": true, "text": "banana" }, "mode": "planned", "direction": "failover",
        "from": { "name": "ohio", "region": "us-east-2" }, "to": { "name": "oregon", "region": "us-west-2" },
    });
    let mut scope = known.as_object().unwrap().clone();
    let source = text.trim_start_matches("${").trim_end_matches('}');
    if let Ok(names) = expr::names(source) {
        assert!(names.is_sorted(), "{names:?}");
    }
    drop(expr::eval(source, &scope));
    let Ok(once) = expr::resolve(&json!(text), &scope) else { return };
    scope.insert("steps".into(), json!({ "lag": { "output": { "loss": 7 } } }));
    drop(expr::resolve(&once, &scope));
}

/// Each event of the corpus has its place in a run; a mangled one comes instead of one of them.
fn fold() -> Reader {
    let kinds = events().into_iter().map(|body| serde_json::from_slice(&body).unwrap());
    let whole: Vec<_> = (1..).zip(kinds).map(|(seq, kind)| event(seq, kind)).collect();
    let states: Vec<_> = (1..whole.len()).map(|n| RunState::replay(&whole[..n]).unwrap()).collect();
    let mut turn = 0;
    Box::new(move |input| {
        let Ok(kind) = serde_json::from_slice::<EventKind>(input) else { return };
        let again = serde_json::to_vec(&kind).unwrap();
        assert_eq!(serde_json::from_slice::<EventKind>(&again).unwrap(), kind, "it is not read as it is written");
        turn = (turn + 1) % states.len();
        for first in [&states[turn], &states[0]] {
            let mut state = first.clone();
            if state.apply(&event(first.head.next().0, kind.clone())).is_ok() {
                goes_on(&state);
            }
        }
    })
}

fn event(seq: u64, kind: EventKind) -> Event {
    let at = Timestamp(1_000_000 + i64::try_from(seq).unwrap());
    Event { run: RunId::from("r1"), seq: Seq(seq), epoch: Epoch(1), at, kind }
}

/// What follows from a state is decided, whatever the state is.
fn goes_on(state: &RunState) {
    let (world, now) = (World::default(), state.last_at + Span::secs(1));
    for interactive in [true, false] {
        let live = Live { interactive, stop_calls: false };
        decide(state, &world, now, live);
        wanted(state, &world, now, live);
    }
    state.holds.values().for_each(|held| drop((held.since.time_of_day(), held.until.time_of_day())));
}

fn time(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let now = Timestamp(1_763_694_720_000);
    if let Ok(span) = text.parse::<Span>() {
        // Fractions of a second are told as such, or left out.
        if span.0 % 1000 == 0 {
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        drop((now - span).time_of_day());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        drop((at.time_of_day(), at.since(now), now.since(at)));
        // The last day of the last year is told as a number.
        if let Ok(told) = at.to_string().parse::<Timestamp>() {
            assert!(told.since(at) < Span::secs(1) && at.since(told) < Span::secs(1), "{at} is not {told}");
        }
    }
}
