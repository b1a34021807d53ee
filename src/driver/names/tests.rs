//! Against name servers that the test is itself, on UDP and TCP.

use super::{LookError, Names, Wanted, plain};
use crate::world::{
    Seen,
    probe::{self, Answer},
};
use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{Name, RData, Record, rdata},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

/// How a server of ours answers.
#[derive(Clone)]
enum Says {
    /// These addresses.
    Addresses(Vec<&'static str>),
    /// Another name.
    Alias(&'static str),
    /// Over UDP only that it is too much; over TCP these addresses.
    Long(Vec<&'static str>),
    /// That the name does not exist.
    No,
    /// An error.
    Refuses,
}

fn reply(says: &Says, asked: &[u8], udp: bool) -> Vec<u8> {
    let mut message = Message::from_vec(asked).unwrap();
    assert!(!message.metadata.recursion_desired, "the zone's server is asked for what it knows itself");
    let name = message.queries[0].name().clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.authoritative = true;
    let mut add = |data: RData| {
        message.add_answer(Record::from_rdata(name.clone(), 60, data));
    };
    match says {
        Says::Long(_) if udp => message.metadata.truncation = true,
        Says::Addresses(all) | Says::Long(all) => {
            all.iter().for_each(|a| add(RData::A(rdata::A(a.parse().unwrap()))));
        }
        Says::Alias(to) => add(RData::CNAME(rdata::CNAME(Name::from_ascii(to).unwrap()))),
        Says::No => message.metadata.response_code = ResponseCode::NXDomain,
        Says::Refuses => message.metadata.response_code = ResponseCode::Refused,
    }
    message.to_vec().unwrap()
}

/// A server on both transports; counts what it is asked.
async fn server(says: Says) -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The same port may be taken for the other transport.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let at = tcp.local_addr().unwrap().to_string();
    let (counted, over_udp) = (count.clone(), says.clone());
    tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok((n, from)) = udp.recv_from(&mut bytes).await {
            counted.fetch_add(1, Ordering::SeqCst);
            udp.send_to(&reply(&over_udp, &bytes[..n], true), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut bytes = vec![0; length.into()];
            stream.read_exact(&mut bytes).await.unwrap();
            let reply = reply(&says, &bytes, false);
            stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    (at, count)
}

fn question(record_type: &str) -> probe::Dns {
    // Nobody's resolver knows a name under `.test` (RFC 6761).
    let name = "www.lifeboat.test".to_owned();
    probe::Dns { zone: "Z1".into(), name, record_type: record_type.into(), set_identifier: "oregon".into() }
}

async fn ask(servers: &[String], record_type: &str, wanted: &[&str]) -> Result<Answer, LookError> {
    let wanted = Wanted::Values(wanted.iter().map(ToString::to_string).collect());
    match Names.look(&question(record_type), servers, &wanted).await? {
        Seen::Answer(answer) => Ok(answer),
        other => panic!("{other:?}"),
    }
}

/// The part of the answer that the zone's servers gave.
fn zone(answer: &Answer) -> (bool, &str) {
    (answer.ok, answer.why.split("; this machine").next().unwrap())
}

const NEW: &str = "203.0.113.10";
const OLD: &str = "198.51.100.7";

#[tokio::test]
async fn all_servers_must_answer_the_values_and_nothing_else() {
    let (one, counted) = server(Says::Addresses(vec![NEW])).await;
    let (other, _) = server(Says::Addresses(vec![NEW])).await;
    let (old, _) = server(Says::Addresses(vec![OLD])).await;
    let (both, _) = server(Says::Addresses(vec![OLD, NEW])).await;
    let yes = ask(&[one.clone(), other.clone()], "A", &[NEW]).await.unwrap();
    assert_eq!(zone(&yes), (true, "all 2 name servers answer 203.0.113.10"));
    let no = ask(&[one.clone(), old.clone()], "A", &[NEW]).await.unwrap();
    assert_eq!(zone(&no), (false, format!("{old} answers {OLD}, not {NEW}").as_str()));
    assert!(!ask(&[one.clone(), both.clone()], "A", &[NEW]).await.unwrap().ok);
    assert!(ask(&[both], "A", &[NEW, OLD]).await.unwrap().ok, "the order does not matter");
    assert_eq!(counted.load(Ordering::SeqCst), 3, "asked anew each time: nothing is kept");
}

#[tokio::test]
async fn what_this_machine_resolves_is_told_and_decides_nothing() {
    let (one, _) = server(Says::Addresses(vec![NEW])).await;
    let answer = ask(&[one], "A", &[NEW]).await.unwrap();
    assert!(answer.ok && answer.why.contains("; this machine's resolver"), "{}", answer.why);
}

#[tokio::test]
async fn a_name_for_another_name_is_compared_without_dots_and_case() {
    let (one, _) = server(Says::Alias("lb.US-west-2.example.com.")).await;
    assert!(ask(&[one], "CNAME", &["LB.us-west-2.example.com"]).await.unwrap().ok);
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp() {
    let (one, _) = server(Says::Long(vec![NEW])).await;
    assert_eq!(zone(&ask(&[one], "A", &[NEW]).await.unwrap()), (true, "all 1 name servers answer 203.0.113.10"));
}

#[tokio::test]
async fn no_such_name_is_an_answer_and_silence_of_all_is_none() {
    let (no, _) = server(Says::No).await;
    let answer = ask(std::slice::from_ref(&no), "A", &[NEW]).await.unwrap();
    assert_eq!(zone(&answer), (false, format!("{no} answers nothing, not {NEW}").as_str()));
    let (refuses, _) = server(Says::Refuses).await;
    let (fine, _) = server(Says::Addresses(vec![NEW])).await;
    assert!(!ask(&[fine.clone(), refuses.clone()], "A", &[NEW]).await.unwrap().ok);
    let none = ask(&[refuses], "A", &[NEW]).await;
    assert!(matches!(none, Err(LookError::Transient { .. })), "{none:?}");
    // It takes what it is sent and never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent_at = silent.local_addr().unwrap().to_string();
    let half = ask(&[fine, silent_at.clone()], "A", &[NEW]).await.unwrap();
    assert!(!half.ok && half.why.starts_with(&format!("{silent_at}: ")), "{}", half.why);
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let (one, _) = server(Says::Addresses(vec![NEW])).await;
    assert!(matches!(ask(&[], "A", &[NEW]).await, Err(LookError::Permanent { .. })));
    assert!(matches!(ask(&[one], "NONSENSE", &[NEW]).await, Err(LookError::Permanent { .. })));
}

#[test]
fn values_have_one_form() {
    assert_eq!(plain("10 Mail.Example.com."), "10 mail.example.com");
    assert_eq!(plain("2001:DB8:0:0::1"), "2001:db8::1");
    assert_eq!(plain("\"v=spf1 -all\""), "v=spf1 -all");
}
