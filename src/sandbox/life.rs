//! What happens to database instances by itself: promotions and renames take their course,
//! parameters and security groups come into force, backups begin and end.

use super::{
    db::DbEvent,
    replication::Link,
    state::{Event, State},
};
use crate::{
    clock::Span,
    model::DbEngine,
    world::backup::BackupWindow,
    world::rds::{ApplyStatus, Status},
};

impl State {
    pub(super) fn db_event(&mut self, db: usize, event: DbEvent) {
        let now = self.now;
        match event {
            DbEvent::Status(from, to) => {
                let instance = &mut self.dbs[db];
                if instance.status == from {
                    instance.status = to;
                }
            }
            DbEvent::StopReplication => self.stop_replication(db),
            DbEvent::SourceGone => self.dbs[db].source = None,
            DbEvent::Promoted(retention) => self.promoted(db, retention),
            DbEvent::InForce(change) if change == self.dbs[db].change => self.in_force(db),
            DbEvent::InForce(_) => {}
            DbEvent::Guarded => self.dbs[db].closed = self.quarantined(db),
            DbEvent::SessionEnds(rows) => self.session_ends(db, rows),
            DbEvent::BackupStarts(daily) => self.backup_starts(db, daily),
            DbEvent::Renamed => {
                let instance = &mut self.dbs[db];
                (instance.status, instance.busy, instance.hidden_until) = (Status::Available, None, None);
                self.in_force(db);
            }
            DbEvent::Created(behind) => {
                let source = self.dbs[db].source.expect("what is being created replicates");
                let floor = self.dbs[db].log_since;
                let until = (!self.alive(self.dbs[source].site)).then_some(now);
                let instance = &mut self.dbs[db];
                instance.links.push(Link { source, from: now, behind, floor, until });
                (instance.status, instance.busy) = (Status::Available, None);
                instance.replication_normal = until.is_none();
                self.in_force(db);
            }
        }
    }

    fn stop_replication(&mut self, db: usize) {
        let now = self.now;
        let (held, log) = (self.rows(db, now), self.log_end(db, now));
        let source = self.dbs[db].link().map(|link| link.source);
        let instance = &mut self.dbs[db];
        instance.status = Status::Modifying;
        instance.replication_normal = false;
        instance.held = held;
        if let Some(own) = instance.stream {
            instance.held.remove(&own);
        }
        (instance.log_base, instance.log_since) = (log, now);
        instance.stopped_at = Some(now);
        if let Some(source) = source {
            let here = self.rows(db, now);
            let missing = |(stream, n): (usize, u64)| n.saturating_sub(here.get(&stream).copied().unwrap_or(0));
            self.account.unreplicated += self.rows(source, now).into_iter().map(missing).sum::<u64>();
        }
    }

    fn promoted(&mut self, db: usize, retention: u32) {
        let now = self.now;
        let instance = &mut self.dbs[db];
        let backed_up = instance.backup_retention > 0;
        (instance.status, instance.busy, instance.source) = (Status::Available, None, None);
        (instance.replication_normal, instance.backup_retention) = (true, retention);
        self.active.insert(self.dbs[db].resource.clone(), db);
        self.in_force(db);
        if self.chance("first backup").is_multiple_of(2) {
            let soon = self.chance_span("first backup", Span::secs(10), Span::secs(40));
            self.later(now + soon, Event::Db(db, DbEvent::BackupStarts(false)));
        }
        if !backed_up {
            self.plan_backup(db);
        }
    }

    /// Its group's values are in force; transactions that had begun may still end.
    fn in_force(&mut self, db: usize) {
        let wrote = self.accepts(db) && self.dbs[db].stream.is_some_and(|own| self.streams[own].rate() > 0);
        let value = self.wanted_value(db);
        let instance = &mut self.dbs[db];
        instance.in_force = value;
        instance.apply = ApplyStatus::InSync;
        if !wrote || !instance.read_only() {
            return;
        }
        let longest = if instance.engine == DbEngine::Postgres { Span::secs(25) } else { Span::secs(4) };
        for _ in 0..self.chance("sessions") % 6 {
            let ends = self.now + self.chance_span("session", Span::secs(1), longest);
            let rows = self.chance("session rows") % 4;
            self.dbs[db].sessions.push(ends);
            self.later(ends, Event::Db(db, DbEvent::SessionEnds(rows)));
        }
    }

    fn session_ends(&mut self, db: usize, rows: u64) {
        let now = self.now;
        let open = self.dbs[db].sessions.len();
        self.dbs[db].sessions.retain(|ends| *ends > now);
        // A session that was cut off commits nothing.
        if rows > 0 && self.dbs[db].sessions.len() < open && self.reachable(db) {
            let own = self.own_stream(db);
            self.streams[own].add(now, rows);
        }
    }

    fn backup_starts(&mut self, db: usize, daily: bool) {
        if self.dbs[db].busy.is_some() || self.dbs[db].status != Status::Available {
            let again = self.now + Span::mins(10);
            let (opens, closes) = self.dbs[db].backup_window.at_or_after(again);
            return if daily && !(opens..closes).contains(&again) {
                self.plan_backup(db);
            } else {
                self.later(again, Event::Db(db, DbEvent::BackupStarts(daily)));
            };
        }
        self.dbs[db].status = Status::BackingUp;
        let ends = self.now + self.chance_span("backup", Span::mins(4), Span::mins(12));
        self.later(ends, Event::Db(db, DbEvent::Status(Status::BackingUp, Status::Available)));
        if daily {
            self.plan_backup(db);
        }
    }

    /// The next of the daily backups, where there are any: one in each window.
    pub(super) fn plan_backup(&mut self, db: usize) {
        if self.dbs[db].backup_retention > 0 {
            let window = self.dbs[db].backup_window;
            let (opens, closes) = window.at_or_after(self.now);
            let opens = if opens > self.now { opens } else { window.at_or_after(closes).0 };
            let begins = opens + self.chance_span("backup begins", Span::ZERO, Span::mins(25));
            self.later(begins, Event::Db(db, DbEvent::BackupStarts(true)));
        }
    }

    /// A window of half an hour, the provider's choice; `after` the world is opened, and not just before.
    pub(super) fn some_backup_window(&mut self, after: Span) -> BackupWindow {
        let opens = self.chance_span("backup window", after, Span::hours(22));
        BackupWindow::daily(self.opened + opens, Span::mins(30))
    }
}
