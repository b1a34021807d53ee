//! `lifeboat doctor`: whether this machine, its credentials and its way to AWS and to the databases
//! are fit for a runbook. Every read that the runbook needs is made once; nothing is changed, so
//! what changes something is listed and not tried.

use super::{
    args::{Common, DoctorArgs, Output, PolicyArg},
    exit::{Failure, code},
    identity,
    wiring::{Loaded, Purpose, World, block_on, environment, home, load, page, read, store, world},
};
use crate::{
    clock::{Span, Timestamp},
    driver::aws::{Met, Stranger, Tried},
    driver::live::LiveLook,
    ids::SiteName,
    model::{Connection, DbIdentity, Kind, Mode, Password, Resource, Site},
    plan::policy::{self, Needed},
    runbook::{RunWord, Runbook},
    view::{
        self,
        doctor::{Finding, Level},
    },
    world::{Seen, Target, What, permission::SEE_DATABASES},
};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// `lifeboat doctor`.
pub(super) fn run(common: &Common, args: &DoctorArgs) -> Result<u8, Failure> {
    let loaded = load(common, &args.file)?;
    let mut out = std::io::stdout().lock();
    if let Some(wanted) = args.policy {
        let policy = policy::policy(loaded.runbook(), wanted == PolicyArg::Run);
        let text = serde_json::to_string_pretty(&policy).map_err(std::io::Error::from)?;
        read(std::io::Write::write_fmt(&mut out, format_args!("{text}\n")))?;
        return Ok(code::DONE);
    }
    let findings = block_on(common, examine(common, &loaded))?;
    read(match common.output {
        Output::Human => view::doctor::human(&findings, &page(), &mut out),
        Output::Json => view::doctor::json(&findings, &mut out),
    })?;
    let wrong = findings.iter().any(|f| f.level == Level::Problem);
    Ok(if wrong { code::ENVIRONMENT } else { code::DONE })
}

async fn examine(common: &Common, loaded: &Loaded) -> Result<Vec<Finding>, Failure> {
    let mut findings = vec![journal(common)?];
    if common.sandbox {
        findings.push(Finding::ok("sandbox", "nothing of AWS is needed: no credentials, no network, no databases"));
        return Ok(findings);
    }
    findings.extend(variables(loaded.runbook()));
    if let Err(stray) = environment(common) {
        let hint = stray.hints.join("; ");
        findings.push(Finding::new(Level::Problem, "endpoints", stray.what, hint));
        return Ok(findings);
    }
    findings.extend(endpoints(loaded.runbook()));
    let world = world(common, Purpose::Look(loaded))?;
    let Some(live) = &world.live else { return Ok(findings) };
    let runbook = loaded.runbook();
    let names: Vec<_> = runbook.sites.keys().cloned().chain(global(runbook)).collect();
    let met = join_all(names.into_iter().map(|name| async move { (name.clone(), live.who(&name).await) })).await;
    let met: BTreeMap<SiteName, Met> = met.into_iter().collect();
    findings.extend(met.iter().map(|(name, met)| who(name, runbook.sites.get(name), met)));
    findings.push(clock(met.values()));
    // Where we are not who we should be, what may be read tells nothing.
    let fit = |name: &SiteName| {
        met.get(name)
            .is_some_and(|met| met.caller.is_ok() && identity::wrong(name, runbook.sites.get(name), met).is_none())
    };
    let (reads, databases) = tokio::join!(reads(live, runbook, &fit), databases(&world, live, runbook, &fit));
    findings.extend(reads);
    findings.extend(changes(runbook));
    findings.extend(databases);
    Ok(findings)
}

/// What belongs to no site, where the runbook has something of it.
fn global(runbook: &Runbook) -> Option<SiteName> {
    let zones = runbook.resources.values().any(|r| matches!(r.kind, Kind::WeightedRecord { .. }));
    zones.then(|| SiteName::new(Target::GLOBAL))
}

/// Where runs are recorded.
fn journal(common: &Common) -> Result<Finding, Failure> {
    let home = home(common)?;
    Ok(match store(common, false) {
        Ok(_) => Finding::ok("journal", format!("{}, on a disk of this machine", home.display())),
        Err(e) => Finding::new(Level::Problem, "journal", e.what, "choose another folder by --store or LIFEBOAT_HOME"),
    })
}

/// Variables that passwords and commands come from.
fn variables(runbook: &Runbook) -> Vec<Finding> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for resource in runbook.resources.values() {
        if let Kind::RdsInstance { connection: Some(Connection { password: Some(Password::Env(name)), .. }), .. } =
            &resource.kind
        {
            wanted.entry(name.clone()).or_default().insert(format!("the password of {}", resource.name));
        }
    }
    let lists = [&runbook.failover, &runbook.failback, &runbook.reprotect, &runbook.finally];
    for step in lists.into_iter().flatten() {
        for spec in [Mode::Planned, Mode::Emergency].map(|mode| step.spec(mode)) {
            let undo = spec.undo.iter().map(|undo| (&undo.action, &undo.with));
            let own = spec.action.iter().map(|action| (action, &spec.with));
            let commands = own.chain(undo).filter(|(action, _)| spec.run != RunWord::Skip && *action == "exec");
            let names = commands.filter_map(|(_, with)| with.get("environment")?.as_array()).flatten();
            for name in names.filter_map(|name| name.as_str()) {
                wanted.entry(name.to_owned()).or_default().insert(format!("step {}", step.id));
            }
        }
    }
    let one = |(name, users): (String, BTreeSet<String>)| {
        let users = Vec::from_iter(users).join(", ");
        if std::env::var_os(&name).is_some() {
            Finding::ok("variables", format!("{name} is set, for {users}"))
        } else {
            Finding::new(
                Level::Problem,
                "variables",
                format!("{name} is not set, for {users}"),
                format!("export {name}"),
            )
        }
    };
    wanted.into_iter().map(one).collect()
}

/// Where calls go, other than to AWS's public addresses.
fn endpoints(runbook: &Runbook) -> Vec<Finding> {
    let stray = std::env::vars_os().filter_map(|(name, url)| {
        let name = name.to_str().filter(|name| name.starts_with("AWS_ENDPOINT_URL"))?.to_owned();
        let what = format!("{name}={}: calls go there, not to AWS", url.to_string_lossy());
        Some(Finding::new(Level::Warning, "endpoints", what, format!("unset {name} before a real run")))
    });
    let of_site = |site: &Site| Some((site.name.to_string(), site.endpoint_url.clone()?));
    let stated = runbook.sites.values().filter_map(of_site);
    let stated = stated.chain(runbook.global_endpoint.clone().map(|url| ("Route 53".to_owned(), url)));
    let stated: Vec<_> =
        stated.map(|(at, url)| Finding::ok("endpoints", format!("{at}: {url}, as the runbook says"))).collect();
    let all: Vec<_> = stray.chain(stated).collect();
    if all.is_empty() { vec![Finding::ok("endpoints", "AWS's own, of each site's Region")] } else { all }
}

/// Who we are at a site.
fn who(name: &SiteName, site: Option<&Site>, met: &Met) -> Finding {
    let at = site.map_or_else(|| identity::place(name).to_owned(), |site| format!("{name} ({})", site.region));
    if let Some(why) = identity::wrong(name, site, met) {
        return Finding::new(
            Level::Problem,
            "who",
            why,
            "credentials come from the environment, `profile` or `role_arn`; `account` says which are meant",
        );
    }
    match &met.caller {
        Ok(caller) => {
            let what = format!("{at}: account {}, {}", caller.account, caller.arn);
            match site {
                Some(Site { account: None, .. }) => Finding::new(
                    Level::Warning,
                    "who",
                    format!("{what}; the runbook does not say which account is meant"),
                    format!("add `account: \"{}\"` to the site: a run in another is then refused", caller.account),
                ),
                _ => Finding::ok("who", what),
            }
        }
        Err(Stranger::Refused(why) | Stranger::Silent(why)) => Finding::new(
            Level::Problem,
            "who",
            format!("{at}: no answer: {why}"),
            "is the Region reachable from here? a run to this site needs it, an emergency away from it does not",
        ),
    }
}

/// How far this machine's clock is from AWS's.
fn clock<'a>(met: impl Iterator<Item = &'a Met>) -> Finding {
    /// Signatures are refused beyond that.
    const REFUSED: Span = Span::mins(5);
    /// Samples of lag, TTLs and the length of an outage are told by this clock.
    const FELT: Span = Span::secs(10);
    let Some(ahead) = met.filter_map(|m| m.ahead).max_by_key(|ahead| ahead.unsigned_abs()) else {
        let hint = "compare it with a time server";
        return Finding::new(Level::Warning, "clock", "no answer told the time, so it is not known to be right", hint);
    };
    let off = Span(ahead.unsigned_abs());
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let level = match off {
        off if off > REFUSED => Level::Problem,
        off if off > FELT => Level::Warning,
        _ => return Finding::ok("clock", "as AWS's, within seconds"),
    };
    Finding::new(
        level,
        "clock",
        format!("{} {side} AWS's", view::text::short(off)),
        "let a time service set it (chrony, ntpd)",
    )
}

/// Every read, made once.
async fn reads(live: &LiveLook, runbook: &Runbook, fit: &impl Fn(&SiteName) -> bool) -> Vec<Finding> {
    let all = policy::reads(runbook);
    // Of lists only the one of databases is asked; others are asked for what is named.
    let asked = |n: &Needed| fit(&n.site) && (!n.on.name.is_empty() || n.permission == SEE_DATABASES);
    let tried =
        join_all(all.iter().filter(|n| asked(n)).map(|needed| async move {
            (needed, live.try_read(&needed.site, &needed.permission, &needed.on.name).await)
        }));
    let (mut allowed, mut wrong) = (BTreeMap::<&str, usize>::new(), BTreeMap::new());
    for (needed, tried) in tried.await {
        let (permission, site, name) = (needed.permission, identity::place(&needed.site), &needed.on.name);
        let (what, hint) = match tried {
            Tried::Allowed => {
                *allowed.entry(site).or_default() += 1;
                continue;
            }
            Tried::Absent => (
                format!("{name} at {site} is not there"),
                "compare the runbook's names with the account and Region".to_owned(),
            ),
            Tried::Denied(why) => (
                format!("missing {permission} at {site}"),
                format!("{why}; `lifeboat doctor FILE --policy plan` prints what to allow"),
            ),
            Tried::Unknown(why) => (
                format!("{permission} at {site} gave no answer that tells: {why}"),
                "is the Region reachable from here?".to_owned(),
            ),
        };
        wrong.insert(what, hint);
    }
    let fine = allowed
        .into_iter()
        .map(|(site, n)| Finding::ok("reads", format!("{site}: {} allowed", view::text::count(n, "read"))));
    fine.chain(wrong.into_iter().map(|(what, hint)| Finding::new(Level::Problem, "reads", what, hint))).collect()
}

/// What runs must be allowed beside, as far as it is AWS's.
fn changes(runbook: &Runbook) -> Vec<Finding> {
    let mut all: BTreeMap<SiteName, BTreeSet<String>> = BTreeMap::new();
    for needed in policy::changes(runbook) {
        all.entry(needed.site).or_default().insert(needed.permission.to_string());
    }
    let one = |(site, names): (SiteName, BTreeSet<String>)| {
        let names = Vec::from_iter(names).join(", ");
        let hint = "changes cannot be tried; `lifeboat doctor FILE --policy run` prints what to allow";
        Finding::new(Level::Untested, "changes", format!("{}: {names}", identity::place(&site)), hint)
    };
    all.into_iter().map(one).collect()
}

/// Connections to databases, and whether their lag is told.
async fn databases(
    world: &World,
    live: &LiveLook,
    runbook: &Runbook,
    fit: &impl Fn(&SiteName) -> bool,
) -> Vec<Finding> {
    let of = |resource: &'_ Resource| match &resource.kind {
        Kind::RdsInstance { sites, connection, .. } => {
            sites.iter().map(|(site, db)| (site.clone(), db.clone(), connection.clone())).collect::<Vec<_>>()
        }
        Kind::AutoscalingGroup { .. } | Kind::WeightedRecord { .. } | Kind::StateMachine { .. } => vec![],
    };
    let all: Vec<_> = runbook.resources.values().flat_map(of).filter(|(site, ..)| fit(site)).collect();
    let asked = all.iter().filter_map(|(site, db, connection)| Some((runbook.sites.get(site)?, db, connection)));
    let told = join_all(asked.map(|(site, db, connection)| async move {
        let (session, lag) = tokio::join!(session(live, site, db, connection.as_ref()), lag(world, site, db));
        session.into_iter().chain(lag)
    }));
    told.await.into_iter().flatten().collect()
}

async fn session(live: &LiveLook, site: &Site, db: &DbIdentity, connection: Option<&Connection>) -> Option<Finding> {
    connection.filter(|c| c.user.is_some())?;
    let at = format!("{} at {}", db.identifier, site.name);
    let connected = match live.connect(&site.name, &db.identifier).await {
        Ok(connected) => connected,
        Err(e) => {
            let hint = "proofs by log position and tests of the data need this connection; look at security groups, user and password";
            return Some(Finding::new(Level::Problem, "database", format!("{at}: {e}"), hint));
        }
    };
    let tls = if connected.encrypted { "encrypted" } else { "not encrypted" };
    let what = format!("{at}: {}, {tls}", connected.of);
    Some(if connected.sees_all {
        Finding::ok("database", format!("{what}, sees the transactions of others"))
    } else {
        let user = connection.and_then(|c| c.user.as_deref()).unwrap_or_default();
        Finding::new(
            Level::Problem,
            "database",
            format!("{what}; it may not see the transactions of others, so `proof: lsn` cannot be had"),
            format!("grant pg_monitor to {user};"),
        )
    })
}

/// Whether a replica's lag is published.
async fn lag(world: &World, site: &Site, db: &DbIdentity) -> Option<Finding> {
    let id = || db.identifier.clone();
    let targets = [Target::at(site, What::Db(id())), Target::at(site, What::Lag(id()))];
    let mut seen = world.look.look(&targets).await.into_iter().map(|sight| Some(sight.ok()?.seen));
    let (Some(Some(Seen::Db(found))), Some(Some(Seen::Lag(samples)))) = (seen.next(), seen.next()) else { return None };
    if !found.is_replica() {
        return None;
    }
    let at = format!("{} at {}", db.identifier, site.name);
    let now = Timestamp::wall();
    Some(match samples.last_good(now) {
        Some((then, lag)) => {
            let ago = view::text::ago(then, now);
            Finding::ok("lag", format!("{at}: {} behind, sample {ago}", view::text::short(lag)))
        }
        None => Finding::new(
            Level::Warning,
            "lag",
            format!("{at}: CloudWatch has no sample of ReplicaLag"),
            "without it an emergency cannot tell what is lost; does replication run?",
        ),
    })
}
