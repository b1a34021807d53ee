//! A run's whole journal in words, one line an event, for the person who takes over and for the
//! auditor who comes later. The lines of a run without a terminal are made here too.

use super::{
    Page, Progress, json,
    text::{pad, short, wrap},
    words::{Said, words},
};
use crate::{clock::Timestamp, event::Event};
use std::io::{self, Write};

/// Writes all events of a run, the quiet ones too.
pub fn human(events: &[Event], page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut so_far = Progress::default();
    if let Some(first) = events.first() {
        writeln!(out, "run {}, began at {}, times in UTC", first.run, first.at)?;
    }
    for event in events {
        for line in lines(event, &so_far, page) {
            writeln!(out, "{line}")?;
        }
        so_far.apply(event);
    }
    Ok(())
}

/// Writes all events of a run for programs, one object a line.
pub fn json(events: &[Event], out: &mut dyn Write) -> io::Result<()> {
    let mut so_far = Progress::default();
    for event in events {
        writeln!(out, "{}", json::event(event, &so_far))?;
        so_far.apply(event);
    }
    Ok(())
}

/// The lines of one event; `so_far` is where the run stood before it.
pub fn lines(event: &Event, so_far: &Progress, page: &Page) -> Vec<String> {
    let started = if so_far.run.is_none() { event.at } else { so_far.started };
    said(&words(&event.kind, so_far), event.at, started, page)
}

/// A sentence with its time, wrapped so that text never stands below the time.
pub fn said(said: &Said, at: Timestamp, started: Timestamp, page: &Page) -> Vec<String> {
    let since = format!("+{}", short(at.since(started)));
    // Names of steps of the usual length line up where there is room.
    let subject = if page.width >= 80 { 13 } else { 8 };
    let first = format!("{} {} {}  ", at.time_of_day(), pad(&since, 7), pad(said.subject(), subject));
    let hang = first.len().min(page.width / 3);
    let lines = wrap(&said.text, page.width, &first, hang);
    let head = |n: usize, line: &str| if n == 0 { first.len() } else { hang }.min(line.len());
    let paint = |(n, line): (usize, &String)| {
        let (time, text) = line.split_at(head(n, line));
        format!("{time}{}", page.paint(said.tone, text))
    };
    lines.iter().enumerate().map(paint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::sample;

    #[test]
    fn a_journal_reads_as_what_happened() {
        let mut out = vec![];
        human(&sample::finished(), &Page::plain(100), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        run r1kf, began at 2026-11-21T03:12:00Z, times in UTC
        03:12:00 +0s     run       planned failover of storefront, ohio (us-east-2) -> oregon (us-west-2),
                                   started by ana on bastion, in the sandbox
        03:12:00 +0s     run       plan sealed, sha256 3f9a0c57d2e1b84466aa
        03:12:01 +1s     declare   asks: Move storefront from ohio to oregon? [lag: 2s; active site: ohio];
                                   silence until 03:27:00 is a no and ends the run
        03:12:31 +31s    declare   answered yes, by ana
        03:12:31 +31s    declare   done
        03:12:32 +32s    freeze    started
        03:12:32 +32s    freeze    holds from now on: writes frozen at ohio, until 03:18:05 at most
        03:12:32 +32s    freeze    sends orders-ohio: default_transaction_read_only off -> on
                                   (rds:ModifyDBParameterGroup in us-east-2)
        03:12:33 +33s    freeze    accepted by the provider
        03:12:48 +48s    freeze    done [orders: writes frozen by default_transaction_read_only]
        03:12:49 +49s    drained   started
        03:13:10 +1m10s  drained   done
        03:13:11 +1m11s  promote   started
        03:13:11 +1m11s  promote   sends orders: replica of orders -> writer, backups kept 7 d
                                   (rds:PromoteReadReplica in us-west-2)
        03:13:12 +1m12s  promote   accepted by the provider
        03:13:12 +1m12s  run       owed from now on: reprotect ohio (oregon has no replica)
        03:21:20 +9m20s  freeze    hold ended by the promotion: stays closed for good
        03:21:20 +9m20s  promote   done
        03:21:21 +9m21s  moved     started
        03:22:20 +10m20s moved     done
        03:22:20 +10m20s run       service restored, with moved
        03:22:21 +10m21s run       RTO: 10m20s, promised 10m: missed; clock from the command; decide 30s,
                                   execute 9m50s
        03:22:21 +10m21s run       writes lost: none, promised 10m: kept; proof: lsn
        03:22:21 +10m21s run       write outage: unknown, promised 10m: unproven; no proof
        03:22:22 +10m22s run       ended: service restored, unprotected
        ");
    }

    #[test]
    fn sixty_columns_are_enough() {
        let mut out = vec![];
        human(&sample::finished(), &Page::plain(60), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().find(|l| l.len() > 60), None);
    }

    #[test]
    fn programs_get_one_object_an_event() {
        let mut out = vec![];
        json(&sample::finished(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), sample::finished().len());
    }
}
