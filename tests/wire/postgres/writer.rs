//! The application: it writes as fast as it can, and knows what was confirmed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread::{self, JoinHandle},
};
use tokio::runtime;
use tokio_postgres::{Client, Config, NoTls};

/// Somebody who inserts numbered rows until it is refused.
pub(super) struct Writer {
    confirmed: Arc<AtomicI64>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<String>,
}

/// What it wrote.
pub(super) struct Written {
    /// Rows 1 to this were confirmed.
    pub(super) confirmed: i64,
    /// Why it ended.
    pub(super) end: String,
}

/// A session of the application's user.
pub(super) async fn connect(port: u16) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).dbname("orders").user("app");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Writer {
    /// Begins, and has written some rows when this returns.
    pub(super) fn start(port: u16) -> Self {
        let (confirmed, over) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (confirmed.clone(), over.clone());
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let Err(end) = runtime.block_on(write(port, &count, &stop)) else { return "nobody refused it".into() };
            end.as_db_error().map_or_else(|| end.to_string(), |error| error.message().to_owned())
        });
        while confirmed.load(Ordering::SeqCst) < 100 {
            assert!(!thread.is_finished(), "{}", thread.join().unwrap());
            thread::yield_now();
        }
        Self { confirmed, over, thread }
    }

    /// What it wrote until it was refused, which must have happened before.
    pub(super) fn end(self) -> Written {
        self.over.store(true, Ordering::SeqCst);
        let end = self.thread.join().unwrap();
        Written { confirmed: self.confirmed.load(Ordering::SeqCst), end }
    }
}

async fn write(port: u16, confirmed: &AtomicI64, over: &AtomicBool) -> Result<(), tokio_postgres::Error> {
    let client = connect(port).await?;
    let insert = client.prepare("insert into orders (id) values ($1)").await?;
    let mut id = 0_i64;
    while !over.load(Ordering::SeqCst) {
        id += 1;
        client.execute(&insert, &[&id]).await?;
        confirmed.store(id, Ordering::SeqCst);
    }
    Ok(())
}
