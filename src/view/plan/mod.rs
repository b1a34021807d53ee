//! A plan for people and for programs: what would be done, in the words and the order in which the
//! run will say it.

mod step;

use super::{
    Page, Tone, json, seen,
    text::{count, pad, short, wrap},
    words,
};
use crate::{
    clock::Span,
    model::Site,
    plan::{Plan, PlanStep},
};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes a plan for people.
pub fn human(plan: &Plan, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text { page, out };
    header(plan, &mut text)?;
    situation(plan, &mut text)?;
    steps(plan, &mut text)?;
    ending(plan, &mut text)
}

/// A plan for programs: all of it, and what is derived from it.
pub fn json(plan: &Plan) -> Value {
    let mut object = json::of("plan", plan);
    object["irreversible"] = json!(plan.irreversible().map(|s| &s.id).collect::<Vec<_>>());
    object["changes_nothing"] = json!(plan.is_noop());
    object["refused"] = json!(plan.cautions.iter().any(|c| c.refuses));
    object["calls"] = json!(plan.steps.iter().chain(&plan.finally).flat_map(calls).collect::<Vec<_>>());
    object
}

fn calls(step: &PlanStep) -> impl Iterator<Item = Value> + '_ {
    step.prediction.effects.iter().map(|e| {
        json!({ "step": step.id, "call": e.call, "change": super::change::words(&e.change), "impact": e.change.impact })
    })
}

/// Lines written to a page.
struct Text<'a> {
    page: &'a Page,
    out: &'a mut dyn Write,
}

impl Text<'_> {
    /// A heading, a blank line before it.
    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}", self.page.paint(Tone::Strong, text))
    }
    /// A text, indented, wrapped, hanging below its first word.
    fn line(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        self.labelled(indent, "", tone, text)
    }
    /// A text behind a label, hanging below its first word where the label is short.
    fn labelled(&mut self, indent: usize, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        let first = format!("{}{label}", " ".repeat(indent));
        let hang = if label.is_empty() { indent + 2 } else { console::measure_text_width(&first) };
        let hang = if hang > self.page.width / 3 { indent + 2 } else { hang };
        for (n, line) in wrap(text, self.page.width, &first, hang).iter().enumerate() {
            let head = if n == 0 { first.len() } else { hang }.min(line.len());
            writeln!(self.out, "{}{}", &line[..head], self.page.paint(tone, &line[head..]))?;
        }
        Ok(())
    }
}

fn header(plan: &Plan, text: &mut Text<'_>) -> io::Result<()> {
    let page = *text.page;
    let title = format!("{} {} of {}", plan.mode, plan.direction, plan.runbook);
    writeln!(text.out, "{}", page.paint(Tone::Strong, &title))?;
    text.line(2, Tone::Plain, &format!("{} -> {}", place(&plan.ends.from), place(&plan.ends.to)))?;
    for site in [&plan.ends.from, &plan.ends.to] {
        if let Some(url) = &site.endpoint_url {
            text.line(2, Tone::Warn, &format!("{} is asked at {url}, not at its public address", site.name))?;
        }
    }
    let promised =
        [("RTO", plan.objectives.rto), ("RPO", plan.objectives.rpo), ("write outage", plan.objectives.write_outage)];
    let promised: Vec<_> = promised.iter().filter_map(|(name, span)| Some(format!("{name} {}", (*span)?))).collect();
    if !promised.is_empty() {
        text.line(2, Tone::Plain, &format!("promised: {}", promised.join(", ")))?;
    }
    text.line(2, Tone::Dim, &format!("{}, sha256 {}", plan.file, super::text::cut(plan.digest.as_str(), 14)))?;
    if !plan.parameters.is_empty() {
        text.heading("parameters")?;
        for (name, value) in &plan.parameters {
            text.line(
                2,
                Tone::Plain,
                &format!("{name} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            )?;
        }
    }
    Ok(())
}

fn place(site: &Site) -> String {
    match &site.account {
        Some(account) => format!("{} ({}, account {account})", site.name, site.region),
        None => format!("{} ({})", site.name, site.region),
    }
}

fn situation(plan: &Plan, text: &mut Text<'_>) -> io::Result<()> {
    if plan.observed.is_empty() {
        text.heading("nothing was looked at: offline")?;
        return Ok(());
    }
    text.heading(&format!("as seen at {}", plan.made_at))?;
    let rows: Vec<_> = plan.observed.iter().map(|s| seen::line(s, plan.made_at)).collect();
    let widest = rows.iter().map(|(name, _)| console::measure_text_width(name)).max().unwrap_or(0);
    for (name, how) in rows {
        let tone = if how.starts_with("unknown") { Tone::Warn } else { Tone::Plain };
        let label = if widest <= text.page.width / 2 { pad(&name, widest + 2) } else { format!("{name}: ") };
        // A name that fills the line by itself is wrapped like any text.
        if console::measure_text_width(&label) + 4 > text.page.width {
            text.line(2, tone, &format!("{label}{how}"))?;
        } else {
            text.labelled(2, &label, tone, &how)?;
        }
    }
    Ok(())
}

fn steps(plan: &Plan, text: &mut Text<'_>) -> io::Result<()> {
    let mut wave = 0;
    let mut ordered: Vec<_> = plan.steps.iter().filter(|s| s.runs()).collect();
    ordered.sort_by_key(|s| s.wave);
    for step in ordered {
        if step.wave != wave {
            wave = step.wave;
            text.heading(&format!("wave {wave}"))?;
        }
        step::human(step, text)?;
    }
    let finally: Vec<_> = plan.finally.iter().filter(|s| s.runs()).collect();
    if !finally.is_empty() {
        text.heading("finally, however the run ends")?;
    }
    for step in finally {
        step::human(step, text)?;
    }
    let left: Vec<_> = plan.steps.iter().chain(&plan.finally).filter(|s| !s.runs()).map(left_out).collect();
    if !left.is_empty() {
        text.heading("left out")?;
        text.line(2, Tone::Dim, &left.join(", "))?;
    }
    Ok(())
}

fn left_out(step: &PlanStep) -> String {
    let why = if step.left_out { "only for the other direction" } else { "not in this mode" };
    format!("{} ({why})", step.id)
}

fn ending(plan: &Plan, text: &mut Text<'_>) -> io::Result<()> {
    let irreversible: Vec<_> = plan.irreversible().collect();
    if !irreversible.is_empty() {
        text.heading("cannot be undone; asked for once, at the start")?;
        for step in &irreversible {
            let changes: Vec<_> = step.prediction.effects.iter().map(|e| super::change::words(&e.change)).collect();
            let what = if changes.is_empty() { "nothing left to change now".to_owned() } else { changes.join("; ") };
            text.labelled(2, &format!("{}  ", step.id), Tone::Bad, &what)?;
        }
    }
    if !plan.cautions.is_empty() {
        text.heading("cautions")?;
        for caution in &plan.cautions {
            let label = caution.step.as_ref().map_or(String::new(), |s| format!("{s}  "));
            let (tone, refused) =
                if caution.refuses { (Tone::Bad, "; the run would be refused") } else { (Tone::Warn, "") };
            text.labelled(2, &label, tone, &format!("{}{refused}", caution.what))?;
        }
    }
    totals(plan, text)
}

fn totals(plan: &Plan, text: &mut Text<'_>) -> io::Result<()> {
    text.heading("in all")?;
    let sent = plan.effects().count();
    if sent == 0 {
        text.line(2, Tone::Plain, "nothing to change: all of it is so already")?;
    } else {
        text.line(2, Tone::Plain, &format!("{} to send", count(sent, "change")))?;
    }
    let (path, takes) = &plan.critical_path;
    let rto = plan.objectives.rto.filter(|_| plan.direction == crate::model::Direction::Failover);
    let path: Vec<_> = path.iter().map(crate::ids::StepId::as_str).collect();
    text.line(
        2,
        Tone::Plain,
        &format!("critical path {}, people's time aside: {}", against(*takes, "RTO", rto), path.join(" > ")),
    )?;
    if let Some(outage) = plan.write_outage {
        text.line(
            2,
            Tone::Plain,
            &format!("no writes for {}", against(outage, "objective", plan.objectives.write_outage)),
        )?;
    }
    let loss = words::loss(plan.loss_now);
    let rpo = plan.objectives.rpo.map_or(String::new(), |r| format!(" (RPO {r})"));
    text.line(2, Tone::Plain, &format!("an emergency now would lose {loss}{rpo}"))
}

/// `8m of RTO 1h`, or `2h, over the RTO of 1h`.
fn against(span: Span, name: &str, limit: Option<Span>) -> String {
    match limit {
        Some(limit) if span > limit => format!("{}, over the {name} of {limit}", short(span)),
        Some(limit) => format!("{} of {name} {limit}", short(span)),
        None => short(span).to_string(),
    }
}

#[cfg(test)]
mod tests;
