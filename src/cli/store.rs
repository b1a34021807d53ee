//! `store verify`, `store export`, `store import`: whether the journals are whole, and copies of them.

use super::{
    args::{Common, Consent, ExportArgs, ImportArgs, Output, StoreCommand},
    exit::{Failure, code},
    lease::claim,
    run::typed,
    runs::find,
    wiring::{block_on, commands, home, page, read, realm, store},
};
use crate::{
    engine,
    event::{Event, EventKind, Realm},
    ids::{LeaseKey, RunId, Seq},
    store::{Clocks, OpenError, RunCheckup, SqliteStore, Store, StoreError, StoredRun, TextError},
    view::{
        self, Commands, Progress,
        checkup::{Found, Row, State},
        commands::Next,
        summary,
    },
};
use std::{io::Write as _, path::Path, sync::Arc};

/// `lifeboat store …`.
pub(super) fn run(common: &Common, command: &StoreCommand) -> Result<u8, Failure> {
    match command {
        StoreCommand::Verify => block_on(common, verify(common)),
        StoreCommand::Export(args) => block_on(common, export(common, args)),
        StoreCommand::Import(args) => block_on(common, import(common, args)),
    }
}

async fn verify(common: &Common) -> Result<u8, Failure> {
    let store = to_verify(common)?;
    let checkup = store.checkup().await?;
    for run in checkup.runs.iter().filter(|run| run.stale) {
        super::wiring::store(common, true)?.rebuild(&run.run).await?;
    }
    let next = if checkup.problems.is_empty() { vec![] } else { way_out(common, "RUNBOOK")? };
    let runs = checkup.runs.iter().map(|run| row(common, run)).collect::<Result<_, _>>()?;
    let found = Found { place: place(common)?, runs, problems: checkup.problems, next };
    let mut out = std::io::stdout().lock();
    read(match common.output {
        Output::Human => view::checkup::human(&found, &page(), &mut out),
        Output::Json => view::checkup::json(&found, &mut out),
    })?;
    Ok(if found.count(State::Damaged) > 0 || !found.problems.is_empty() {
        code::JOURNAL
    } else if found.count(State::Foreign) > 0 {
        code::MISMATCH
    } else {
        code::DONE
    })
}

/// The store, to be looked through. What cannot even be opened is damaged at its first page, or not ours.
fn to_verify(common: &Common) -> Result<SqliteStore, Failure> {
    SqliteStore::open_to_read(&home(common)?, realm(common), Clocks::machine()).map_err(|why| {
        let code = match why {
            OpenError::Newer { .. } | OpenError::NotOurs { .. } => code::MISMATCH,
            OpenError::File { .. } => code::JOURNAL,
            OpenError::Home { .. } | OpenError::Network { .. } => code::ENVIRONMENT,
        };
        Failure::new(code, why.to_string())
    })
}

/// The file that is looked through.
fn place(common: &Common) -> Result<String, Failure> {
    let name = match realm(common) {
        Realm::Live => "live.db",
        Realm::Sandbox => "sandbox.db",
    };
    Ok(home(common)?.join(name).display().to_string())
}

fn row(common: &Common, run: &RunCheckup) -> Result<Row, Failure> {
    let progress = Progress::of(&run.events);
    let runbook = progress.plan.as_ref().map(|plan| plan.runbook.clone()).unwrap_or_default();
    let file = progress.plan.as_deref().map_or_else(|| "RUNBOOK".to_owned(), typed);
    let (state, what) = judge(run, &progress, &runbook);
    let next = match state {
        State::Whole => vec![],
        State::Foreign => vec![Next {
            command: "lifeboat --version".to_owned(),
            what: "use the lifeboat that wrote it, or a newer one".to_owned(),
        }],
        State::Damaged if run.lost.is_some() => vec![Next {
            command: commands(common, "").on_run("resume", &run.run, ""),
            what: "goes on from there: it looks at what happened before it sends anything".to_owned(),
        }],
        State::Damaged => way_out(common, &file)?,
    };
    Ok(Row { run: run.run.clone(), runbook, state, whole_up_to: run.whole_up_to(), what, next })
}

/// How a run is, and in words.
fn judge(run: &RunCheckup, progress: &Progress, runbook: &str) -> (State, String) {
    match &run.wrong {
        Some(StoreError::Damaged { seq, why, .. }) => {
            return (State::Damaged, format!("event {seq}: {why}; whole up to event {}", run.whole_up_to()));
        }
        Some(StoreError::Unreadable { seq, why, .. }) => {
            return (State::Foreign, format!("event {seq} is whole, but this lifeboat cannot read it: {why}"));
        }
        Some(other) => return (State::Damaged, other.to_string()),
        None => {}
    }
    if let Err(why) = engine::replay(&run.events) {
        return (State::Damaged, format!("its chain is whole, but {why}"));
    }
    if run.key.as_str() != runbook {
        return (State::Damaged, format!("its lease is of `{}`, not of its runbook", run.key));
    }
    if let Some(last) = run.lost {
        return (State::Damaged, lost(run.whole_up_to(), last));
    }
    let stands = summary::standing(progress).1;
    let rebuilt = if run.stale { "; its line in the list of runs was wrong and is written anew" } else { "" };
    (State::Whole, format!("{}, {stands}{rebuilt}", view::text::count(run.events.len(), "event")))
}

/// That the end of a run is lost, in words.
pub(super) fn lost(end: Seq, written: Seq) -> String {
    format!(
        "it ends with event {end}, yet event {written} was written: the disk lost what came after, \
         or an older copy was put back"
    )
}

/// What a person does about a damaged journal. Nothing in it is mended: what it cannot prove it must
/// not claim. Another home begins with the world as it is.
fn way_out(common: &Common, file: &str) -> Result<Vec<Next>, Failure> {
    let home = home(common)?.display().to_string();
    let there = Commands { file: file.to_owned(), flags: format!("{} --store DIR", common.sandbox_flags()) };
    let next = |command: String, what: &str| Next { command, what: what.to_owned() };
    Ok(vec![
        next(format!("cp -a {home} {home}.damaged"), "keeps what is there; nothing is mended in place"),
        next(
            format!("lifeboat store import FILE{}", there.flags),
            "takes up a copy made by `lifeboat store export`, in a new folder DIR; then resume there",
        ),
        next(there.on_file("status"), "without a copy: looks at how things are; a move from DIR begins with that"),
    ])
}

async fn export(common: &Common, args: &ExportArgs) -> Result<u8, Failure> {
    let store = store(common, false)?;
    let runs = match &args.run {
        Some(name) => vec![find(&store, Some(name)).await?.id],
        // In the order in which they began.
        None => store.runs(None).await?.into_iter().rev().map(|head| head.id).collect(),
    };
    let (mut out, mut damaged) = (std::io::stdout().lock(), None);
    for run in runs {
        match store.export(&run).await {
            Ok(whole) => read(out.write_all(whole.to_text().as_bytes()))?,
            // The others are whole, and wanted all the more.
            Err(why @ (StoreError::Damaged { .. } | StoreError::Unreadable { .. })) => {
                let failure = Failure::from(why);
                drop(writeln!(std::io::stderr().lock(), "error: {}; it is left out", failure.what));
                damaged = Some(Failure { what: String::new(), ..failure });
            }
            Err(other) => return Err(other.into()),
        }
    }
    damaged.map_or(Ok(code::DONE), Err)
}

async fn import(common: &Common, args: &ImportArgs) -> Result<u8, Failure> {
    let runs = parse(common, &args.file)?;
    let store = store(common, true)?;
    // All are looked at before the first is taken in.
    let mut new = vec![];
    for run in &runs {
        if fits(common, &store, run).await? {
            new.push(run);
        }
    }
    for run in &runs {
        let taken = new.contains(&run);
        if taken {
            take_in(&store, run).await?;
        }
        said(common, run, taken)?;
    }
    Ok(code::DONE)
}

fn parse(common: &Common, file: &Path) -> Result<Vec<StoredRun>, Failure> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|why| Failure::usage(format!("{name}: {why}")))?;
    let damaged = |why: String| {
        Failure::new(code::JOURNAL, format!("{name}: {why}; nothing was taken in"))
            .hint(format!("lifeboat store export RUN{} > {name}     makes it anew", common.sandbox_flags()))
    };
    let text = String::from_utf8(text).map_err(|why| damaged(why.to_string()))?;
    let runs = StoredRun::all_of(&text).map_err(|why| match why {
        TextError::Line { .. } | TextError::Run(StoreError::Damaged { .. }) => damaged(why.to_string()),
        TextError::Run(other) => other.into(),
    })?;
    for run in &runs {
        proper(common, run).map_err(|why| match why {
            Improper::Damaged(why) => damaged(format!("run {}: {why}", run.run())),
            Improper::Elsewhere(failure) => failure,
        })?;
    }
    if runs.is_empty() { Err(damaged("it holds no run".to_owned())) } else { Ok(runs) }
}

enum Improper {
    Damaged(String),
    Elsewhere(Failure),
}

/// Beyond its chain: its events follow each other, its lease is its runbook's, and it is of this realm.
fn proper(common: &Common, run: &StoredRun) -> Result<(), Improper> {
    let state = engine::replay(run.events()).map_err(|why| Improper::Damaged(why.to_string()))?;
    if *run.key() != LeaseKey::new(&state.plan.runbook) {
        return Err(Improper::Damaged(format!("its lease is of `{}`, not of its runbook", run.key())));
    }
    if state.realm == realm(common) {
        return Ok(());
    }
    Err(Improper::Elsewhere(match state.realm {
        Realm::Sandbox => Failure::usage(format!("run {} is of the sandbox: say --sandbox", run.run())),
        Realm::Live => Failure::usage(format!("run {} is a real one: leave --sandbox out", run.run())),
    }))
}

/// Whether a run is to be taken in; not, where it is here and the same.
async fn fits(common: &Common, store: &Arc<dyn Store>, run: &StoredRun) -> Result<bool, Failure> {
    let refused = |why: String| Failure::refused(format!("{why}; nothing was taken in"));
    let commands = commands(common, "");
    match store.export(run.run()).await {
        Ok(here) if here == *run => return Ok(false),
        Ok(here) => {
            let (here, there) = (here.events().len(), run.events().len());
            let why = format!("run {} is here already, with {here} events, not the same {there}", run.run());
            let hint = format!("{}     tells what is here", commands.on_run("show", run.run(), ""));
            return Err(refused(why).hint(hint).hint("--store DIR     takes it into another home"));
        }
        Err(StoreError::NoSuchRun(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let unfinished = |events: &[Event]| !matches!(events.last().map(|e| &e.kind), Some(EventKind::RunFinished { .. }));
    let waits = store.runs(Some(run.key())).await?.into_iter().find(|head| head.outcome.is_none());
    match waits.filter(|_| unfinished(run.events())) {
        None => Ok(true),
        Some(other) => Err(refused(format!("run {} is unfinished, and so is {} here", run.run(), other.id))
            .hint(format!("{}     finishes it", commands.on_run("resume", &other.id, "")))
            .hint("--store DIR     takes it into another home")),
    }
}

async fn take_in(store: &Arc<dyn Store>, run: &StoredRun) -> Result<(), Failure> {
    let mut fence = claim(store, run.key(), &Consent::default()).await?;
    let taken = store.import(&mut fence, run).await;
    // What became of the run has to be told, whatever became of the lease.
    drop(store.release(fence).await);
    Ok(taken?)
}

fn said(common: &Common, run: &StoredRun, taken: bool) -> Result<(), Failure> {
    let name: &RunId = run.run();
    let ended = matches!(run.events().last().map(|e| &e.kind), Some(EventKind::RunFinished { .. }));
    let what = if taken {
        format!("was taken in, {}", view::text::count(run.events().len(), "event"))
    } else {
        "is here already and the same: nothing to do".to_owned()
    };
    let next = commands(common, "").on_run(if ended { "show" } else { "resume" }, name, "");
    super::wiring::print(
        common,
        |_, out| writeln!(out, "run {name} {what}\nnext: {next}"),
        || {
            let mut object = view::json::typed("imported");
            object.insert("run".into(), name.as_str().into());
            object.insert("taken".into(), taken.into());
            object.insert("what".into(), what.clone().into());
            object.insert("next".into(), next.clone().into());
            object.into()
        },
    )
}
