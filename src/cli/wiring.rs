//! What a command works with: home, store, world and clock; who we are.

use super::{
    args::{Common, Output, Speed},
    exit::Failure,
    signals,
};
use crate::{
    check::{self, Checked},
    clock::{BootClock, Clock, KernelBootClock, Span, Timestamp, TokioClock},
    diagnostic::{Diagnostic, SourceMap, any_error},
    driver::{
        Act, Look, gather,
        live::{self, Ground, LiveLook},
    },
    engine::{RunState, Signals, Tempo},
    event::{Notice, Realm, Who},
    ids::{LeaseKey, SiteName},
    plan::Situation,
    runbook::Runbook,
    sandbox::{self, Fault, Opened, Options, Sandbox},
    store::{Clocks, OpenError, SqliteStore, Store},
    syntax,
    view::{self, Commands, Page},
    world::World as Sights,
};
use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A runbook that was read and checked.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) checked: Checked,
    /// Where it stands.
    pub(super) folder: String,
    /// What it is called there.
    pub(super) file: String,
    /// How it was typed.
    pub(super) typed: String,
}

impl Loaded {
    pub(super) fn runbook(&self) -> &Runbook {
        self.checked.runbook()
    }
    /// The standby that `--to` names; without it the first.
    pub(super) fn standby(&self, to: Option<&str>) -> Result<SiteName, Failure> {
        let standbys = &self.runbook().standbys;
        let Some(name) = to else { return Ok(standbys[0].clone()) };
        let named = standbys.iter().find(|s| s.as_str() == name).cloned();
        named.ok_or_else(|| Failure::usage(format!("`{name}` is no standby of this runbook")))
    }
    /// What its runs exclude each other by.
    pub(super) fn key(&self) -> LeaseKey {
        LeaseKey::new(&self.runbook().name)
    }
}

/// Reads and checks a runbook: all problems at once.
pub(super) fn examine(file: &Path) -> Result<(Option<Checked>, Vec<Diagnostic>, SourceMap), Failure> {
    let read = syntax::load(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    let mut problems = read.diagnostics;
    let checked = read.runbook.and_then(|runbook| {
        let (checked, more) = check::check(&runbook);
        problems.extend(more);
        checked
    });
    Ok((checked.filter(|_| !any_error(&problems)), problems, read.source))
}

/// A runbook fit to run; otherwise its problems are printed.
pub(super) fn load(common: &Common, file: &Path) -> Result<Loaded, Failure> {
    let (checked, problems, source) = examine(file)?;
    let Some(checked) = checked else {
        diagnostics(common, &problems, &source)?;
        return Err(Failure::new(super::exit::code::INVALID, ""));
    };
    loaded(file, checked)
}

/// A checked runbook, and where it stands.
pub(super) fn loaded(file: &Path, checked: Checked) -> Result<Loaded, Failure> {
    let full = file.canonicalize()?;
    let name = |p: Option<&std::ffi::OsStr>| p.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Loaded {
        checked,
        folder: full.parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default(),
        file: name(full.file_name()),
        typed: file.display().to_string(),
    })
}

/// Prints problems: for people to stderr, for programs to stdout.
pub(super) fn diagnostics(common: &Common, problems: &[Diagnostic], source: &SourceMap) -> Result<(), Failure> {
    match common.output {
        Output::Human => read(view::diagnostic::human(problems, source, &err_page(), &mut std::io::stderr().lock())),
        Output::Json => read(view::diagnostic::json(problems, source, &mut std::io::stdout().lock())),
    }
}

/// The surface of stdout.
pub(super) fn page() -> Page {
    Page::of(&console::Term::stdout())
}

/// The surface of stderr.
pub(super) fn err_page() -> Page {
    Page::of(&console::Term::stderr())
}

/// Prints data: text for people, or one JSON object a line.
pub(super) fn print(
    common: &Common,
    human: impl FnOnce(&Page, &mut dyn std::io::Write) -> std::io::Result<()>,
    json: impl FnOnce() -> serde_json::Value,
) -> Result<(), Failure> {
    let mut text = vec![];
    match common.output {
        Output::Human => human(&page(), &mut text)?,
        Output::Json => text.extend(format!("{}\n", json()).into_bytes()),
    }
    read(std::io::stdout().lock().write_all(&text))
}

/// What was written is read, or whoever read has had enough, which is no failure.
pub(super) fn read(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        // Whoever read has had enough, or the terminal hung up: neither changes how a run ended.
        Err(e) if gone(&e) => Ok(()),
        other => Ok(other?),
    }
}

/// Nobody reads any more: a closed pipe, or a terminal that hung up.
fn gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// How commands are typed here.
pub(super) fn commands(common: &Common, file: &str) -> Commands {
    let mut flags = common.sandbox_flags();
    if let Some(store) = &common.store {
        flags += &format!(" --store {}", store.display());
    }
    Commands { file: file.to_owned(), flags }
}

/// Where runs are recorded: `--store`, `$LIFEBOAT_HOME`, else the user's state directory.
pub(super) fn home(common: &Common) -> Result<PathBuf, Failure> {
    let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state =
        || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state"))).map(|p| p.join("lifeboat"));
    let home = common.store.clone().or_else(|| set("LIFEBOAT_HOME")).or_else(state);
    home.ok_or_else(|| {
        Failure::environment("no place for the journal: neither --store, $LIFEBOAT_HOME nor $HOME is set")
    })
}

pub(super) fn realm(common: &Common) -> Realm {
    if common.sandbox { Realm::Sandbox } else { Realm::Live }
}

/// Refuses what would lead real calls elsewhere.
pub(super) fn environment(common: &Common) -> Result<(), Failure> {
    let stray = env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .find(|name| name.starts_with("AWS_ENDPOINT_URL"));
    match stray {
        Some(name) if !common.sandbox && !common.allow_endpoint_override => {
            Err(Failure::refused(format!("{name} is set: calls would go elsewhere than to AWS"))
                .hint(format!("unset {name}, or say --allow-endpoint-override")))
        }
        _ => Ok(()),
    }
}

/// The store, to write or only to read.
pub(super) fn store(common: &Common, write: bool) -> Result<Arc<dyn Store>, Failure> {
    let home = home(common)?;
    let open = if write { SqliteStore::open } else { SqliteStore::open_to_read };
    let store = open(&home, realm(common), Clocks::machine()).map_err(|e| opening(&e))?;
    Ok(Arc::new(store))
}

fn opening(error: &OpenError) -> Failure {
    let code = match error {
        OpenError::Newer { .. } => super::exit::code::MISMATCH,
        OpenError::Home { .. } | OpenError::Network { .. } | OpenError::NotOurs { .. } | OpenError::File { .. } => {
            super::exit::code::ENVIRONMENT
        }
    };
    Failure::new(code, error.to_string())
}

/// Who types.
pub(super) fn who(operator: Option<&String>) -> Who {
    let login = || env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_else(|_| "unknown".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Who { operator: operator.cloned().unwrap_or_else(login), host, pid: std::process::id() }
}

/// The runtime of a command: one thread, so that the order of things is theirs; virtual time where
/// it is wanted.
pub(super) fn runtime(common: &Common) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if common.sandbox && common.speed == Speed::Max {
        builder.start_paused(true);
    }
    Ok(builder.build()?)
}

/// Runs a command's future to its end, and leaves without waiting for what hangs.
pub(super) fn block_on<T>(common: &Common, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime(common)?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// Production, or what stands in for it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) look: Arc<dyn Look>,
    pub(super) act: Arc<dyn Act>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) boot: Arc<dyn BootClock>,
    pub(super) tempo: Tempo,
    /// What interrupts the work on it.
    pub(super) signals: Signals,
    /// The real one, where it is that.
    pub(super) live: Option<Arc<LiveLook>>,
    /// The simulated one, where it is that.
    pub(super) sandbox: Option<Arc<Sandbox>>,
    /// Who is told of its runs beside the screen.
    pub(super) beside: Option<Beside>,
}

/// Somebody who is told what happens in a run; must neither block nor answer.
pub(super) type Beside = Arc<dyn Fn(&Notice) + Send + Sync>;

/// What a world is opened for, and from what. A run that was begun has its sites and resources in
/// its sealed plan: the runbook's file may have changed or gone since.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To look at it: nothing of a simulated one is kept, not even the speed of its time.
    Look(&'a Loaded),
    /// To begin a run: a simulated world of another runbook is replaced.
    Begin(&'a Loaded),
    /// To take a run up: it must be the world that the run was begun in.
    TakeUp(&'a RunState),
}

impl Purpose<'_> {
    /// What is said of the real world.
    fn ground(self) -> Ground {
        match self {
            Self::Look(loaded) | Self::Begin(loaded) => Ground {
                sites: loaded.runbook().sites.clone(),
                resources: loaded.runbook().resources.clone(),
                global_endpoint: loaded.runbook().global_endpoint.clone(),
                folder: PathBuf::from(&loaded.folder),
            },
            Self::TakeUp(run) => Ground {
                sites: run.plan.sites.clone(),
                resources: run.plan.resources.clone(),
                global_endpoint: run.plan.global_endpoint.clone(),
                folder: PathBuf::from(&run.plan.folder),
            },
        }
    }

    fn signals(self) -> Result<Signals, Failure> {
        Ok(if matches!(self, Self::Look(_)) { Signals::default() } else { signals::listen()? })
    }
}

/// A home has one simulated world. While a run in it is unfinished, no other runbook may have its
/// world built there instead.
pub(super) async fn keeps_its_world(common: &Common, loaded: &Loaded, store: &Arc<dyn Store>) -> Result<(), Failure> {
    let wrong = |e: sandbox::SandboxError| Failure::environment(e.to_string());
    if !common.sandbox || Opened::matches(&home(common)?, loaded.runbook()).map_err(wrong)? {
        return Ok(());
    }
    match store.runs(None).await?.into_iter().find(|run| run.outcome.is_none()) {
        None => Ok(()),
        Some(run) => Err(Failure::refused(format!(
            "run {} of {} is unfinished in the sandbox's world, which has other sites or resources",
            run.id, run.runbook
        ))
        .hint(format!("lifeboat resume {} --sandbox     finishes it", run.id))
        .hint(format!("lifeboat abandon {} --reason \"...\" --sandbox     ends it as it stands", run.id))
        .hint("--store DIR     works in another home, with a world of its own")),
    }
}

/// What decides a move, and what it is read from.
pub(super) async fn situation((look, clock): (&dyn Look, &dyn Clock), runbook: &Runbook) -> (Situation, Sights) {
    let seen = gather::until_told((look, clock), |seen| Situation::decisive(runbook, seen)).await;
    (Situation::of(runbook, &seen, clock.now()), seen)
}

/// Opens a world. Must be called inside the runtime.
pub(super) fn world(common: &Common, purpose: Purpose<'_>) -> Result<World, Failure> {
    environment(common)?;
    if common.sandbox { simulated(common, purpose) } else { real(purpose) }
}

fn real(purpose: Purpose<'_>) -> Result<World, Failure> {
    let boot: Arc<dyn BootClock> = Arc::new(KernelBootClock);
    let (look, act) = live::open(purpose.ground(), boot.clone());
    let look = Arc::new(look);
    Ok(World {
        look: look.clone(),
        act: Arc::new(act),
        clock: Arc::new(TokioClock::scaled(Timestamp::wall(), 1)),
        boot,
        tempo: Tempo(Span::ms(200)),
        signals: purpose.signals()?,
        live: Some(look),
        sandbox: None,
        beside: None,
    })
}

fn simulated(common: &Common, purpose: Purpose<'_>) -> Result<World, Failure> {
    let home = home(common)?;
    let wrong = |e: sandbox::SandboxError| Failure::environment(e.to_string());
    let faults = common
        .fault
        .iter()
        .map(|text| text.parse::<Fault>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Failure::usage(e.to_string()))?;
    let speed = match common.speed {
        Speed::Times(n) => sandbox::Speed::Times(n),
        Speed::Max => sandbox::Speed::Max,
    };
    let options = Options { seed: common.seed, speed: Some(speed), faults, ..Options::default() };
    let opened = match purpose {
        Purpose::Look(loaded) => Opened::peek(&home, loaded.runbook(), &options),
        Purpose::Begin(loaded) => Opened::matches(&home, loaded.runbook())
            .and_then(|same| Opened::open(&home, loaded.runbook(), &Options { reset: !same, ..options })),
        Purpose::TakeUp(run) => {
            Opened::take_up(&home, &run.plan.digest, &Options { not_before: Some(run.last_at), ..options })
        }
    };
    let opened = opened.map_err(wrong)?;
    let start = opened.now_at_open();
    let (clock, tempo) = match common.speed {
        Speed::Max => (TokioClock::virtual_from(start), Tempo(Span::secs(30))),
        Speed::Times(n) => (TokioClock::scaled(start, n), Tempo(Span::ms(200 * u64::from(n)))),
    };
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let sandbox = Arc::new(opened.start(clock.clone()));
    Ok(World {
        look: sandbox.clone(),
        act: sandbox.clone(),
        clock,
        boot: Arc::new(KernelBootClock),
        tempo,
        signals: purpose.signals()?,
        live: None,
        sandbox: Some(sandbox),
        beside: None,
    })
}
