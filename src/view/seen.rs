//! What was seen of the world, in words: in the plan's situation, on the screen, in `status`.

use super::text::{count, short};
use crate::{
    clock::Timestamp,
    model::DbEngine,
    world::{
        Seen, Sight,
        rds::{ApplyStatus, Db, Lag, Parameters},
    },
};

/// How a thing is, without its name.
pub fn words(sight: &Sight, now: Timestamp) -> String {
    match &sight.seen {
        Seen::Absent => "absent".into(),
        Seen::Unknown { why } => format!("unknown: {why}"),
        Seen::Db(one) => db(one),
        Seen::Dbs(all) if all.is_empty() => "none".into(),
        Seen::Dbs(all) => all.iter().map(|d| format!("{} ({})", d.identifier, d.status)).collect::<Vec<_>>().join(", "),
        Seen::Parameters(group) => if frozen(group) { "writes frozen" } else { "writes open" }.into(),
        Seen::Lag(lag) => lag_words(lag, now),
        Seen::Position(p) => {
            let open = if p.writable { "writable" } else { "read-only" };
            format!("at {}, {open}, {}", p.lsn, count(p.writing as usize, "open write"))
        }
        Seen::Snapshot(s) => format!("{}, as of {}", if s.complete { "complete" } else { "pending" }, s.taken),
        Seen::Group(g) => {
            let mut text = format!("{}, {} in service", g.size, g.in_service);
            if !g.suspended.is_empty() {
                text += &format!(", suspended: {}", g.suspended.join(" "));
            }
            if let Some((_, why)) = &g.failure {
                text += &format!(", last activity failed: {why}");
            }
            text
        }
        Seen::Records(records) => weights(records),
        Seen::Change(crate::world::dns::ChangeStatus::InSync) => "on all name servers".into(),
        Seen::Change(crate::world::dns::ChangeStatus::Pending) => "not on all name servers yet".into(),
        Seen::Execution(e) => match (e.status, &e.why) {
            (crate::world::sfn::Status::Running, _) => "running".into(),
            (crate::world::sfn::Status::Succeeded, _) => "succeeded".into(),
            (crate::world::sfn::Status::Failed, None) => "failed".into(),
            (crate::world::sfn::Status::Failed, Some(why)) => format!("failed: {why}"),
        },
        Seen::Answer(a) => format!("{}: {}", if a.ok { "yes" } else { "no" }, a.why),
    }
}

/// A sight with its name and, where it is not fresh, its age.
pub fn line(sight: &Sight, now: Timestamp) -> (String, String) {
    let age = short(now.since(sight.at));
    let text = words(sight, now);
    let text = if age >= crate::clock::Span::secs(60) { format!("{text} (seen {age} ago)") } else { text };
    (sight.target.to_string(), text)
}

fn db(db: &Db) -> String {
    let role = match &db.source {
        None => "writer".to_owned(),
        Some(s) => match &s.site {
            Some(site) => format!("replica of {} at {site}", s.identifier),
            None => format!("replica of {}", s.identifier),
        },
    };
    let mut text = format!("{role}, {}", db.status);
    if !db.replication_normal {
        text += ", replication broken";
    }
    match db.parameters {
        ApplyStatus::InSync => {}
        ApplyStatus::Applying => text += ", parameters being applied",
        ApplyStatus::PendingReboot => text += ", parameters wait for a reboot",
        ApplyStatus::Failed => text += ", parameters could not be applied",
    }
    text
}

/// Lag at the last sample that knows it.
pub fn lag_words(lag: &Lag, now: Timestamp) -> String {
    match lag.last_good(now) {
        Some((at, behind)) => format!("{} behind, sample {} old", short(behind), short(now.since(at))),
        None => "unknown: no good sample".into(),
    }
}

fn frozen(group: &Parameters) -> bool {
    [DbEngine::Mysql, DbEngine::Postgres].into_iter().any(|engine| group.frozen(engine))
}

/// `www.example.com A: ohio 100, oregon 0`, weighted sets only.
fn weights(records: &crate::world::dns::Records) -> String {
    let mut names: Vec<(String, Vec<String>)> = vec![];
    for set in records.sets.iter().filter(|s| s.weight.is_some()) {
        let name = format!("{} {}", set.name, set.record_type);
        let one = format!("{} {}", set.set_identifier.as_deref().unwrap_or("-"), set.weight.unwrap_or(0));
        match names.iter_mut().find(|(n, _)| *n == name) {
            Some((_, all)) => all.push(one),
            None => names.push((name, vec![one])),
        }
    }
    if names.is_empty() {
        return "no weighted records".into();
    }
    names.iter().map(|(name, all)| format!("{name}: {}", all.join(", "))).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Span,
        world::{Target, What, rds::LagSample},
    };

    #[test]
    fn lag_that_nobody_knows_is_not_zero() {
        let now = Timestamp(0) + Span::mins(5);
        let sample = |s, seconds| LagSample { at: Timestamp(0) + Span::mins(s), seconds };
        let lag = Lag { samples: vec![sample(1, Some(2.0)), sample(4, None)] };
        assert_eq!(lag_words(&lag, now), "2s behind, sample 4m old");
        assert_eq!(lag_words(&Lag::default(), now), "unknown: no good sample");
    }

    #[test]
    fn an_old_look_says_its_age() {
        let sight = Sight { target: Target::global(What::Group("web".into())), at: Timestamp(0), seen: Seen::Absent };
        assert_eq!(line(&sight, Timestamp(0) + Span::secs(90)), ("group web".into(), "absent (seen 1m30s ago)".into()));
        assert_eq!(line(&sight, Timestamp(0) + Span::secs(9)).1, "absent");
    }
}
