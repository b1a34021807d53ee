use super::*;
use crate::view::sample;

fn shown(plan: &Plan, width: usize) -> String {
    let mut out = vec![];
    human(plan, &Page::plain(width), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plan_says_what_it_would_do() {
    insta::assert_snapshot!(shown(&sample::plan(), 100), @r"
    planned failover of storefront
      ohio (us-east-2) -> oregon (us-west-2)
      promised: RTO 1h, RPO 1m, write outage 20m
      storefront.yaml, sha256 3f9a0c57d2e1..

    parameters
      crew = night

    as seen at 2026-11-21T03:12:00Z
      database orders at oregon  absent
      group web at ohio          unknown: no answer within 3s

    wave 1
      declare  confirm at oregon; read, about 30s, at most 5m
        asks  Move storefront from ohio to oregon? (silence for 15m is a no and ends the run; unattended
              it goes on)

    wave 2
      freeze  freeze-writes of orders at ohio; disruptive, about 30s, at most 5m; holds at most 5m, then
              is undone
        orders-ohio: default_transaction_read_only off -> on
          rds:ModifyDBParameterGroup in us-east-2
        asks  whether to go on past a site that answers unfrozen

    wave 3
      drained  wait-for-replication of orders at oregon; read, about 30s, at most 5m
        assumes  orders at oregon has replayed all of ohio's log, typically after 20s
        unknown  the log position of orders at ohio: no answer within 3s

    wave 4
      promote  promote-replica of orders at oregon; irreversible, about 8m, at most 20m
        orders: replica of orders -> writer, backups kept 7 d
          rds:PromoteReadReplica in us-west-2

    wave 5
      moved  verify-dns of www at oregon; read, about 30s, at most 5m; with it service is restored

    finally, however the run ends
      allow_deploys  exec of orders at oregon; safe, about 30s, at most 5m
        nothing left to change

    left out
      ready (not in this mode)

    cannot be undone; asked for once, at the start
      promote  orders: replica of orders -> writer, backups kept 7 d

    cautions
      promote  orders at oregon keeps no backups until it is promoted

    in all
      2 changes to send
      critical path 9m10s of RTO 1h, people's time aside: freeze > drained > promote
      no writes for 9m of objective 20m
      an emergency now would lose an unknown part of the last writes (RPO 1m)
    ");
}

#[test]
fn sixty_columns_are_enough() {
    let text = shown(&sample::plan(), 60);
    assert!(text.lines().all(|l| l.len() <= 60), "{text}");
    insta::assert_snapshot!(text, @r"
    planned failover of storefront
      ohio (us-east-2) -> oregon (us-west-2)
      promised: RTO 1h, RPO 1m, write outage 20m
      storefront.yaml, sha256 3f9a0c57d2e1..

    parameters
      crew = night

    as seen at 2026-11-21T03:12:00Z
      database orders at oregon  absent
      group web at ohio          unknown: no answer within 3s

    wave 1
      declare  confirm at oregon; read, about 30s, at most 5m
        asks  Move storefront from ohio to oregon? (silence for
              15m is a no and ends the run; unattended it goes
              on)

    wave 2
      freeze  freeze-writes of orders at ohio; disruptive, about
              30s, at most 5m; holds at most 5m, then is undone
        orders-ohio: default_transaction_read_only off -> on
          rds:ModifyDBParameterGroup in us-east-2
        asks  whether to go on past a site that answers unfrozen

    wave 3
      drained  wait-for-replication of orders at oregon; read,
               about 30s, at most 5m
        assumes  orders at oregon has replayed all of ohio's
                 log, typically after 20s
        unknown  the log position of orders at ohio: no answer
                 within 3s

    wave 4
      promote  promote-replica of orders at oregon;
               irreversible, about 8m, at most 20m
        orders: replica of orders -> writer, backups kept 7 d
          rds:PromoteReadReplica in us-west-2

    wave 5
      moved  verify-dns of www at oregon; read, about 30s, at
             most 5m; with it service is restored

    finally, however the run ends
      allow_deploys  exec of orders at oregon; safe, about 30s,
                     at most 5m
        nothing left to change

    left out
      ready (not in this mode)

    cannot be undone; asked for once, at the start
      promote  orders: replica of orders -> writer, backups kept
               7 d

    cautions
      promote  orders at oregon keeps no backups until it is
               promoted

    in all
      2 changes to send
      critical path 9m10s of RTO 1h, people's time aside: freeze
        > drained > promote
      no writes for 9m of objective 20m
      an emergency now would lose an unknown part of the last
        writes (RPO 1m)
    ");
}

#[test]
fn colour_adds_nothing() {
    let mut out = vec![];
    human(&sample::plan(), &Page { colour: true, ..Page::plain(60) }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(console::strip_ansi_codes(&text), shown(&sample::plan(), 60));
}

#[test]
fn a_plan_that_cannot_work_says_why_and_what_to_do() {
    let mut plan = sample::plan();
    let promote = &mut plan.steps[3].prediction;
    promote.effects.clear();
    promote.stuck = Some(("orders waits for a reboot".into(), "reboot it, then resume".into()));
    let text = shown(&plan, 80);
    assert!(text.contains("    stuck  orders waits for a reboot\n    hint  reboot it, then resume\n"), "{text}");
}

#[test]
fn programs_get_everything() {
    let value = json(&sample::plan());
    assert_eq!(value["type"], "plan");
    assert_eq!(value["irreversible"], json!(["promote"]));
    assert_eq!(value["calls"][1]["call"]["operation"], "PromoteReadReplica");
    assert_eq!(value["steps"].as_array().unwrap().len(), 6);
    let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join(" "), @"calls cautions changes_nothing critical_path digest direction ends file finally folder incident irreversible loss_now made_at mode objectives observed parameters refused resources run runbook schema sites steps type write_outage");
}
