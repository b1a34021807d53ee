use super::*;
use crate::{
    ids::Region,
    world::{
        Call, Effect, What,
        probe::{Command, Http, Sql},
        rds,
    },
};

struct Nobody;

#[async_trait::async_trait]
impl Look for Nobody {
    async fn look(&self, _: &[Target]) -> Vec<Result<Sight, crate::driver::LookError>> {
        vec![]
    }
}

fn at_ohio(what: What) -> Target {
    Target { site: SiteName::new("ohio"), region: Region::new("us-east-2"), account: None, what }
}

fn check(minutes: u64) -> What {
    let (argv, limit) = (vec!["ci".into()], Span::mins(minutes));
    What::Command(Command { argv, limit, read_only: true, environment: vec![] })
}

fn sql() -> What {
    let queries = vec!["invariants.sql".into()];
    What::Sql(Sql { identifier: "orders".into(), queries, same_tables: vec![], other: None })
}

fn http(times: u32) -> What {
    let (headers, json) = (BTreeMap::new(), BTreeMap::new());
    What::Http(Http { url: "http://ohio".into(), times, status: None, headers, json })
}

/// What is looked at together, and for how long at most, where all is due.
fn glances(whats: Vec<What>, limits: &[(&str, Span)]) -> Vec<(Vec<What>, Span)> {
    let limits = limits.iter().map(|(site, limit)| (SiteName::new(*site), *limit)).collect();
    let (since, after) = (Timestamp(0), None);
    let interest = Interest { since, after, not_before: since, oldest: since };
    let wanted = whats.into_iter().map(|what| (at_ohio(what), interest)).collect();
    let (glances, _) = Poller::new(Arc::new(Nobody), limits).due(&wanted, &World::default(), Timestamp(0));
    glances.into_iter().map(|g| (g.targets.into_iter().map(|t| t.what).collect(), g.limit)).collect()
}

#[test]
fn what_takes_long_has_its_time_and_keeps_no_description_waiting() {
    let descriptions = vec![What::Db("orders".into()), What::Group("web".into())];
    let all = [descriptions.clone(), vec![What::Site, http(1), http(6), sql(), check(30)]].concat();
    let more = Span::secs(5);
    assert_eq!(
        glances(all, &[]),
        [
            (vec![What::Group("web".into())], Span::secs(10)),
            // What hangs beside them must not make them look dead.
            (vec![What::Db("orders".into()), What::Site], Span::secs(10)),
            (vec![http(1)], Span::secs(10)),
            (vec![http(6)], Span::secs(30) + more),
            (vec![sql()], Span::mins(15) + more),
            (vec![check(30)], Span::mins(30) + more),
        ]
    );
}

#[test]
fn a_site_that_may_be_gone_has_three_seconds_and_a_command_here_its_own() {
    let limit = Span::secs(3);
    let found = glances(vec![What::Site, sql(), check(1)], &[("ohio", limit)]);
    assert_eq!(found, [(vec![What::Site], limit), (vec![sql()], limit), (vec![check(1)], Span::secs(65))]);
}

/// A promotion of that database, sent at the start.
fn promotion(identifier: &str) -> Effect {
    let promote = rds::Call::Promote { identifier: identifier.into(), resource_id: "db-1".into(), backup_retention: 1 };
    Effect { target: at_ohio(What::Db(identifier.into())), call: Call::Rds(promote) }
}

fn pause_of(seen: &Seen, after: Span, usual: Option<Usual>) -> Span {
    let (start, call) = (Timestamp(0), promotion("orders"));
    let interest = Interest { since: start, after: Some(&call), not_before: start, oldest: start };
    let at = start + after;
    due(&interest, Some(&Sight { target: call.target.clone(), at, seen: seen.clone() }), usual, 1, at).since(at)
}

#[test]
fn looks_grow_sparser_with_the_wait() {
    let pause = |after| pause_of(&Seen::Absent, after, None);
    assert_eq!(pause(Span::ZERO), Span::ms(50));
    assert_eq!(pause(Span::secs(1)), Span::ms(550));
    assert_eq!(pause(Span::mins(2)), Span::ms(4560));
    assert_eq!(pause(Span::hours(3)), Span::secs(12));
    let start = Timestamp(0);
    let interest = Interest { since: start, after: None, not_before: Timestamp(7), oldest: start };
    assert_eq!(due(&interest, None, None, 1, Timestamp(3)), Timestamp(7));
}

#[test]
fn looks_are_sparse_until_it_was_ever_done_and_dense_when_it_is_as_a_rule() {
    let usual = Some(Usual { from: Span::mins(4), to: Span::mins(6) });
    let pause = |after| pause_of(&Seen::Absent, after, usual);
    assert_eq!(pause(Span::mins(1)), Span::ms(4560));
    assert_eq!(pause(Span::secs(235)), Span::ms(8930));
    assert_eq!(pause(Span::mins(5)), Span::ms(3800));
    assert_eq!(pause(Span::secs(361)), Span::secs(12));
}

#[test]
fn what_is_silent_is_looked_at_every_few_seconds_however_long_it_lasts() {
    let silence = Seen::Unknown { why: "no answer".into() };
    assert_eq!(pause_of(&silence, Span::secs(10), None), Span::ms(900));
    for hours in [1, 3, 24] {
        assert_eq!(pause_of(&silence, Span::hours(hours), None), Span::secs(5));
    }
}

/// What is waited for: since when, and how long it takes.
#[derive(Debug)]
struct Wait {
    target: Target,
    since: Timestamp,
    took: Span,
}

/// How it was seen to be done.
#[derive(Debug)]
struct Seens {
    /// What was asked, but for the first looks at what is asked for alone.
    asked: Vec<Asked>,
    /// How long after its end each was seen, and how long it had taken.
    lags: Vec<(Span, Span)>,
}

/// A question to a service.
#[derive(Debug)]
struct Asked {
    service: &'static str,
    at: Timestamp,
    requests: u64,
    /// Nobody who has it had begun only just then.
    again: bool,
}

/// Waits for these, one more each `every`, which take between `shortest` and `longest`.
fn waits(whats: Vec<What>, every: Span, (shortest, longest): (Span, Span)) -> Vec<Wait> {
    let width = u64::try_from(whats.len()).unwrap();
    let one = |(what, n): (_, u64)| {
        let took = Span(shortest.0 + (longest.0 - shortest.0) * (n * 7919 % width) / width);
        Wait { target: at_ohio(what), since: Timestamp(0) + every * n, took }
    };
    whats.into_iter().zip(0..).map(one).collect()
}

fn databases(many: u64) -> Vec<What> {
    (0..many).map(|n| What::Db(format!("orders-{n}"))).collect()
}

/// Looks as the poller says until all were seen to be done.
fn seen(waits: &[Wait], past: Past, moves: &Seen) -> Seens {
    let mut poller = Poller { past, ..Poller::new(Arc::new(Nobody), BTreeMap::new()) };
    let (mut world, mut now, call) = (World::default(), Timestamp(0), promotion("orders"));
    let mut seens = Seens { asked: vec![], lags: vec![] };
    let mut left: Vec<_> = waits.iter().collect();
    while !left.is_empty() {
        let begun = left.iter().filter(|wait| wait.since <= now);
        let wanted = begun.map(|wait| {
            let interest =
                Interest { since: wait.since, after: Some(&call), not_before: wait.since, oldest: wait.since };
            (wait.target.clone(), interest)
        });
        let (glances, next) = poller.due(&wanted.collect(), &world, now);
        for glance in glances {
            let mut asked: BTreeMap<_, bool> = BTreeMap::new();
            for target in &glance.targets {
                let question = target.what.service().zip(target.what.question());
                *asked.entry(question).or_insert(true) &= world.sight(target).is_some();
            }
            seens.asked.extend(asked.into_iter().filter_map(|(asked, again)| {
                let (service, question) = asked.filter(|(_, question)| question.is_shared() || again)?;
                Some(Asked { service, at: now, requests: question.requests(), again })
            }));
            poller.landed(glance.id, vec![]);
            let sight = |target| Sight { target, at: now, seen: moves.clone() };
            glance.targets.into_iter().map(sight).for_each(|sight| world.put(sight));
        }
        let done = |wait: &&Wait| world.sight(&wait.target).is_some_and(|sight| sight.at >= wait.since + wait.took);
        seens.lags.extend(left.extract_if(.., |wait| done(wait)).map(|w| (now.since(w.since + w.took), w.took)));
        let starts = left.iter().map(|wait| wait.since).filter(|since| *since > now).min();
        let soon = next.filter(|next| *next > now).unwrap_or(now + Span::ms(10));
        now = starts.map_or(soon, |start| start.min(soon));
    }
    seens
}

impl Seens {
    /// The most requests to a service in any ten minutes.
    fn most(&self, counts: impl Fn(&Asked) -> bool) -> u64 {
        let within = |from: &Asked| {
            let until = from.at + Span::mins(10);
            let of = self.asked.iter().filter(|a| a.service == from.service && a.at >= from.at && a.at < until);
            of.filter(|asked| counts(asked)).map(|asked| asked.requests).sum()
        };
        self.asked.iter().map(within).max().unwrap_or_default()
    }

    /// Lags in thousandths of the wait, ascending.
    fn thousandths(&self) -> Vec<u64> {
        let mut all: Vec<_> = self.lags.iter().map(|(lag, took)| lag.0 * 1000 / took.0).collect();
        all.sort_unstable();
        all
    }

    fn mean(&self) -> u64 {
        let all = self.thousandths();
        all.iter().sum::<u64>() / u64::try_from(all.len()).unwrap()
    }
}

/// What is asked beside the questions comes to so much in ten minutes, at most.
const BESIDE: u64 = 7;

/// So many of each kind that one request describes all of.
fn together(width: u64) -> [Vec<What>; 4] {
    let each = |what: &dyn Fn(u64) -> What| (0..width).map(what).collect::<Vec<_>>();
    [
        databases(width),
        each(&|n| What::Snapshot(format!("tail-{n}"))),
        each(&|n| What::Execution("warm".into(), format!("run-{n}"))),
        each(&|n| What::Group(format!("web-{n}"))),
    ]
}

#[test]
fn however_many_wait_the_end_of_each_is_seen_soon_and_ten_minutes_cost_150_requests_at_most() {
    let range = (Span::secs(20), Span::mins(15));
    for (width, every) in [(10, Span::ZERO), (1000, Span::ZERO), (200, Span::ms(100))] {
        for whats in together(width) {
            let seens = seen(&waits(whats, every, range), Past::default(), &Seen::Absent);
            let (lags, most) = (seens.thousandths(), seens.most(|_| true));
            let case = format!("{width} waits, one more each {every}: {most} requests, lags {lags:?}");
            assert!(most + BESIDE <= 150, "{case}");
            assert!(seens.mean() <= 20, "{case}");
            let p95 = lags[lags.len() * 95 / 100];
            assert!(p95 <= 50, "{case}");
        }
    }
}

#[test]
fn where_ever_more_begin_to_wait_no_end_is_seen_later_than_ten_seconds_or_a_twentieth_of_the_wait() {
    for whats in together(30) {
        let all = waits(whats, Span::mins(1), (Span::secs(20), Span::mins(15)));
        let seens = seen(&all, Past::default(), &Seen::Absent);
        let most = seens.most(|_| true);
        assert!(most + BESIDE <= 150, "{most} requests");
        let late = |(lag, took): &&(Span, Span)| *lag > Span::secs(10).max(Span(took.0 / 20));
        assert_eq!(seens.lags.iter().find(late), None);
    }
}

/// Two kinds of a service, and things that no request describes two of.
fn of_their_own(width: u64) -> Vec<What> {
    let all = (0..width).flat_map(|n| {
        [
            What::Db(format!("orders-{n}")),
            What::Snapshot(format!("tail-{n}")),
            What::Parameters(format!("orders-{n}")),
            What::Records(format!("Z{n}")),
            What::Change(format!("C{n}")),
            What::Machine(format!("warm-{n}")),
            What::Execution(format!("warm-{n}"), format!("run-{n}")),
        ]
    });
    all.collect()
}

#[test]
fn what_needs_requests_of_its_own_shares_the_150_with_all_of_its_service() {
    let silence = Seen::Unknown { why: "no answer".into() };
    let range = (Span::secs(20), Span::mins(15));
    for (width, every) in [(1, Span::ZERO), (3, Span::ZERO), (100, Span::ZERO), (20, Span::secs(1))] {
        for moves in [&Seen::Absent, &silence] {
            let seens = seen(&waits(of_their_own(width), every, range), Past::default(), moves);
            // What begins and what was changed comes on top.
            let most = seens.most(|asked| asked.again);
            assert!(most + BESIDE <= 150, "{width} of each, one more each {every}: {most} requests ({moves:?})");
        }
    }
}

#[test]
fn who_shares_with_others_is_looked_at_as_many_times_more_seldom_and_none_is_forgotten() {
    for width in [2, 4, 8] {
        let changes = (0..width).map(|n| What::Change(format!("C{n}"))).collect();
        let seens = seen(&waits(changes, Span::ZERO, (Span::mins(2), Span::mins(3))), Past::default(), &Seen::Absent);
        let worst = *seens.thousandths().last().unwrap();
        assert!(worst <= 40 * width, "{width} changes: {:?}", seens.lags);
    }
}

#[test]
fn what_takes_several_requests_has_its_turn_among_many_that_take_one() {
    let changes = (0..20).map(|n| What::Change(format!("C{n}")));
    let whats: Vec<_> = changes.chain([What::Records("Z".into())]).collect();
    let all: Vec<_> = waits(whats, Span::ZERO, (Span::mins(30), Span::mins(30)));
    let seens = seen(&all, Past::default(), &Seen::Absent);
    let (of_changes, of_zone): (Vec<_>, Vec<_>) = seens.asked.iter().partition(|asked| asked.requests == 1);
    let (of_zone, each) = (of_zone.len(), of_changes.len() / 20);
    assert!(of_zone * 2 >= each, "the zone is looked at {of_zone} times, each change {each} times");
}

#[test]
fn what_was_just_changed_is_looked_at_whatever_was_asked_before() {
    let (start, call) = (Timestamp(0), promotion("orders"));
    let mut poller = Poller::new(Arc::new(Nobody), BTreeMap::new());
    let now = start + Span::mins(5);
    let office = (SiteName::new("ohio"), Region::new("us-east-2"), "route53");
    poller.allowances.insert(office, Allowance::spent(now));
    let change = |n: u64, at| {
        let interest = Interest { since: at, after: Some(&call), not_before: at, oldest: start };
        (at_ohio(What::Change(format!("C{n}"))), interest)
    };
    let sight = |n: u64| Sight { target: change(n, start).0, at: start + Span::mins(4), seen: Seen::Absent };
    // One of them was sent just now.
    let world = World::of((0..19).map(sight));
    let wanted = (0..19).map(|n| change(n, start)).chain([change(19, now)]).collect();
    let (glances, next) = poller.due(&wanted, &world, now);
    let targets: Vec<_> = glances.into_iter().flat_map(|glance| glance.targets).collect();
    assert_eq!(targets, [change(19, now).0]);
    assert!(next.is_some_and(|next| next > now), "the others have their turn later: {next:?}");
}

#[test]
fn one_wait_of_any_length_is_seen_to_end_within_a_second_or_a_twentieth_of_it() {
    let seconds = (1..60).chain((60..1800).step_by(7));
    for took in seconds.map(Span::secs) {
        let seens = seen(&waits(databases(1), Span::ZERO, (took, took)), Past::default(), &Seen::Absent);
        let (lag, _) = seens.lags[0];
        assert!(lag <= Span::secs(1).max(Span(took.0 / 20)), "{took}: seen {lag} later");
        let most = seens.most(|_| true);
        assert!(most + BESIDE <= 150, "{took}: {most} requests");
    }
}

#[test]
fn past_durations_make_the_end_seen_sooner_with_fewer_looks() {
    let usual = || Past::of(&promotion("orders"), Usual { from: Span::secs(450), to: Span::mins(11) });
    let one = |took: u64, past| {
        seen(&waits(databases(1), Span::ZERO, (Span::secs(took), Span::secs(took))), past, &Seen::Absent)
    };
    let all = (480..600).step_by(3);
    let sum = |past: &dyn Fn() -> Past| {
        all.clone()
            .map(|took| one(took, past()))
            .fold((0, 0), |(looks, lag), s| (looks + s.asked.len(), lag + s.lags[0].0.0))
    };
    let (without, with) = (sum(&Past::default), sum(&usual));
    assert!(with.0 < without.0 && with.1 * 2 < without.1, "looks and lag: {with:?}, without {without:?}");
}

#[test]
fn a_step_that_begins_waits_for_no_allowance() {
    let (call, other) = (promotion("orders"), at_ohio(What::Db("users".into())));
    let mut poller = Poller::new(Arc::new(Nobody), BTreeMap::new());
    let (now, start) = (Timestamp(0) + Span::mins(5), Timestamp(0));
    let office = (SiteName::new("ohio"), Region::new("us-east-2"), "rds");
    poller.allowances.insert(office, Allowance::spent(now));
    let waits = Interest { since: start, after: Some(&call), not_before: start, oldest: start };
    let mut wanted = BTreeMap::from([(call.target.clone(), waits)]);
    let seen = Sight { target: call.target.clone(), at: start + Span::mins(4), seen: Seen::Absent };
    let world = World::of([seen]);
    let (none, next) = poller.due(&wanted, &world, now);
    assert_eq!((none.len(), next), (0, Some(now + Span::secs(10))));
    wanted.insert(other.clone(), Interest { since: now, after: None, not_before: now, oldest: now });
    let (glances, _) = poller.due(&wanted, &world, now);
    assert_eq!(glances.into_iter().map(|g| g.targets).collect::<Vec<_>>(), [vec![call.target.clone(), other]]);
}

#[test]
fn who_begins_while_an_answer_is_on_its_way_gives_the_others_no_new_allowance() {
    let (call, other) = (promotion("orders"), at_ohio(What::Db("users".into())));
    let mut poller = Poller::new(Arc::new(Nobody), BTreeMap::new());
    let start = Timestamp(0);
    let waits = Interest { since: start, after: Some(&call), not_before: start, oldest: start };
    let mut wanted = BTreeMap::from([(call.target.clone(), waits)]);
    assert_eq!(poller.due(&wanted, &World::default(), start).0.len(), 1, "it is on its way");
    let granted = |poller: &Poller| poller.allowances.values().map(Allowance::left).sum::<u64>();
    let left = granted(&poller);
    let soon = start + Span::secs(1);
    wanted.insert(other, Interest { since: soon, after: None, not_before: soon, oldest: soon });
    assert_eq!(poller.due(&wanted, &World::default(), soon).0.len(), 1, "a step that begins does not wait for it");
    assert_eq!(granted(&poller), left - 1);
    poller.due(&BTreeMap::new(), &World::default(), soon);
    assert_eq!(granted(&poller), left - 1, "nor does it where nobody waits any more");
}
