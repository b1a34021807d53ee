//! A name server: answers for the double's zone as Route 53's own servers would, by the weights as they are.

use crate::witness::Witness;
use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, rdata},
};
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Answers over UDP until it is dropped.
pub struct NameServer {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl NameServer {
    /// The server of a zone of an account.
    pub fn of(account: &str, zone: &str) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (over, witness, zone) = (ended.clone(), Witness::of(account), zone.to_owned());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut bytes) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // Who asked may have gone meanwhile.
                drop(socket.send_to(&reply(&witness, &zone, &bytes[..length]), client));
            }
        });
        Self { address, ended }
    }

    /// Where it answers.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that receives.
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(|socket| socket.send_to(&[], self.address)));
    }
}

/// The heaviest set of the name; none where all weigh nothing.
fn reply(witness: &Witness, zone: &str, asked: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(asked).unwrap();
    let name = message.queries[0].name().clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.authoritative = true;
    let sets = witness.records(zone, name.to_ascii().trim_end_matches('.'));
    let weight = |set: &serde_json::Value| set["Weight"].as_u64().unwrap_or(0);
    match sets.into_values().filter(|set| weight(set) > 0).max_by_key(weight) {
        None => message.metadata.response_code = ResponseCode::NXDomain,
        Some(set) => {
            let ttl = u32::try_from(set["TTL"].as_u64().unwrap()).unwrap();
            for record in set["ResourceRecords"].as_array().unwrap() {
                let address = rdata::A(record["Value"].as_str().unwrap().parse().unwrap());
                message.add_answer(Record::from_rdata(name.clone(), ttl, RData::A(address)));
            }
        }
    }
    message.to_vec().unwrap()
}
