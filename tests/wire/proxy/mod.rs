//! The proxy in front of the double: tells every call apart (`call`), writes it down, and spoils those
//! that a rule names (`fault`).
//!
//! Connections to clients stay open between calls. Nothing is random, and nothing waits for time
//! but [`Fault::Delay`]: who hangs, hangs until [`Proxy::release`] or the end of the proxy.

mod call;
mod fault;
mod tests;

pub use call::Call;
pub use fault::{Fault, Rule};

use crate::http::{self, Message};
use fault::Spoiled;
use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// A proxy of one test.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    /// Told when something in `state` changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Added to each request that is passed on.
    headers: Vec<(String, String)>,
    rules: Vec<Rule>,
    meanwhile: Vec<(String, Deed)>,
    calls: Vec<Call>,
    /// How often those who hang were let go.
    released: u64,
    ended: bool,
}

/// What somebody else does.
type Deed = Box<dyn FnOnce() + Send>;

impl Proxy {
    /// A test that waits that long for a call waits for ever.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A proxy in front of a server.
    pub fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream, state: Mutex::default(), changed: Condvar::new() });
        let serving = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.state().ended {
                    return;
                }
                let serving = serving.clone();
                // A client that goes away in the middle is what some tests are about.
                thread::spawn(move || serving.serve(client));
            }
        });
        Self { address, shared }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives every request from now on a header, in place of the one it had.
    pub fn header(&self, name: &str, value: &str) {
        let mut state = self.shared.state();
        state.headers.retain(|(n, _)| n != name);
        state.headers.push((name.into(), value.into()));
    }

    /// Spoils calls; where several rules fit, the one that was given first and still counts.
    pub fn spoil(&self, rule: Rule) {
        self.shared.state().rules.push(rule);
    }

    /// Spoils nothing more, and lets go who hangs.
    pub fn mend(&self) {
        self.shared.state().rules.clear();
        self.release();
    }

    /// Lets somebody else act while the next call of an operation is under way, before it is answered.
    pub fn meanwhile(&self, operation: &str, deed: impl FnOnce() + Send + 'static) {
        self.shared.state().meanwhile.push((operation.into(), Box::new(deed)));
    }

    /// Lets go who hangs: their connections end without an answer.
    pub fn release(&self) {
        self.shared.state().released += 1;
        self.shared.changed.notify_all();
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The calls of an operation.
    pub fn calls_of(&self, operation: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.operation == operation).collect()
    }

    /// The calls that change something.
    pub fn changes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.changes).collect()
    }

    /// Forgets the calls so far: a test's own preparations.
    pub fn forget(&self) {
        self.shared.state().calls.clear();
    }

    /// Waits until so many calls of an operation have arrived. Blocks its thread.
    pub fn await_calls(&self, operation: &str, count: usize) {
        let fewer = |state: &mut State| state.calls.iter().filter(|c| c.operation == operation).count() < count;
        let (state, late) = self.shared.changed.wait_timeout_while(self.shared.state(), Self::PATIENCE, fewer).unwrap();
        let calls = state.calls.clone();
        drop(state);
        assert!(!late.timed_out(), "{operation} was not called {count} times, only: {calls:#?}");
    }

    /// The same, for a test that must go on meanwhile.
    pub async fn arrived(self: &Arc<Self>, operation: &'static str, count: usize) {
        let proxy = self.clone();
        tokio::task::spawn_blocking(move || proxy.await_calls(operation, count)).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One client, call after call.
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        while let Some(mut request) = Message::read(&mut client)? {
            let (fault, since) = self.note(&mut request);
            let spoiled = fault::spoil(self, &request, fault, since)?;
            self.meanwhile(&request);
            match spoiled {
                Spoiled::Not(answer) => client.write_all(&answer.bytes("keep-alive"))?,
                Spoiled::Cut(answer, length) => {
                    let bytes = answer.bytes("keep-alive");
                    return client.write_all(&bytes[..length.min(bytes.len())]);
                }
                Spoiled::Reset => {
                    return rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).map_err(Into::into);
                }
                Spoiled::Closed => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes a call down, and tells what is to become of it, and how often those who hang had been let go.
    fn note(&self, request: &mut Message) -> (Option<Fault>, u64) {
        let mut state = self.state();
        for (name, value) in state.headers.clone() {
            request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            request.headers.push((name, value));
        }
        let mut call = Call::of(request);
        call.fault = state.rules.iter_mut().find(|rule| rule.fits(&call)).and_then(Rule::strike);
        let noted = (call.fault.clone(), state.released);
        state.calls.push(call);
        drop(state);
        self.changed.notify_all();
        noted
    }

    fn forward(&self, request: &Message) -> io::Result<Message> {
        http::send(self.upstream, request)
    }

    /// Whoever waited for a call like this acts now.
    fn meanwhile(&self, request: &Message) {
        let operation = Call::of(request).operation;
        let deed = {
            let mut state = self.state();
            let found = state.meanwhile.iter().position(|(on, _)| *on == operation);
            found.map(|at| state.meanwhile.remove(at).1)
        };
        if let Some(deed) = deed {
            deed();
        }
    }

    /// Returns when those who hang are let go once more.
    fn hang(&self, since: u64) {
        drop(self.changed.wait_while(self.state(), |s| s.released == since && !s.ended));
    }
}
