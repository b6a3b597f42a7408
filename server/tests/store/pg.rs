//! A PostgreSQL server of our own: Debian's binaries, a temporary folder, a unix socket alone, as the user `postgres`
//! when we are root (it refuses to run as root).

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    dir: tempfile::TempDir,
    pub version: String,
}

const PORT: u16 = 5432; // Part of the socket's name only: no TCP port is opened.

impl Server {
    pub fn start() -> Self {
        let bin = binaries();
        let version = output(Command::new(bin.join("postgres")).arg("--version"));
        let dir = tempfile::tempdir().unwrap();
        let (data, log) = (dir.path().join("data"), dir.path().join("log"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres").unwrap();
            let user = user.expect("the user `postgres`, which Debian's package postgresql-15 makes");
            chown(dir.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let mut initdb = as_postgres(&bin.join("initdb"));
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]).arg(&data);
        output(&mut initdb);
        let mut command = as_postgres(&bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-h", "", "-p", &PORT.to_string()]);
        for setting in ["fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        let log_file = std::fs::File::create(&log).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(log_file.try_clone().unwrap()).stderr(log_file).spawn().unwrap();
        let mut server = Self { child, dir, version };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ready(&bin, server.dir.path()) {
            let gone = server.child.try_wait().unwrap();
            if gone.is_some() || Instant::now() > deadline {
                panic!("PostgreSQL did not start ({gone:?}):\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={PORT}&user=postgres", self.dir.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: at once; nothing is to be kept.
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL under /usr/lib/postgresql/*/bin: these tests are never skipped: apt-get install postgresql")
}

/// As an ordinary user; and killed when we are, however that happens.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if nix::unistd::geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig=QUIT", "--"]).arg(program).current_dir("/");
    command
}

fn ready(bin: &Path, socket: &Path) -> bool {
    let mut command = Command::new(bin.join("pg_isready"));
    command.arg("-q").arg("-h").arg(socket).args(["-p", &PORT.to_string(), "-t", "1"]);
    command.status().unwrap().success()
}

fn output(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}
