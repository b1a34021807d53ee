//! A PostgreSQL server of a test's own, from this machine's programs.

use crate::world::{HOME, STANDBY, Wire};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// The password of lifeboat's own user.
pub(super) const PASSWORD: &str = "correct horse";

/// What the databases hold: who may look, and what the application keeps.
const SCHEMA: &str = "
create role lifeboat login password 'correct horse';
grant pg_monitor to lifeboat;
create role app login;
grant create on schema public to lifeboat;
create table orders (id bigint primary key, total numeric not null default 1, created_at timestamptz not null default now());
create table payments (id bigint primary key, order_id bigint not null references orders, amount numeric not null);
grant select on orders, payments to lifeboat;
grant select, insert on orders, payments to app;";

/// Everybody in, but lifeboat with its password.
const WHO_MAY: &str = "host all lifeboat 127.0.0.1/32 scram-sha-256\nhost all,replication all 127.0.0.1/32 trust\n";

/// A running server; ended and removed when dropped.
pub(super) struct Server {
    /// Where it answers; clients of the instance go by the double's port.
    pub(super) port: u16,
    process: Child,
    home: TempDir,
}

/// A program's path; Debian keeps those of the server out of `PATH`.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = debian.chain(std::env::split_paths(&path)).map(|bin| bin.join(name));
    all.find(|file| file.exists()).unwrap_or_else(|| panic!("there is no {name}: run `tests/run`, it installs it"))
}

/// A program about to run as whoever may run a server, which root may not; it ends with this thread.
fn as_owner(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=INT");
    if rustix::process::getuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg(program(name)).env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A folder that the server may use.
pub(super) fn folder() -> TempDir {
    let open = fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("lifeboat-pg").permissions(open).tempdir().unwrap();
    if rustix::process::getuid().is_root() {
        run(Command::new("chown").arg("postgres:postgres").arg(folder.path()));
    }
    folder
}

/// A port that is free when asked for; a server that finds it taken says so.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// A new one with the application's tables, and encryption by a certificate of its own.
    pub(super) fn new() -> Self {
        let home = folder();
        let data = home.path().join("data");
        run(as_owner("initdb").args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(&data));
        let certificate = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=orders";
        let mut openssl = as_owner("openssl");
        openssl.args(certificate.split(' ')).arg("-keyout").arg(data.join("server.key"));
        run(openssl.arg("-out").arg(data.join("server.crt")));
        let settings =
            "ssl = on\nfsync = off\nautovacuum = off\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n";
        append(&data.join("postgresql.conf"), settings);
        fs::write(data.join("pg_hba.conf"), WHO_MAY).unwrap();
        let server = Self::start(home);
        server.ask_in("postgres", "create database orders").unwrap();
        server.ask(SCHEMA).unwrap();
        server
    }

    /// One that replicates from this one.
    pub(super) fn replica(&self) -> Self {
        let home = folder();
        let mut copy = as_owner("pg_basebackup");
        copy.args(["-R", "-c", "fast", "-X", "stream", "-h", "127.0.0.1", "-U", "postgres", "-p"]);
        run(copy.arg(self.port.to_string()).arg("-D").arg(home.path().join("data")));
        Self::start(home)
    }

    fn start(home: TempDir) -> Self {
        let port = free_port();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let mut command = as_owner("postgres");
        command.arg("-D").arg(home.path().join("data")).args(["-p", &port.to_string()]);
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut server = Self { port, process, home };
        while server.ask_in("postgres", "select 1").is_err() {
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!("{status}: {}", fs::read_to_string(server.home.path().join("log")).unwrap());
            }
        }
        server
    }

    /// What the last of these statements gives, from within: past the double.
    pub(super) fn ask(&self, sql: &str) -> Result<String, String> {
        self.ask_in("orders", sql)
    }

    fn ask_in(&self, database: &str, sql: &str) -> Result<String, String> {
        ask(self.port, database, sql)
    }

    /// Puts it behind an instance of the runbook's name; where clients reach it.
    pub(super) fn behind(&self, wire: &Wire, site: (&str, &str)) -> u16 {
        let asked = json!({ "region": site.1, "id": "orders", "port": self.port, "quarantine_security_groups": [quarantine(site)] });
        u16::try_from(wire.control("postgres/bind", asked)["Port"].as_u64().unwrap()).unwrap()
    }
}

/// The group that lets nobody in at a site.
pub(super) fn quarantine(site: (&str, &str)) -> String {
    format!("sg-closed-{}", site.0)
}

/// What the last of these statements gives at a port of this machine.
pub(super) fn ask(port: u16, database: &str, sql: &str) -> Result<String, String> {
    let mut psql = Command::new(program("psql"));
    psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
    psql.args(["-d", database, "-c", sql]).env("PGSSLMODE", "disable").env("LC_ALL", "C").stdin(Stdio::null());
    let done = psql.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

fn append(file: &Path, text: &str) {
    let before = fs::read_to_string(file).unwrap();
    fs::write(file, before + text).unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once: nothing of it is kept.
        let _ = kill_process(Pid::from_child(&self.process), Signal::QUIT);
        let _ = self.process.wait();
    }
}

/// The two sites, with a server and its replica behind their instances.
pub(super) struct Pair {
    pub(super) wire: Wire,
    /// Home's.
    pub(super) ohio: Server,
    /// The standby's.
    pub(super) oregon: Server,
    /// Where clients reach home's.
    pub(super) home: u16,
    /// Where clients reach the standby's.
    pub(super) standby: u16,
    /// What the double builds.
    built: TempDir,
}

impl Pair {
    pub(super) fn new() -> Self {
        let wire = Wire::new();
        let ohio = Server::new();
        let oregon = ohio.replica();
        let (home, standby) = (ohio.behind(&wire, HOME), oregon.behind(&wire, STANDBY));
        Self { wire, ohio, oregon, home, standby, built: folder() }
    }

    /// Says where the server of a replica will be that is created at a site; its port.
    pub(super) fn prepare_replica(&self, site: (&str, &str)) -> u16 {
        let (port, data) = (free_port(), self.built.path().join(site.0));
        let closed = [quarantine(site)];
        self.wire.control("postgres/prepare", json!({ "region": site.1, "id": "orders", "port": port, "data_directory": data, "quarantine_security_groups": closed }));
        port
    }

    /// Where clients reach the instance at a site now.
    pub(super) fn endpoint(&self, site: (&str, &str)) -> u16 {
        let told = self.wire.witness.db(site.1, "orders");
        u16::try_from(told["Endpoint"]["Port"].as_u64().unwrap()).unwrap()
    }
}
