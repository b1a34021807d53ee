//! Looks at alarms, by ARN: one describe a Region and account for up to a hundred of them.

use super::{
    errors::Failed,
    outposts::{Outposts, Spot},
    pace::{Lane, Urgency},
};
use crate::{clock::Timestamp, driver::LookError};
use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{AlarmType, CompositeAlarm, MetricAlarm, StateValue},
};
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// As many names one describe may have.
const AT_ONCE: usize = 100;

/// An alarm, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmSight {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Since when it is in that state: when it last changed, not when it was last set.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Whether it tells anybody when its state changes.
    pub actions_enabled: bool,
    /// Of a composite alarm: by what its actions are suppressed now, in CloudWatch's words.
    pub suppressed: Option<String>,
}

/// What came of looking at one alarm; none: there is no such alarm.
type Asked = Result<Option<AlarmSight>, LookError>;

impl Outposts {
    /// The alarms of these ARNs, metric and composite ones.
    pub async fn alarms(&self, arns: &[&str]) -> BTreeMap<String, Asked> {
        let mut seen = BTreeMap::new();
        let mut by_spot: BTreeMap<Spot, Vec<(&str, &str)>> = BTreeMap::new();
        for arn in arns {
            let parsed = Spot::of_arn(arn, "cloudwatch");
            match parsed.and_then(|(spot, what)| Some((spot, what.strip_prefix("alarm:")?))) {
                Some((spot, name)) => by_spot.entry(spot).or_default().push((arn, name)),
                None => drop(seen.insert((*arn).to_owned(), Err(no_alarm(arn)))),
            }
        }
        let chunks = by_spot.iter().flat_map(|(spot, all)| all.chunks(AT_ONCE).map(move |some| (spot, some)));
        let looks = chunks.map(|(spot, some)| async move { (some, Box::pin(self.some_alarms(spot, some)).await) });
        for (some, found) in join_all(looks).await {
            let one = |arn: &str| found.as_ref().map(|found| found.get(arn).cloned()).map_err(Clone::clone);
            seen.extend(some.iter().map(|(arn, _)| ((*arn).to_owned(), one(arn))));
        }
        seen
    }

    /// Those of one Region and account that there are, by one describe.
    async fn some_alarms(
        &self,
        spot: &Spot,
        asked: &[(&str, &str)],
    ) -> Result<BTreeMap<String, AlarmSight>, LookError> {
        let outpost = self.at(spot).await;
        // DescribeAlarms has a limit of its own, far below that of metrics.
        let lane = Lane { site: outpost.site().name.clone(), service: "alarms" };
        self.pace.turn(&lane, Urgency::Look).await;
        let call = outpost.cloudwatch().describe_alarms().max_records(100);
        let mut pages = call
            .set_alarm_names(Some(asked.iter().map(|(_, name)| (*name).to_owned()).collect()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .into_paginator()
            .send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| {
                let failed = Failed::of(&e);
                let pause = self.pace.failed(&lane, &failed);
                failed.into_look(pause)
            })?;
            found.extend(page.metric_alarms().iter().filter_map(metric));
            found.extend(page.composite_alarms().iter().filter_map(composite));
        }
        self.pace.answered(&lane);
        Ok(found)
    }
}

fn no_alarm(arn: &str) -> LookError {
    LookError::Permanent { why: format!("{arn} is no ARN of an alarm") }
}

fn metric(alarm: &MetricAlarm) -> Option<(String, AlarmSight)> {
    let since = since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp());
    let sight = sight(alarm.state_value()?, since, alarm.state_reason(), alarm.actions_enabled());
    Some((alarm.alarm_arn()?.to_owned(), sight))
}

fn composite(alarm: &CompositeAlarm) -> Option<(String, AlarmSight)> {
    let since = since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp());
    let sight = sight(alarm.state_value()?, since, alarm.state_reason(), alarm.actions_enabled());
    let by =
        alarm.actions_suppressed_by().map(|by| alarm.actions_suppressed_reason().unwrap_or(by.as_str()).to_owned());
    Some((alarm.alarm_arn()?.to_owned(), AlarmSight { suppressed: by, ..sight }))
}

fn sight(state: &StateValue, since: Timestamp, reason: Option<&str>, enabled: Option<bool>) -> AlarmSight {
    AlarmSight {
        state: state.as_str().to_owned(),
        since,
        reason: reason.unwrap_or_default().to_owned(),
        actions_enabled: enabled.unwrap_or(false),
        suppressed: None,
    }
}

/// Where AWS does not say since when, it is since now: nothing has held for longer than is known.
fn since(transitioned: Option<&DateTime>, updated: Option<&DateTime>) -> Timestamp {
    let at = transitioned.or(updated).and_then(|at| at.to_millis().ok());
    at.map_or_else(Timestamp::wall, Timestamp)
}
