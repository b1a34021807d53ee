//! The proxy's own behaviour, in front of a tiny server.

use super::{Fault, Proxy, Rule};
use crate::{
    http::{self, Message},
    web::Web,
};
use serde_json::json;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// A server that counts what reaches it, and a proxy in front.
struct Bench {
    _web: Web,
    reached: Arc<AtomicU32>,
    proxy: Proxy,
}

fn bench() -> Bench {
    let reached = Arc::new(AtomicU32::new(0));
    let counter = reached.clone();
    let web = Web::start(move |_| (200, json!({ "number": counter.fetch_add(1, Ordering::SeqCst) + 1 })));
    let proxy = Proxy::before(web.url().trim_start_matches("http://").parse().unwrap());
    Bench { _web: web, reached, proxy }
}

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=AKIA/20260101/REGION/SERVICE/aws4_request, SignedHeaders=host, Signature=0";

fn request(first: &str, scope: (&str, &str), headers: &[(&str, &str)], body: &str) -> Message {
    let signed = SIGNED.replace("SERVICE", scope.0).replace("REGION", scope.1);
    let mut all = vec![("Authorization".to_owned(), signed)];
    all.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    Message { first: format!("{first} HTTP/1.1"), headers: all, body: body.into() }
}

fn query(operation: &str, region: &str) -> Message {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    request("POST /", ("rds", region), &form, &format!("Action={operation}&DBInstanceIdentifier=orders"))
}

impl Bench {
    fn send(&self, message: &Message) -> io::Result<Message> {
        http::send(self.proxy.address, message)
    }
    fn reached(&self) -> u32 {
        self.reached.load(Ordering::SeqCst)
    }
}

#[test]
fn every_protocol_is_told_apart() {
    let bench = bench();
    bench.proxy.header("x-moto-account-id", "111122223333");
    let json = [("X-Amz-Target", "secretsmanager.GetSecretValue")];
    let cbor = [("smithy-protocol", "rpc-v2-cbor")];
    let path = "POST /service/GraniteServiceVersion20100801/operation/GetMetricData";
    let zone = "/2013-04-01/hostedzone/Z1";
    for message in [
        query("PromoteReadReplica", "us-west-2"),
        request("POST /", ("secretsmanager", "us-west-2"), &json, "{}"),
        request(path, ("monitoring", "us-west-2"), &cbor, ""),
        request(&format!("POST {zone}/rrset/"), ("route53", "us-east-1"), &[], "<x/>"),
        request(&format!("GET {zone}/rrset?name=a"), ("route53", "us-east-1"), &[], ""),
        request("GET /2013-04-01/change/C1", ("route53", "us-east-1"), &[], ""),
        request(&format!("GET {zone}"), ("route53", "us-east-1"), &[], ""),
    ] {
        assert_eq!(bench.send(&message).unwrap().status(), 200);
    }
    let calls = bench.proxy.calls();
    let told: Vec<_> = calls.iter().map(|c| (c.service.as_str(), c.operation.as_str(), c.changes)).collect();
    assert_eq!(
        told,
        [
            ("rds", "PromoteReadReplica", true),
            ("secretsmanager", "GetSecretValue", false),
            ("monitoring", "GetMetricData", false),
            ("route53", "ChangeResourceRecordSets", true),
            ("route53", "ListResourceRecordSets", false),
            ("route53", "GetChange", false),
            ("route53", "GetHostedZone", false),
        ]
    );
    assert!(calls.iter().all(|call| call.account == "111122223333" && call.fault.is_none()));
    assert_eq!((calls[0].region.as_str(), calls[4].parameters.as_str()), ("us-west-2", "name=a"));
}

#[test]
fn a_rule_hits_what_it_names_after_some_and_so_many_times() {
    let bench = bench();
    bench.proxy.spoil(Rule::on("RebootDBInstance", Fault::Delay(Duration::from_millis(1))));
    assert_eq!(bench.send(&query("RebootDBInstance", "us-east-2")).unwrap().status(), 200);
    bench.proxy.mend();
    bench.reached.store(0, Ordering::SeqCst);
    bench.proxy.spoil(Rule::on("PromoteReadReplica", Fault::Page(503)).at("us-west-2").skip(1).times(1));
    let statuses = ["us-west-2", "us-east-2", "us-west-2", "us-west-2"]
        .map(|region| bench.send(&query("PromoteReadReplica", region)).unwrap().status());
    assert_eq!((statuses, bench.reached()), ([200, 200, 503, 200], 3));
    bench.proxy.spoil(Rule::service("rds", Fault::Page(500)).containing("=orders"));
    assert_eq!(bench.send(&query("RebootDBInstance", "us-west-2")).unwrap().status(), 500);
    bench.proxy.mend();
    assert_eq!(bench.send(&query("RebootDBInstance", "us-west-2")).unwrap().status(), 200);
}

#[test]
fn refusals_come_in_the_words_of_the_protocol_and_reach_no_server() {
    let bench = bench();
    let json = request("POST /", ("secretsmanager", "us-west-2"), &[("X-Amz-Target", "s.GetSecretValue")], "{}");
    let cbor = request("POST /a/GetMetricData", ("monitoring", "x"), &[("smithy-protocol", "rpc-v2-cbor")], "");
    bench.proxy.spoil(Rule::service("rds", Fault::Throttle).times(1));
    bench.proxy.spoil(Rule::service("rds", Fault::Error(503, "ServiceUnavailable")));
    bench.proxy.spoil(Rule::service("secretsmanager", Fault::AccessDenied));
    bench.proxy.spoil(Rule::service("monitoring", Fault::Throttle));
    let said = [query("A", "x"), query("A", "x"), json, cbor].map(|m| {
        let answer = bench.send(&m).unwrap();
        (answer.status(), answer.text())
    });
    let codes = ["<Code>Throttling<", "<Code>ServiceUnavailable<", "\"AccessDeniedException\"", "ThrottlingException"];
    for ((status, body), (code, expected)) in said.into_iter().zip(codes.into_iter().zip([400, 503, 400, 400])) {
        assert!(status == expected && body.contains(code), "{status} {body}");
    }
    assert_eq!(bench.reached(), 0);
}

#[test]
fn connections_end_before_after_and_in_the_middle() {
    let bench = bench();
    let fails = |fault, reached| {
        bench.proxy.mend();
        bench.proxy.spoil(Rule::on("A", fault));
        let error = bench.send(&query("A", "x")).unwrap_err();
        assert_eq!(bench.reached(), reached);
        error.kind()
    };
    assert_eq!(fails(Fault::ResetBefore, 0), ErrorKind::ConnectionReset);
    assert_eq!(fails(Fault::ResetAfter, 1), ErrorKind::ConnectionReset);
    assert_eq!(fails(Fault::CutAfter(20), 2), ErrorKind::UnexpectedEof);
}

#[test]
fn who_hangs_is_let_go_without_an_answer() {
    let bench = bench();
    bench.proxy.spoil(Rule::region_gone("us-east-2"));
    bench.proxy.spoil(Rule::on("B", Fault::HangAfter));
    let ends = Mutex::new(vec![]);
    thread::scope(|scope| {
        for message in [query("A", "us-east-2"), query("B", "us-west-2")] {
            let (bench, ends) = (&bench, &ends);
            scope.spawn(move || {
                let end = bench.send(&message).unwrap_err().kind();
                ends.lock().unwrap().push(end);
            });
        }
        bench.proxy.await_calls("A", 1);
        bench.proxy.await_calls("B", 1);
        assert_eq!(bench.send(&query("A", "us-west-2")).unwrap().status(), 200, "another Region answers meanwhile");
        bench.proxy.release();
    });
    assert_eq!(*ends.lock().unwrap(), [ErrorKind::UnexpectedEof; 2]);
    assert_eq!(bench.reached(), 2);
}

#[test]
fn a_connection_serves_call_after_call() {
    let bench = bench();
    let mut client = TcpStream::connect(bench.proxy.address).unwrap();
    for number in 1..=3 {
        client.write_all(&query("A", "x").bytes("keep-alive")).unwrap();
        let answer = Message::read(&mut client).unwrap().unwrap();
        assert_eq!(answer.text(), json!({ "number": number }).to_string());
    }
    drop(bench);
    client.write_all(&query("A", "x").bytes("keep-alive")).unwrap();
    let mut rest = vec![];
    assert!(client.read_to_end(&mut rest).is_err() || rest.is_empty(), "nobody is behind it any more");
}
