//! The AWS double of this process: one for all tests, each in an account of its own.

use crate::{
    environment,
    http::{self, Message},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A double. Its stdin is a pipe of ours, so that it ends with this process however that ends.
pub struct Double {
    process: Child,
    address: SocketAddr,
}

/// The Python of the environment that `tests/run` makes, about to run a script of the tests.
pub fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python: PathBuf = root.join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run `tests/run` once, it makes it", python.display());
    let mut command = Command::new(python);
    environment::give(&mut command).arg(root.join("tests").join(script)).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Double {
    /// Real seconds that a second of AWS takes.
    const SCALE: &str = "0.01";

    /// The one of all tests.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Double> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Self::SCALE))
    }

    /// One of its own.
    pub fn start(scale: &str) -> Self {
        let mut process = python("double").args(["--port", "0", "--scale", scale]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("double: ready on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| {
            panic!("the double did not start (it said {line:?}): run `tests/run`, it installs what it needs")
        });
        Self { process, address }
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An account that no other test has.
    pub fn fresh_account() -> String {
        static LAST: AtomicU64 = AtomicU64::new(100_000_000_000);
        (LAST.fetch_add(1, Ordering::SeqCst) + 1).to_string()
    }

    /// A call of its control API (`tests/double/README.md`).
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = Message { first: format!("{method} /double/{path} HTTP/1.1"), ..Message::default() };
        request.headers.push(("Host".into(), self.address.to_string()));
        request.body = body.to_string().into_bytes();
        let answer = http::send(self.address, &request).unwrap();
        assert_eq!(answer.status(), 200, "{method} {path} {body}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The changing calls of an account, as the server saw them, in order.
    pub fn calls(&self, account: &str) -> Vec<Value> {
        let all = self.control("GET", "calls", &Value::Null);
        all["calls"].as_array().unwrap().iter().filter(|call| call["account"] == account).cloned().collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
