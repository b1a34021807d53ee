//! A world at rest: found or built, before the clock of a run goes on.

use super::{
    Sandbox,
    command::Command,
    disk::{Disk, SandboxError, Speed, Stored},
    faults::{Fault, likest},
    script::Script,
    state::{Spec, State},
    world::World,
};
use crate::{
    clock::{Clock, Timestamp},
    driver::SendError,
    ids::Digest,
    runbook::Runbook,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// How a world is to be opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What its chance comes from; none: its own seed, and for a new world any.
    pub seed: Option<u64>,
    /// How fast its time goes from now on; none: as before, and in a new world real time.
    pub speed: Option<Speed>,
    /// What is to go wrong.
    pub faults: Vec<Fault>,
    /// Begin a new world, whatever was there.
    pub reset: bool,
    /// An instant that has come, whatever the world says: a journal may know a later one than a world whose
    /// virtual time was cut off with its process.
    pub not_before: Option<Timestamp>,
}

/// A world at rest.
pub struct Opened {
    world: World,
    at: Timestamp,
}

impl Opened {
    /// The world's file in a home.
    pub fn file(home: &Path) -> PathBuf {
        home.join("sandbox-world.db")
    }

    /// Whether the world in a home can be used for a runbook: it was built from the same sites and
    /// resources, or there is none yet.
    pub fn matches(home: &Path, runbook: &Runbook) -> Result<bool, SandboxError> {
        let file = Self::file(home);
        if !file.exists() {
            return Ok(true);
        }
        let stored = Disk::open(&file)?.load()?;
        Ok(stored.is_none_or(|stored| stored.state.spec == Spec::of(runbook)))
    }

    /// Opens the world in a home to begin runs in, or builds one there.
    pub fn open(home: &Path, runbook: &Runbook, options: &Options) -> Result<Self, SandboxError> {
        let (wall, file, spec) = (Timestamp::wall(), Self::file(home), Spec::of(runbook));
        let mut disk = Disk::open(&file)?;
        let stored = if options.reset { None } else { disk.load()? };
        let (state, version) = if let Some(stored) = stored {
            if stored.state.spec != spec {
                return Err(SandboxError::OtherWorld { path: disk.name() });
            }
            same_seed(&disk, &stored, options)?;
            (stored.state, stored.version)
        } else {
            let seed = options.seed.unwrap_or(wall.0.unsigned_abs() % 1_000_000);
            let state = State::new(spec, seed, wall);
            disk.create(&state)?;
            (state, 0)
        };
        let script = Script::of(runbook);
        disk.keep_script(&runbook.digest, &script)?;
        Self::wake(disk, Stored { state, version }, script, (options, wall))
    }

    /// Opens the world in a home to take up a run that was begun there, from its file alone: `of` is
    /// the digest of the run's runbook, which may be gone by now.
    pub fn take_up(home: &Path, of: &Digest, options: &Options) -> Result<Self, SandboxError> {
        let file = Self::file(home);
        let not_here = || SandboxError::NotBegunHere { path: file.display().to_string() };
        if !file.exists() {
            return Err(not_here());
        }
        let disk = Disk::open(&file)?;
        let (Some(stored), Some(script)) = (disk.load()?, disk.script(of)?) else { return Err(not_here()) };
        same_seed(&disk, &stored, options)?;
        Self::wake(disk, stored, script, (options, Timestamp::wall()))
    }

    /// Lets a world's time go on from where it is.
    fn wake(
        disk: Disk,
        Stored { state, version }: Stored,
        script: Script,
        (options, wall): (&Options, Timestamp),
    ) -> Result<Self, SandboxError> {
        let clock = disk.time(wall)?;
        let at = clock.map_or(state.now, |(at, _)| at.max(state.now));
        let at = options.not_before.map_or(at, |known| known.max(at));
        let speed = options.speed.or(clock.map(|(_, speed)| speed)).unwrap_or(Speed::Times(1));
        if clock.is_none_or(|(_, before)| before != speed) {
            disk.start_clock(at, wall, speed)?;
        }
        let world = World::new(state, version, Some(disk), (script, speed));
        Self { world, at }.with_faults(&options.faults)
    }

    /// A copy in memory of the world in a home, or of the one that would be built there: whatever is
    /// done to it, and however fast its time goes, the home never learns of it.
    pub fn peek(home: &Path, runbook: &Runbook, options: &Options) -> Result<Self, SandboxError> {
        let (wall, file) = (Timestamp::wall(), Self::file(home));
        let disk = if file.exists() { Some(Disk::open(&file)?) } else { None };
        let stored = disk.as_ref().map(Disk::load).transpose()?.flatten();
        let (Some(disk), Some(stored)) = (disk, stored.filter(|stored| stored.state.spec == Spec::of(runbook))) else {
            let seed = options.seed.unwrap_or(wall.0.unsigned_abs() % 1_000_000);
            return Self::in_memory(runbook, seed, wall, &options.faults);
        };
        same_seed(&disk, &stored, options)?;
        let clock = disk.time(wall)?;
        let at = clock.map_or(stored.state.now, |(at, _)| at.max(stored.state.now));
        let speed = options.speed.or(clock.map(|(_, speed)| speed)).unwrap_or(Speed::Times(1));
        let world = World::new(stored.state, stored.version, None, (Script::of(runbook), speed));
        Self { world, at }.with_faults(&options.faults)
    }

    /// A world in memory, from an instant on. The same code, nothing on disk.
    pub fn in_memory(runbook: &Runbook, seed: u64, at: Timestamp, faults: &[Fault]) -> Result<Self, SandboxError> {
        let state = State::new(Spec::of(runbook), seed, at);
        let world = World::new(state, 0, None, (Script::of(runbook), Speed::Max));
        Self { world, at }.with_faults(faults)
    }

    fn with_faults(mut self, faults: &[Fault]) -> Result<Self, SandboxError> {
        for fault in faults {
            if let Some(step) = &fault.at
                && !self.world.script().steps().any(|known| known == step.as_str())
            {
                let like = likest(step.as_str(), self.world.script().steps()).map(str::to_owned);
                return Err(SandboxError::NoSuchStep { fault: fault.to_string(), like });
            }
        }
        for fault in faults {
            let taken = self.world.command(&Command::Fault(fault.clone()), self.at);
            taken.map_err(|error: SendError| SandboxError::File { path: String::new(), why: error.to_string() })?;
        }
        Ok(self)
    }

    /// The instant from which the run's clock must start.
    pub fn now_at_open(&self) -> Timestamp {
        self.at
    }

    /// How fast its time goes: the run's clock must go as fast.
    pub fn speed(&self) -> Speed {
        self.world.speed()
    }

    /// The seed that all its chance comes from.
    pub fn seed(&self) -> u64 {
        self.world.seed()
    }

    /// Sets it going by the run's clock, which starts at [`Opened::now_at_open`].
    pub fn start(self, clock: Arc<dyn Clock>) -> Sandbox {
        Sandbox { world: Mutex::new(self.world), clock }
    }
}

/// A world keeps its seed: another one asked for is a mistake.
fn same_seed(disk: &Disk, stored: &Stored, options: &Options) -> Result<(), SandboxError> {
    let found = stored.state.seed;
    match options.seed.filter(|seed| *seed != found) {
        Some(given) => Err(SandboxError::OtherSeed { path: disk.name(), found, given }),
        None => Ok(()),
    }
}
