//! A PostgreSQL server of a test's own, and a replica of it, from this machine's binaries.

use super::super::{Reach, Tls};
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";

/// A running server; stopped and removed when dropped.
pub(super) struct Server {
    home: TempDir,
    bin: PathBuf,
    pub(super) port: u16,
}

/// Where this machine has PostgreSQL's programs; none is told loudly, since a test then proves nothing.
pub(super) fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let all = debian.chain(std::env::split_paths(&on_path)).collect::<Vec<_>>();
    let found = all.into_iter().find(|bin| ["initdb", "pg_ctl", "pg_basebackup"].iter().all(|p| bin.join(p).exists()));
    if found.is_none() {
        eprintln!("NOT TESTED: there is no PostgreSQL server on this machine; apt-get install postgresql");
    }
    found
}

/// PostgreSQL refuses to run as root: then its own user runs it.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|l| l.starts_with("postgres:")).expect("the package makes a user postgres");
    let ids: Vec<u32> = line.split(':').filter_map(|field| field.parse().ok()).collect();
    Some((ids[0], ids[1]))
}

fn run(mut command: Command) {
    if let Some((uid, gid)) = user() {
        command.uid(uid).gid(gid);
    }
    command.env("PGPASSWORD", PASSWORD).env("LC_ALL", "C");
    // To a file: a server that stays would hold a pipe open.
    let log = tempfile::tempfile().unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
    let status = command.current_dir("/").status().unwrap();
    if !status.success() {
        let mut text = String::new();
        std::io::Seek::rewind(&mut &log).unwrap();
        std::io::Read::read_to_string(&mut &log, &mut text).unwrap();
        panic!("{command:?}: {status}\n{text}");
    }
}

fn home() -> TempDir {
    let home = tempfile::Builder::new().prefix("lifeboat-pg").permissions(fs::Permissions::from_mode(0o700)).tempdir();
    let home = home.unwrap();
    give(home.path());
    home
}

/// To the user that the server runs as.
fn give(path: &Path) {
    if let Some((uid, gid)) = user() {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    }
}

impl Server {
    /// A new server with these settings.
    pub(super) fn start(bin: &Path, settings: &[&str]) -> Self {
        let home = home();
        let password = home.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        give(&password);
        let mut init = Command::new(bin.join("initdb"));
        init.arg("-D").arg(home.path().join("data")).args(["-U", "admin", "-A", "scram-sha-256", "-N"]);
        init.arg(format!("--pwfile={}", password.display()));
        run(init);
        let server = Self { home, bin: bin.to_owned(), port: 0 };
        server.configure(&["max_prepared_transactions = 5", "autovacuum = off", "fsync = off"]);
        server.configure(settings);
        server.up()
    }

    /// A server that replicates from this one.
    pub(super) fn replica(&self) -> Self {
        let home = home();
        let mut copy = Command::new(self.bin.join("pg_basebackup"));
        copy.args(["-R", "-c", "fast", "-X", "stream", "-h", "127.0.0.1", "-U", "admin"]);
        copy.args(["-p", &self.port.to_string(), "-D"]).arg(home.path().join("data"));
        run(copy);
        Self { home, bin: self.bin.clone(), port: 0 }.up()
    }

    fn configure(&self, settings: &[&str]) {
        let file = self.home.path().join("data/postgresql.conf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{text}\n{}\n", settings.join("\n"))).unwrap();
    }

    fn up(mut self) -> Self {
        // Free when asked for; a server that finds it taken fails the test by its log.
        self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (home, port) = (self.home.path().display().to_string(), self.port.to_string());
        self.configure(&[
            &format!("port = {port}"),
            "listen_addresses = '127.0.0.1'",
            &format!("unix_socket_directories = '{home}'"),
        ]);
        self.control(&["-w", "-t", "120", "-l", &format!("{home}/log"), "start"]);
        self
    }

    fn control(&self, words: &[&str]) {
        let mut control = Command::new(self.bin.join("pg_ctl"));
        control.arg("-D").arg(self.home.path().join("data")).args(words);
        run(control);
    }

    /// How it is reached.
    pub(super) fn reach(&self) -> Reach {
        Reach {
            host: "127.0.0.1".into(),
            port: self.port,
            database: "postgres".into(),
            user: "admin".into(),
            password: PASSWORD.into(),
            tls: Tls::Disable,
        }
    }

    /// A file of the server's own.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control(&["-w", "-m", "immediate", "stop"]);
    }
}

/// A certificate for `localhost` and the authority that signed it, as the server wants its files:
/// `ca.pem`, `server.pem`, `server.key`.
pub(super) fn certificates() -> TempDir {
    let home = home();
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        command.args(words.split(' '));
        let status = command.current_dir(home.path()).output().expect("openssl is installed");
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    fs::write(home.path().join("names"), "subjectAltName = DNS:localhost\n").unwrap();
    openssl(&format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem");
    fs::set_permissions(home.path().join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    for file in ["ca.pem", "server.pem", "server.key"] {
        give(&home.path().join(file));
    }
    home
}
