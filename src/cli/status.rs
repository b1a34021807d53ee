//! `lifeboat status`: the first thing typed at 3 a.m.

use super::{
    args::{Common, FileArgs},
    exit::{Failure, code},
    held::still,
    wiring::{Loaded, Purpose, World, block_on, commands, load, print, store, world},
};
use crate::{
    driver::gather,
    engine::RunState,
    event::{Event, Obligation},
    ids::{Seq, SiteName, StepId},
    model::{Kind, Mode},
    plan::{DbRole, SiteSituation, Situation},
    runbook::Runbook,
    store::RunHead,
    view::{
        Commands, Progress,
        commands::Next,
        status::{Held, HeldBy, LastRun, Leftover, ResourceStatus, SiteStatus, Status},
        summary,
    },
};

/// `lifeboat status`.
pub(super) fn run(common: &Common, args: &FileArgs) -> Result<u8, Failure> {
    let loaded = load(common, &args.file)?;
    block_on(common, async {
        let world = world(common, Purpose::Look(&loaded))?;
        let last = last(common, &loaded).await?;
        let seen =
            gather::look(&*world.look, &*world.clock, &Situation::targets(loaded.runbook()), gather::HASTE).await;
        let situation = Situation::of(loaded.runbook(), &seen, world.clock.now());
        let status = gathered(common, &loaded, &world, &situation, last.as_ref());
        print(common, |page, out| status.human(page, out), || status.json())?;
        // What is closed with nobody at work on it waits for a person, whatever became of its run.
        let waits = |l: &Last| !l.held && (l.head.outcome.is_none() || !status.held.is_empty());
        let waits = last.as_ref().map_or(!status.held.is_empty(), waits);
        Ok(match (waits, status.owed.is_empty()) {
            (true, _) => code::WAITING,
            (false, false) => code::UNPROTECTED,
            (false, true) => code::DONE,
        })
    })
}

/// The last run of the runbook.
struct Last {
    head: RunHead,
    events: Vec<Event>,
    /// A living process holds it.
    held: bool,
}

impl Last {
    fn state(&self) -> Option<RunState> {
        RunState::replay(&self.events).ok()
    }
}

async fn last(common: &Common, loaded: &Loaded) -> Result<Option<Last>, Failure> {
    let store = store(common, false)?;
    let Some(head) = store.runs(Some(&loaded.key())).await?.into_iter().next() else { return Ok(None) };
    let events = store.read(&head.id, Seq(1)).await?;
    let held = store.holder(&loaded.key()).await?.is_some_and(|h| h.alive);
    Ok(Some(Last { head, events, held }))
}

fn gathered(common: &Common, loaded: &Loaded, world: &World, situation: &Situation, last: Option<&Last>) -> Status {
    let runbook = loaded.runbook();
    let now = world.clock.now();
    let state = last.and_then(Last::state);
    let owed: Vec<_> = state.iter().flat_map(|s| s.owed.iter().cloned()).collect();
    let held = held(state.as_ref(), situation);
    let home_first = |site: &&SiteName| (**site != runbook.primary, (*site).clone());
    let mut names: Vec<_> = situation.sites.keys().collect();
    names.sort_by_key(home_first);
    Status {
        runbook: runbook.name.clone(),
        at: now,
        active: situation.active_site().cloned(),
        active_why: situation.evidence(),
        protected: protected(runbook, situation),
        sites: names.into_iter().map(|name| site(runbook, name, &situation.sites[name])).collect(),
        leftovers: leftovers(situation),
        last_run: last.map(last_run),
        next: next(common, loaded, situation, last, (&held, &owed)),
        held,
        owed,
    }
}

/// What is closed: as the last run holds it or left it, and what the world alone shows.
fn held(last: Option<&RunState>, situation: &Situation) -> Vec<Held> {
    let by_run = |run: &RunState| {
        let still = if run.outcome.is_none() { run.holds.keys().cloned().collect() } else { still(run, situation) };
        let one = |step: StepId| {
            let held = &run.holds[&step];
            Held { what: held.what.clone(), by: Some(HeldBy { run: held.by.clone(), step, since: held.since }) }
        };
        still.into_iter().map(one).collect()
    };
    let mut all: Vec<Held> = last.map(by_run).unwrap_or_default();
    for site in situation.sites.keys().filter(|site| situation.is_held_closed(site)) {
        let what = format!("writes frozen at {site}");
        if all.iter().all(|h| h.what != what) {
            all.push(Held { what, by: None });
        }
    }
    all
}

/// Whether another site follows the active one.
fn protected(runbook: &Runbook, situation: &Situation) -> Option<bool> {
    let active = situation.active_site()?;
    let others = runbook.sites.keys().filter(|s| *s != active);
    let follows = others.clone().any(|s| situation.follows(s, active));
    let unseen = others
        .clone()
        .any(|s| situation.sites.get(s).is_some_and(|s| s.databases.values().any(|r| matches!(r, DbRole::Unknown(_)))));
    if follows {
        Some(true)
    } else if unseen {
        None
    } else {
        Some(false)
    }
}

fn site(runbook: &Runbook, name: &SiteName, seen: &SiteSituation) -> SiteStatus {
    let databases = seen.databases.iter().map(|(resource, role)| database(resource.clone(), role));
    let groups = seen.groups.iter().map(|(resource, group)| ResourceStatus {
        words: group.map_or("unknown".into(), |(size, serving)| format!("{serving} of {} in service", size.desired)),
        alarming: group.is_none_or(|(size, serving)| serving < size.desired),
        in_service: group.map(|g| g.1),
        desired: group.map(|g| g.0.desired),
        ..blank(resource.clone())
    });
    let weights = seen.weights.iter().map(|(resource, weight)| ResourceStatus {
        words: weight.map_or("weight unknown".into(), |w| format!("weight {w}")),
        weight: *weight,
        alarming: weight.is_none(),
        ..blank(resource.clone())
    });
    SiteStatus {
        name: name.clone(),
        region: runbook.sites[name].region.clone(),
        home: if *name == runbook.primary { "primary" } else { "standby" }.into(),
        answers: Some(seen.answers),
        resources: databases.chain(groups).chain(weights).collect(),
    }
}

fn blank(resource: crate::ids::ResourceName) -> ResourceStatus {
    ResourceStatus {
        resource,
        words: String::new(),
        role: None,
        frozen: None,
        lag: None,
        weight: None,
        in_service: None,
        desired: None,
        alarming: false,
    }
}

fn database(resource: crate::ids::ResourceName, role: &DbRole) -> ResourceStatus {
    let base = blank(resource);
    match role {
        DbRole::Writer { status, closed, frozen } => ResourceStatus {
            words: format!("writer, {status}{}", if *closed && !frozen { ", closed for writes" } else { "" }),
            role: Some("writer".into()),
            frozen: Some(*frozen),
            alarming: *closed || *frozen || status != "available",
            ..base
        },
        DbRole::Replica { status, of, lag } => {
            let lag = lag.map(|(lag, age)| format!("{lag} behind, sample {age} old"));
            let of = of.as_ref().map_or("a site that is not in the runbook".to_owned(), ToString::to_string);
            ResourceStatus {
                words: format!("replica of {of}, {status}{}", if lag.is_none() { ", lag unknown" } else { "" }),
                role: Some("replica".into()),
                alarming: lag.is_none(),
                lag,
                ..base
            }
        }
        DbRole::Absent => {
            ResourceStatus { words: "absent".into(), role: Some("absent".into()), alarming: true, ..base }
        }
        DbRole::Unknown(why) => {
            ResourceStatus { words: format!("unknown: {why}"), role: Some("unknown".into()), alarming: true, ..base }
        }
    }
}

fn leftovers(situation: &Situation) -> Vec<Leftover> {
    let of_site = |(site, seen): (&SiteName, &SiteSituation)| {
        let each = |(resource, ids): (&crate::ids::ResourceName, &Vec<String>)| {
            ids.iter()
                .map(|id| Leftover {
                    what: format!("database {id} at {site}"),
                    why: format!("retired from {resource}; delete it when its data is not needed any more"),
                })
                .collect::<Vec<_>>()
        };
        seen.retired.iter().flat_map(each).collect::<Vec<_>>()
    };
    situation.sites.iter().flat_map(of_site).collect()
}

fn last_run(last: &Last) -> LastRun {
    let progress = Progress::of(&last.events);
    let kind = progress
        .plan
        .as_ref()
        .map(|p| if p.direction.is_move() { format!("{} {}", p.mode, p.direction) } else { p.direction.to_string() });
    LastRun {
        run: last.head.id.clone(),
        kind: kind.unwrap_or_default(),
        started: last.head.started,
        outcome: last.head.outcome,
        standing: summary::standing(&progress).1,
    }
}

/// What to type next, the most likely first.
fn next(
    common: &Common,
    loaded: &Loaded,
    situation: &Situation,
    last: Option<&Last>,
    (held, owed): (&[Held], &[Obligation]),
) -> Vec<Next> {
    let known = commands(common, &loaded.typed);
    let runbook = loaded.runbook();
    let say = |command: String, what: &str| Next { command, what: what.into() };
    // That all sites are lost at once is less likely than that it is we who cannot see.
    if situation.sites.values().all(|site| !site.answers) {
        let what = "no site answers at all: tells whether it is this machine, its network or its credentials";
        return vec![say(known.on_file("doctor"), what)];
    }
    if let Some(last) = last.filter(|l| l.head.outcome.is_none()) {
        let progress = Progress::of(&last.events);
        return past_it(&known, runbook, situation, &progress).into_iter().chain(known.next(&progress)).collect();
    }
    if let Some(last) = last.filter(|_| held.iter().any(|h| h.by.is_some())) {
        return known.held(&Progress::of(&last.events));
    }
    let home = situation.sites.get(&runbook.primary);
    let has_db = runbook.resources.values().any(|r| matches!(r.kind, Kind::RdsInstance { .. }));
    match situation.active_site() {
        _ if !owed.is_empty() => {
            vec![say(known.on_file("reprotect"), "closes the site that was left, keeps its data, makes it the replica")]
        }
        Some(site) if *site == runbook.primary && home.is_some_and(|h| h.answers) => {
            vec![
                say(known.on_file("plan"), "shows what a failover would do"),
                say(known.on_file("failover --planned"), "moves, losing nothing"),
            ]
        }
        Some(site) if *site == runbook.primary => {
            vec![say(known.on_file("failover --emergency"), "moves; what was not replicated is lost")]
        }
        Some(site) if has_db && !situation.follows(&runbook.primary, site) => {
            vec![say(known.on_file("reprotect"), "makes the primary the replica of the active site")]
        }
        Some(_) => vec![say(known.on_file("failback"), "moves home, losing nothing")],
        None => vec![
            say(known.on_file("failover --emergency"), "if the primary is lost"),
            say(known.on_file("plan --emergency"), "shows what that would do"),
        ],
    }
}

/// The emergency that an unfinished run stands in the way of: what it counts on serving does not answer.
fn past_it(known: &Commands, runbook: &Runbook, situation: &Situation, run: &Progress) -> Option<Next> {
    let (plan, id) = (run.plan.as_ref()?, run.run.as_ref()?);
    let serves = if plan.direction.is_move() { &plan.ends.from.name } else { &plan.ends.to.name };
    let is_emergency = plan.direction.is_move() && plan.mode == Mode::Emergency;
    if is_emergency || situation.sites.get(serves).is_none_or(|s| s.answers) {
        return None;
    }
    let away = if *serves == runbook.primary { "failover --emergency" } else { "failback --emergency" };
    Some(Next {
        command: format!("{} --supersede {id} --reason \"...\"", known.on_file(away)),
        what: format!("{serves} does not answer: takes over from this run, with what it holds and owes"),
    })
}
