//! A little web server: the workload, as far as probes see it.

use crate::http::Message;
use serde_json::Value;
use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Answers GET requests until it is dropped.
pub struct Web {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl Web {
    /// Answers each path with a status and JSON.
    pub fn start(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, answer) = (Arc::new(AtomicBool::new(false)), Arc::new(answer));
        let over = ended.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten().take_while(|_| !over.load(Ordering::SeqCst)) {
                let answer = answer.clone();
                thread::spawn(move || serve(client, &*answer));
            }
        });
        Self { address, ended }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(mut client: TcpStream, answer: &dyn Fn(&str) -> (u16, Value)) -> io::Result<()> {
    while let Some(request) = Message::read(&mut client)? {
        let (status, body) = answer(request.target().1);
        client.write_all(&Message::answer(status, "application/json", body.to_string()).bytes("keep-alive"))?;
    }
    Ok(())
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}
