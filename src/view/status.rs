//! The first thing read at 3 a.m.: who serves, who writes, what is frozen, protected, held, owed,
//! left over, and what to type next. Others gather it; here it gets its words.

use super::{
    Page, Tone,
    commands::Next,
    json,
    text::{ago, pad, wrap},
};
use crate::{
    clock::Timestamp,
    event::{Obligation, RunOutcome},
    ids::{Region, ResourceName, RunId, SiteName, StepId},
};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};

/// How things are, as far as could be seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The runbook's name.
    pub runbook: String,
    /// When it was looked.
    pub at: Timestamp,
    /// The site that serves; none: it cannot be told, `active_why` says why.
    pub active: Option<SiteName>,
    /// By what that is known, or why it is not: `writer and all weights`.
    pub active_why: String,
    /// Whether another site replicates from the active one; none: it cannot be told.
    pub protected: Option<bool>,
    /// The sites, home first.
    pub sites: Vec<SiteStatus>,
    /// What runs hold closed, or left closed when they ended.
    pub held: Vec<Held>,
    /// What the pair of sites still needs.
    pub owed: Vec<Obligation>,
    /// What runs left behind on purpose: retired instances, kept snapshots.
    pub leftovers: Vec<Leftover>,
    /// The last run; none: there was none.
    pub last_run: Option<LastRun>,
    /// What to type next, the most likely first.
    pub next: Vec<Next>,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteStatus {
    /// Its name.
    pub name: SiteName,
    /// Its Region.
    pub region: Region,
    /// `primary` or `standby`: its home role.
    pub home: String,
    /// Whether its Region answers reads; none: nobody asked.
    pub answers: Option<bool>,
    /// Its resources.
    pub resources: Vec<ResourceStatus>,
}

/// A resource at a site, in words and as values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceStatus {
    /// The resource.
    pub resource: ResourceName,
    /// `writer`, `replica of orders at ohio`, `8 of 8 in service`, `weight 100`, `absent`, `unknown: …`.
    pub words: String,
    /// A database: `writer`, `replica`, `absent`, `unknown`.
    pub role: Option<String>,
    /// A database: whether writes are frozen; none: unknown or not a database.
    pub frozen: Option<bool>,
    /// A replica: how far behind, in words with the sample's age.
    pub lag: Option<String>,
    /// A weighted record: its weight here.
    pub weight: Option<u32>,
    /// A group: servers in service.
    pub in_service: Option<u32>,
    /// A group: servers wanted.
    pub desired: Option<u32>,
    /// It needs somebody's attention.
    pub alarming: bool,
}

/// Something held closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What.
    pub what: String,
    /// The run and its step that closed it, and since when; none: this journal does not know, the
    /// world alone shows it.
    pub by: Option<HeldBy>,
}

/// Who closed something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldBy {
    /// The run.
    pub run: RunId,
    /// Its step.
    pub step: StepId,
    /// Since when.
    pub since: Timestamp,
}

/// Something left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What and where: `database orders-old-r1kf at ohio`.
    pub what: String,
    /// Why it is there: `retired from orders; delete it when it is not needed any more`.
    pub why: String,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// The run.
    pub run: RunId,
    /// What it was: `planned failover`.
    pub kind: String,
    /// When it began.
    pub started: Timestamp,
    /// How it ended; none: it did not.
    pub outcome: Option<RunOutcome>,
    /// The same in words; where it did not end, what it does or waits for.
    pub standing: String,
}

impl Status {
    /// For programs.
    pub fn json(&self) -> Value {
        json::of("status", self)
    }

    /// For people.
    pub fn human(&self, page: &Page, out: &mut dyn Write) -> io::Result<()> {
        for (name, tone, value) in self.head().into_iter().chain(self.debts()) {
            row(page, out, &pad(name, 11), tone, &value)?;
        }
        for site in &self.sites {
            self.site(site, page, out)?;
        }
        if !self.leftovers.is_empty() {
            writeln!(out, "\n{}", page.paint(Tone::Strong, "left over"))?;
        }
        for left in &self.leftovers {
            row(page, out, "  ", Tone::Plain, &format!("{}: {}", left.what, left.why))?;
        }
        if !self.next.is_empty() {
            writeln!(out)?;
        }
        for next in &self.next {
            writeln!(out, "{}{}", page.paint(Tone::Strong, "next: "), next.command)?;
            row(page, out, "        ", Tone::Dim, &next.what)?;
        }
        Ok(())
    }

    fn head(&self) -> Vec<(&'static str, Tone, String)> {
        let active = match &self.active {
            Some(site) => ("active", Tone::Strong, format!("{site} ({})", self.active_why)),
            None => ("active", Tone::Bad, format!("cannot be told: {}", self.active_why)),
        };
        let protected = match self.protected {
            Some(true) => (Tone::Good, "yes: another site replicates from it"),
            Some(false) => (Tone::Bad, "no: a loss of the active site would lose its data"),
            None => (Tone::Warn, "cannot be told"),
        };
        let last = match &self.last_run {
            None => "none".into(),
            Some(l) => format!("{} {}, began {}: {}", l.run, l.kind, ago(l.started, self.at), l.standing),
        };
        vec![
            ("runbook", Tone::Plain, format!("{}, seen at {}", self.runbook, self.at)),
            active,
            ("protected", protected.0, protected.1.into()),
            ("last run", Tone::Plain, last),
        ]
    }

    fn debts(&self) -> Vec<(&'static str, Tone, String)> {
        let held = |h: &Held| {
            let by = match &h.by {
                Some(by) => format!("since {} by step {} of run {}", by.since, by.step, by.run),
                None => "by a run that this journal does not know".to_owned(),
            };
            ("held", Tone::Bad, format!("{} {by}", h.what))
        };
        let mut all: Vec<_> = self.held.iter().map(held).collect();
        all.extend(self.owed.iter().map(|o| ("owed", Tone::Warn, o.to_string())));
        if all.is_empty() {
            all.push(("held, owed", Tone::Plain, "nothing".into()));
        }
        all
    }

    fn site(&self, site: &SiteStatus, page: &Page, out: &mut dyn Write) -> io::Result<()> {
        let active = if self.active.as_ref() == Some(&site.name) { ", active" } else { "" };
        let answers = match site.answers {
            Some(false) => ", does not answer",
            Some(true) | None => "",
        };
        let title = format!("{} ({}), {}{active}{answers}", site.name, site.region, site.home);
        writeln!(out, "\n{}", page.paint(Tone::Strong, &title))?;
        let widest = site.resources.iter().map(|r| r.resource.as_str().len()).max().unwrap_or(0);
        for resource in &site.resources {
            let mut text = resource.words.clone();
            if resource.frozen == Some(true) {
                text += ", writes frozen";
            }
            if let Some(lag) = &resource.lag {
                text += &format!(", {lag}");
            }
            let tone = if resource.alarming { Tone::Bad } else { Tone::Plain };
            row(page, out, &format!("  {}  ", pad(resource.resource.as_str(), widest)), tone, &text)?;
        }
        Ok(())
    }
}

fn row(page: &Page, out: &mut dyn Write, first: &str, tone: Tone, text: &str) -> io::Result<()> {
    for line in wrap(text, page.width, first, first.len()) {
        let (head, tail) = line.split_at(first.len().min(line.len()));
        writeln!(out, "{head}{}", page.paint(tone, tail))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObligationKind;

    fn resource(name: &str, words: &str) -> ResourceStatus {
        ResourceStatus {
            resource: name.into(),
            words: words.into(),
            role: None,
            frozen: None,
            lag: None,
            weight: None,
            in_service: None,
            desired: None,
            alarming: false,
        }
    }

    fn status() -> Status {
        let site = |name: &str, region: &str, home: &str, orders| SiteStatus {
            name: name.into(),
            region: region.into(),
            home: home.into(),
            answers: Some(true),
            resources: vec![orders, resource("web", "2 of 2 in service")],
        };
        let old = ResourceStatus { role: Some("writer".into()), frozen: Some(true), ..resource("orders", "writer") };
        let at: Timestamp = "2026-11-21T04:00:00Z".parse().unwrap();
        Status {
            runbook: "storefront".into(),
            at,
            active: Some("oregon".into()),
            active_why: "the writer is there, all weights too".into(),
            protected: Some(false),
            sites: vec![
                site("ohio", "us-east-2", "primary", old),
                site("oregon", "us-west-2", "standby", resource("orders", "writer")),
            ],
            held: vec![],
            owed: vec![Obligation { kind: ObligationKind::Reprotect, site: "ohio".into() }],
            leftovers: vec![Leftover {
                what: "snapshot orders-tail-r1kf at ohio".into(),
                why: "what was not replicated; delete it when nobody needs it any more".into(),
            }],
            last_run: Some(LastRun {
                run: RunId::new("r1kf"),
                kind: "emergency failover".into(),
                started: "2026-11-21T03:12:00Z".parse().unwrap(),
                outcome: Some(RunOutcome::Unprotected),
                standing: "service restored, unprotected".into(),
            }),
            next: vec![Next {
                command: "lifeboat reprotect runbooks/storefront.yaml".into(),
                what: "pays what is owed: reprotect ohio".into(),
            }],
        }
    }

    #[test]
    fn the_first_lines_say_who_serves_and_what_is_owed() {
        let mut out = vec![];
        status().human(&Page::plain(60), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        runbook    storefront, seen at 2026-11-21T04:00:00Z
        active     oregon (the writer is there, all weights too)
        protected  no: a loss of the active site would lose its data
        last run   r1kf emergency failover, began 48m ago: service
                   restored, unprotected
        owed       reprotect ohio

        ohio (us-east-2), primary
          orders  writer, writes frozen
          web     2 of 2 in service

        oregon (us-west-2), standby, active
          orders  writer
          web     2 of 2 in service

        left over
          snapshot orders-tail-r1kf at ohio: what was not
          replicated; delete it when nobody needs it any more

        next: lifeboat reprotect runbooks/storefront.yaml
                pays what is owed: reprotect ohio
        ");
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let unknown = Status { active: None, active_why: "both sites take writes".into(), protected: None, ..status() };
        let mut out = vec![];
        unknown.human(&Page::plain(80), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("active     cannot be told: both sites take writes\nprotected  cannot be told\n"),
            "{text}"
        );
    }

    #[test]
    fn programs_get_the_same() {
        let names: Vec<_> = status().json().as_object().unwrap().keys().cloned().collect();
        insta::assert_snapshot!(names.join(" "), @"active active_why at held last_run leftovers next owed protected runbook schema sites type");
    }
}
