//! Replication lag, from CloudWatch.

use super::{errors::Failed, eyes::Place};
use crate::{
    clock::{Span, Timestamp},
    driver::LookError,
    world::{
        Seen, What,
        rds::{Lag, LagSample},
    },
};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use std::collections::BTreeMap;

/// How far back samples are asked for: an incident is seldom older when somebody first asks.
const WINDOW: Span = Span::hours(3);

/// A request takes no more queries (GetMetricData).
const AT_ONCE: usize = 500;

/// The lag of all that were asked for, by one request.
///
/// `ReplicaLag` is published in the replica's Region in seconds, -1 where replication does not run.
/// `OldestReplicationSlotLag` is published in the source's Region, in bytes: of it only "nothing"
/// means something here (RDS user guide, CloudWatch metrics).
pub(super) async fn lags(place: &Place<'_>, asked: &[&What]) -> Result<BTreeMap<What, Lag>, LookError> {
    let mut lags: BTreeMap<What, Lag> = asked.iter().map(|what| ((*what).clone(), Lag::default())).collect();
    for some in asked.chunks(AT_ONCE) {
        add(&mut lags, place, some).await?;
    }
    place.answered("cloudwatch");
    lags.values_mut().for_each(|lag| lag.samples.sort_by_key(|s| s.at));
    Ok(lags)
}

async fn add(lags: &mut BTreeMap<What, Lag>, place: &Place<'_>, asked: &[&What]) -> Result<(), LookError> {
    let queries = asked.iter().enumerate().filter_map(|(n, what)| query(n, what)).collect();
    let now = Timestamp::wall();
    let second = |t: Timestamp| aws_sdk_cloudwatch::primitives::DateTime::from_millis(t.0);
    place.turn("cloudwatch").await;
    let mut pages = place
        .clients
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(second(now - WINDOW))
        .end_time(second(now + Span::mins(1)))
        .scan_by(ScanBy::TimestampAscending)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| place.failed("cloudwatch", Failed::of(&e)))?;
        for result in page.metric_data_results() {
            let what =
                result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok()).and_then(|n| asked.get(n));
            let Some(lag) = what.and_then(|what| lags.get_mut(*what)) else { continue };
            lag.samples.extend(result.timestamps().iter().zip(result.values()).filter_map(|(at, value)| {
                Some(LagSample { at: Timestamp(at.to_millis().ok()?), seconds: (*value >= 0.0).then_some(*value) })
            }));
        }
    }
    Ok(())
}

/// What was asked of the lags.
pub(super) fn answer(what: &What, all: &BTreeMap<What, Lag>) -> Seen {
    Seen::Lag(all.get(what).cloned().unwrap_or_default())
}

fn query(n: usize, what: &What) -> Option<MetricDataQuery> {
    let (metric, instance) = match what {
        What::Lag(id) => ("ReplicaLag", id),
        What::SlotLag(id) => ("OldestReplicationSlotLag", id),
        _ => return None,
    };
    let metric = Metric::builder()
        .namespace("AWS/RDS")
        .metric_name(metric)
        .dimensions(Dimension::builder().name("DBInstanceIdentifier").value(instance).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    Some(MetricDataQuery::builder().id(format!("m{n}")).metric_stat(stat).return_data(true).build())
}
