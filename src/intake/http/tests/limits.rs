//! What is too long, too slow or too much.

use super::*;
use crate::alarm::MOST_BYTES;
use tokio::{
    task::yield_now,
    time::{Instant, pause},
};

const HEAD_OF_SNS: &str = "POST /sns HTTP/1.1\r\nHost: lifeboat\r\n";

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    let house = house().await;
    let answer = house.ask(&format!("{HEAD_OF_SNS}Content-Length: 10000000\r\n\r\n")).await;
    assert_eq!(status(&answer), "413");
    assert_eq!(house.refusals(), ["POST /sns 413: its body is longer than 256 KiB"]);
}

#[tokio::test]
async fn a_body_that_does_not_say_so_is_read_to_the_limit() {
    let house = house().await;
    let mut stream = knock(house.at, &format!("{HEAD_OF_SNS}Transfer-Encoding: chunked\r\n\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    // The door closes at some time while ten megabytes are on their way.
    while sent < 160 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1;
    }
    assert_eq!(status(&hear(stream).await), "413");
    assert_eq!(house.refusals(), ["POST /sns 413: its body is longer than 256 KiB"]);
}

#[tokio::test]
async fn a_body_of_just_that_length_is_read() {
    let house = house().await;
    assert_eq!(status(&house.ask(&post("/sns", "", &" ".repeat(MOST_BYTES))).await), "400");
    assert_eq!(status(&house.ask(&post("/sns", "", &" ".repeat(MOST_BYTES + 1))).await), "413");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_none() {
    let house = house().await;
    let mut stream = knock(house.at, &format!("{HEAD_OF_SNS}Content-Length: 100\r\n\r\n{{")).await;
    stream.shutdown().await.unwrap();
    hear(stream).await;
    assert_eq!(house.refusals(), ["POST /sns 400: its body broke off"]);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_waited_for_five_seconds() {
    let house = house().await;
    let (mut reads, mut writes) = knock(house.at, "P").await.into_split();
    pause();
    let start = Instant::now();
    let trickle = tokio::spawn(async move {
        for byte in b"OST /sns HTTP/1.1\r\n".iter().cycle() {
            if writes.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(700)).await;
        }
    });
    let _ = reads.read_to_end(&mut vec![]).await;
    trickle.abort();
    assert!(start.elapsed() < HEAD + Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(house.refusals(), [" 408: the head of its request did not come within 5s"]);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_waited_for_ten_seconds() {
    let house = house().await;
    let head = format!("{HEAD_OF_SNS}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n{{");
    let mut stream = knock(house.at, &head).await;
    stream.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).await.unwrap();
    pause();
    let start = Instant::now();
    assert_eq!(status(&hear(stream).await), "408");
    assert!(start.elapsed() < Duration::from_secs(11), "{:?}", start.elapsed());
    assert_eq!(house.refusals(), ["POST /sns 408: its body did not come within 10s"]);
}

#[tokio::test]
async fn a_guest_that_does_not_read_is_shown_out() {
    let flood = || "x".repeat(64 * 1024 * 1024);
    let house = house_where(|door| door.metrics = Arc::new(flood), true).await;
    let mut stream = knock(house.at, &get("/metrics")).await;
    stream.read_exact(&mut [0; 8]).await.unwrap();
    pause();
    sleep(WHOLE + Duration::from_secs(1)).await;
    assert_eq!(house.refusals(), [" 408: it did not read its answer within 45s"]);
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_for_one() {
    let mut house = house().await;
    let crowd: Vec<_> = (0..CONNECTIONS).map(|n| house.asking(sns(&n.to_string()))).collect();
    let mut arrivals = vec![];
    while arrivals.len() < CONNECTIONS {
        arrivals.push(house.arrivals.recv().await.unwrap());
    }
    let late = knock(house.at, &get("/health")).await;
    for _ in 0..1000 {
        yield_now().await;
    }
    assert!(late.try_read(&mut [0]).is_err(), "no place, no answer");
    arrivals.pop().unwrap().settled.send(true).unwrap();
    assert_eq!(status(&hear(late).await), "200");
    drop(arrivals);
    for guest in crowd {
        guest.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_bears_one_request() {
    let house = house().await;
    let answer = house.ask(&get("/health").repeat(3)).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_finished_and_nobody_else_comes_in() {
    let mut house = house().await;
    let answer = house.asking(sns("m-1"));
    let arrival = house.arrivals.recv().await.unwrap();
    let idle = knock(house.at, "").await;
    house.stop.send(()).unwrap();
    assert_eq!(hear(idle).await, "", "who has asked nothing is not waited for");
    assert!(TcpStream::connect(house.at).await.is_err());
    assert!(!house.served.is_finished());
    arrival.settled.send(true).unwrap();
    assert_eq!(status(&answer.await.unwrap()), "200");
    house.served.await.unwrap();
}

#[tokio::test]
async fn at_the_end_what_does_not_finish_is_left() {
    let mut house = house().await;
    let answer = house.asking(sns("m-1"));
    let arrival = house.arrivals.recv().await.unwrap();
    pause();
    let start = Instant::now();
    house.stop.send(()).unwrap();
    house.served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), LAST.as_secs());
    assert_eq!(answer.await.unwrap(), "");
    assert!(arrival.settled.is_closed(), "whoever decides can tell that nobody waits");
}
