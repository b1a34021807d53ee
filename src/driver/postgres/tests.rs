//! Against real servers.

mod server;

use super::{
    Databases, LONG, LookError, QUICK, Reach, SendError, Tls,
    checks::sum,
    session::{Failed, Session},
};
use crate::world::{
    Receipt, Seen,
    probe::{self, Answer},
    rds::Position,
};
use server::{Server, certificates, programs};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const EMPTY: &[&str] = &[];

async fn session(at: &Reach) -> Session {
    Session::open(at, QUICK).await.unwrap()
}

async fn position(at: &Reach) -> Position {
    match Databases.position(at).await {
        Ok(Seen::Position(position)) => position,
        other => panic!("{other:?}"),
    }
}

async fn check(probe: &probe::Sql, folder: &Path, here: &Reach, other: Option<&Reach>) -> Result<Answer, LookError> {
    match Databases.check(probe, folder, here, other).await? {
        Seen::Answer(answer) => Ok(answer),
        other => panic!("{other:?}"),
    }
}

fn probe(queries: &[&str], same_tables: &[&str]) -> probe::Sql {
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    probe::Sql { identifier: "orders".into(), queries: texts(queries), same_tables: texts(same_tables), other: None }
}

async fn is(marker: &str, at: &Reach) -> bool {
    match Databases.marker(at, marker).await {
        Ok(Seen::Answer(answer)) => answer.ok,
        other => panic!("{other:?}"),
    }
}

/// Asks until it is so, as the engine does.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_mins(1);
    loop {
        match ask().await {
            Some(it) => return it,
            None => assert!(Instant::now() < limit, "not so within a minute: {what}"),
        }
    }
}

/// As the parameter group of the instance does it.
async fn freeze(at: &Reach) {
    session(at).await.run("alter system set default_transaction_read_only = on").await.unwrap();
    session(at).await.run("select pg_reload_conf()").await.unwrap();
    until("frozen", async || (!position(at).await.writable).then_some(())).await;
}

#[tokio::test]
async fn a_freeze_is_in_force_once_nobody_can_write_any_more() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    session(&at).await.run("create table orders (id int primary key)").await.unwrap();
    let [reader, writer, prepared] = [session(&at).await, session(&at).await, session(&at).await];
    reader.run("begin; select * from orders").await.unwrap();
    assert_eq!(position(&at).await.writing, 0);
    writer.run("begin; insert into orders values (1)").await.unwrap();
    prepared.run("begin; insert into orders values (2); prepare transaction 'two'").await.unwrap();
    let before = position(&at).await;
    assert!(before.writable && before.writing == 2, "{before:?}");

    freeze(&at).await;
    assert_eq!(position(&at).await.writing, 3, "who began before the freeze may still write");
    reader.run("insert into orders values (3); commit").await.expect("as it does here");
    writer.run("commit").await.unwrap();
    prepared.run("set default_transaction_read_only = off").await.unwrap();
    prepared.run("commit prepared 'two'").await.unwrap();
    reader.run("begin; select * from orders").await.unwrap();
    let after = position(&at).await;
    assert!(after.writing == 0 && after.lsn > before.lsn, "who begins after the freeze cannot write: {after:?}");

    let admin = session(&at).await;
    admin
        .run("begin read write; create role app; alter role app set default_transaction_read_only = off; commit")
        .await
        .unwrap();
    assert!(position(&at).await.writable, "one role may write again");
}

#[tokio::test]
async fn a_freeze_of_our_own_user_says_nothing_of_others() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    session(&at).await.run("alter role admin set default_transaction_read_only = on").await.unwrap();
    assert!(position(&at).await.writable);
}

#[tokio::test]
async fn who_may_not_see_the_others_gets_no_answer_and_no_zero() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    let admin = session(&at).await;
    admin.run("create role lifeboat login password 'correct horse'").await.unwrap();
    let ours = Reach { user: "lifeboat".into(), ..at.clone() };
    let why = "lifeboat may not see the transactions of others: run `grant pg_monitor to lifeboat`".to_owned();
    assert_eq!(Databases.position(&ours).await, Err(LookError::Permanent { why }));
    let connected = Databases.introduce(&ours).await.unwrap();
    assert_eq!((connected.sees_all, connected.encrypted, connected.replica), (false, at.tls != Tls::Disable, false));
    admin.run("grant pg_monitor to lifeboat").await.unwrap();
    assert!(Databases.introduce(&ours).await.unwrap().sees_all);
    admin.run("create table orders (id int); begin; insert into orders values (1)").await.unwrap();
    assert_eq!(position(&ours).await.writing, 1, "another user's transaction");
    admin.run("rollback").await.unwrap();
    let refused = Databases.write_marker(&ours, "m").await;
    if let Err(SendError::Refused { why }) = &refused {
        assert!(why.starts_with("permission denied"), "{why}");
    } else {
        assert!(refused.is_ok(), "before PostgreSQL 15 everybody may create tables: {refused:?}");
    }
}

#[tokio::test]
async fn what_was_confirmed_before_it_was_on_disk_is_before_the_position() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    let loose = session(&at).await;
    loose.run("create table orders (id int); set synchronous_commit = off").await.unwrap();
    for id in 0..20 {
        loose.run(&format!("insert into orders values ({id})")).await.unwrap();
        let end = loose.client.query_one("select (pg_current_wal_insert_lsn() - '0/0')::int8", &[]).await.unwrap();
        // The end in memory may lie behind the header of a page that is still empty.
        let end = end.get::<_, i64>(0).unsigned_abs() - 40;
        let lsn = position(&at).await.lsn;
        assert!(lsn >= end, "{lsn} is before {end}");
    }
}

#[tokio::test]
async fn a_replica_is_proven_drained_by_position_and_by_marker() {
    let Some(bin) = programs() else { return };
    let (source, marker) = (Server::start(&bin, EMPTY), "r1-drain");
    let replica = source.replica();
    let (at, there) = (source.reach(), replica.reach());
    session(&at).await.run("create table orders as select generate_series(1, 1000) as id").await.unwrap();
    assert!(!is(marker, &at).await && !is(marker, &there).await, "there is not even a table");
    freeze(&at).await;
    let end = position(&at).await;
    let caught_up = until("caught up", async || Some(position(&there).await).filter(|p| p.lsn >= end.lsn)).await;
    assert!(!caught_up.writable && caught_up.writing == 0, "{caught_up:?}");
    let copied = session(&there).await.client.query_one("select count(*) from orders", &[]).await.unwrap();
    assert_eq!(copied.get::<_, i64>(0), 1000);

    for _ in 0..2 {
        assert_eq!(
            Databases.write_marker(&at, marker).await,
            Ok(Receipt::default()),
            "past the freeze, again and again"
        );
    }
    assert!(is(marker, &at).await && !is("another", &at).await);
    until("marker replicated", async || is(marker, &there).await.then_some(())).await;
    let refused = Databases.write_marker(&there, "m").await;
    assert!(matches!(refused, Err(SendError::Refused { .. })), "a replica takes no writes: {refused:?}");
}

#[tokio::test]
async fn tables_are_compared_where_both_sites_see_the_same_transactions() {
    let Some(bin) = programs() else { return };
    let source = Server::start(&bin, EMPTY);
    let replica = source.replica();
    let (at, there) = (source.reach(), replica.reach());
    let folder = tempfile::tempdir().unwrap();
    let same = probe(&[], &["orders", "\"Odd name\""]);
    let writer = Session::open(&at, LONG).await.unwrap();
    let tables =
        "create table orders as select i as id, md5(i::text) as what, now() as at from generate_series(1, 500) i;
                  create table \"Odd name\" (a float8, b bytea); insert into \"Odd name\" values (0.1, 'x')";
    writer.run(tables).await.unwrap();
    // Sites differ in their settings; rows do not.
    session(&at).await.run("alter role admin set timezone = 'Asia/Tokyo'").await.unwrap();
    let equal = check(&same, folder.path(), &there, Some(&at)).await.unwrap();
    assert!(equal.ok && equal.why.starts_with("orders, \"Odd name\" equal on both sites"), "{equal:?}");
    assert!(check(&same, folder.path(), &at, Some(&there)).await.unwrap().ok, "asked from the other side");

    writer.run("begin; update orders set what = 'changed' where id = 7").await.unwrap();
    let open = check(&same, folder.path(), &there, Some(&at)).await;
    assert!(open.as_ref().is_ok_and(|answer| answer.ok), "what is under way is seen by neither: {open:?}");
    session(&at).await.run("insert into orders values (501)").await.unwrap();
    let outlived = check(&same, folder.path(), &there, Some(&at)).await;
    assert!(matches!(outlived, Err(LookError::Transient { .. })), "an older one is under way: {outlived:?}");
    writer.run("commit").await.unwrap();
    let wrote = check(&same, folder.path(), &there, Some(&at)).await;
    assert!(wrote.as_ref().is_ok_and(|answer| answer.ok), "{wrote:?}");

    let missing = check(&probe(&[], &["absent"]), folder.path(), &there, Some(&at)).await;
    assert!(matches!(missing, Err(LookError::Permanent { .. })), "{missing:?}");
    let alone = Server::start(&bin, EMPTY);
    let strangers = check(&same, folder.path(), &at, Some(&alone.reach())).await.unwrap();
    assert!(!strangers.ok && strangers.why.ends_with("neither database replicates from the other"), "{strangers:?}");
}

#[tokio::test]
async fn the_sum_of_a_table_depends_on_its_rows_and_not_on_their_order() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    let one = session(&at).await;
    one.run(
        "create table a as select i, i::text as t from generate_series(1, 100) i;
         create table b as select * from a order by i desc; create table c as select * from a;
         update c set t = 'other' where i = 50; create table d (i int); create table e as select * from a union all select * from a",
    )
    .await
    .unwrap();
    let (a, b) = (sum(&one, "a").await.unwrap(), sum(&one, "b").await.unwrap());
    assert_eq!(a, b);
    assert_ne!(a, sum(&one, "c").await.unwrap(), "one value of one row");
    assert_ne!(a, sum(&one, "e").await.unwrap(), "every row twice");
    assert_eq!(sum(&one, "d").await.unwrap(), (0, String::new()));
    assert!(matches!(sum(&one, "a; drop table a").await, Err(Failed::Sql(..))), "a name is a name");
}

#[tokio::test]
async fn every_row_that_a_query_returns_is_a_violation() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    session(&at).await.run("create table orders as select generate_series(1, 3) as id").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let asked = async |text: &str| {
        std::fs::write(folder.path().join("fine.sql"), "select 1 from orders where id < 0;\n").unwrap();
        std::fs::write(folder.path().join("it.sql"), text).unwrap();
        check(&probe(&["fine.sql", "it.sql"], &[]), folder.path(), &at, None).await.map(|answer| answer.why)
    };
    let fine = "no row violates the checks".to_owned();
    assert_eq!(asked("-- all is well\nselect id from orders where id > 3").await, Ok(fine));
    let two = asked("select id from orders where id > 2; select 1 from orders where id = 1").await;
    assert_eq!(two, Ok("2 rows violate it.sql".into()), "of all its statements");
    let wrong = asked("select absent from orders").await;
    let why = "it.sql: column \"absent\" does not exist".to_owned();
    assert_eq!(wrong, Err(LookError::Permanent { why }));
    assert!(asked("delete from orders").await.is_err(), "a check cannot write");
    assert!(asked("commit; delete from orders").await.is_err(), "not even so");
    let absent = check(&probe(&["absent.sql"], &[]), folder.path(), &at, None).await;
    assert!(matches!(absent, Err(LookError::Permanent { .. })), "{absent:?}");
}

#[tokio::test]
async fn a_connection_is_encrypted_and_verified_as_it_is_said() {
    let Some(bin) = programs() else { return };
    let files = certificates();
    let name = |name: &str| files.path().join(name);
    let ssl = [
        "ssl = on".to_owned(),
        format!("ssl_cert_file = '{}'", name("server.pem").display()),
        format!("ssl_key_file = '{}'", name("server.key").display()),
    ];
    let server = Server::start(&bin, &ssl.each_ref().map(String::as_str));
    let encrypted = async |host: &str, tls: Tls| {
        let at = Reach { host: host.into(), tls, ..server.reach() };
        let session = Session::open(&at, QUICK).await.map_err(Failed::look)?;
        let sql = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
        session.text(sql, &[]).await.map_err(Failed::look)
    };
    let (yes, no) = (Ok(Some("true".to_owned())), Ok(Some("false".to_owned())));
    assert_eq!(encrypted("127.0.0.1", Tls::Require).await, yes);
    assert_eq!(encrypted("127.0.0.1", Tls::Disable).await, no);
    assert_eq!(encrypted("localhost", Tls::VerifyFull(Some(name("ca.pem")))).await, yes);
    assert!(encrypted("127.0.0.1", Tls::VerifyFull(Some(name("ca.pem")))).await.is_err(), "another name");
    let nothing = encrypted("localhost", Tls::VerifyFull(Some(server.file("absent.pem")))).await;
    assert!(matches!(nothing, Err(LookError::Permanent { .. })), "{nothing:?}");
    let plain = Server::start(&bin, EMPTY);
    let bare = Databases.position(&Reach { tls: Tls::Require, ..plain.reach() }).await;
    assert!(bare.is_err(), "never without encryption where it is asked for: {bare:?}");
}

#[tokio::test]
async fn who_does_not_get_in_has_sent_nothing() {
    let Some(bin) = programs() else { return };
    let server = Server::start(&bin, EMPTY);
    let at = server.reach();
    let wrong = Reach { password: "wrong".into(), ..at.clone() };
    assert!(matches!(Databases.write_marker(&wrong, "m").await, Err(SendError::Refused { .. })));
    assert!(matches!(Databases.position(&wrong).await, Err(LookError::Permanent { .. })));
    assert!(!format!("{wrong:?}").contains("wrong"), "a password cannot be printed");
    let accepts = async |port| match Databases.connect("127.0.0.1", port).await {
        Ok(Seen::Answer(answer)) => (answer.ok, answer.why),
        other => panic!("{other:?}"),
    };
    assert_eq!(accepts(at.port).await, (true, "it accepts connections".into()));
    drop(server);
    assert_eq!(accepts(at.port).await, (false, "a connection is refused".into()));
    assert!(matches!(Databases.write_marker(&at, "m").await, Err(SendError::NotSent { .. })));
    assert!(matches!(Databases.position(&at).await, Err(LookError::Transient { .. })));
    let unknown = Databases.connect("no-such-host.invalid", 5432).await;
    assert!(
        matches!(unknown, Err(LookError::Transient { .. })),
        "a name that does not resolve proves nothing: {unknown:?}"
    );
}
