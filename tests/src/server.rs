//! `higuma serve` as a person starts it: the built program, flags, a data folder. It can be killed at any moment and
//! started again on the same folder and ports.

use crate::api::Api;
use crate::programs::{bound, higuma, run, shown, tail};
use crate::{Context, LabError, LabResult, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::sync::Mutex;
use std::time::Duration;

/// A server that does not answer after this long has not started.
const START: Duration = Duration::from_secs(60);
/// Graceful stop takes no longer.
const STOP: Duration = Duration::from_secs(30);

/// The ports of 127.0.0.1 that a server listens on.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Scripts and blobs.
    pub http: u16,
    /// People.
    pub https: u16,
    /// Agents.
    pub grpc: u16,
}

impl Ports {
    /// Three free ones. Nothing holds them until the server does: another program could be faster, but ports are given
    /// out far apart by the kernel, so it hardly ever is.
    pub fn free() -> LabResult<Ports> {
        let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let mut ports = [0; 3];
        for (port, listener) in ports.iter_mut().zip(listeners) {
            *port = listener.context("finding a free port")?.local_addr()?.port();
        }
        let [http, https, grpc] = ports;
        Ok(Ports { http, https, grpc })
    }
}

/// How to start it.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Where it listens; known before it starts, so that a proxy can be put in front.
    pub ports: Ports,
    /// Port that nodes are told for HTTP (a proxy's, or the server's own).
    pub advertise_http: u16,
    /// Port that nodes are told for gRPC.
    pub advertise_grpc: u16,
    /// Address that it listens on; 127.0.0.1 must reach it.
    pub listen: String,
    /// Address of this machine as nodes see it.
    pub host: String,
    /// Further settings as flags, without the dashes: `("boot-deadline", "30s")`.
    pub settings: Vec<(String, String)>,
}

impl ServerSpec {
    /// Free ports, advertised as slirp nodes see them; `settings` as flags.
    pub fn new(settings: &[(&str, &str)]) -> LabResult<ServerSpec> {
        let ports = Ports::free()?;
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(ServerSpec {
            ports,
            advertise_http: ports.http,
            advertise_grpc: ports.grpc,
            listen: "127.0.0.1".to_owned(),
            host: "10.0.2.2".to_owned(),
            settings,
        })
    }

    /// The same for nodes behind a switch: reached at `host`, an address of this machine.
    pub fn behind(host: &str, settings: &[(&str, &str)]) -> LabResult<ServerSpec> {
        Ok(ServerSpec { listen: "0.0.0.0".to_owned(), host: host.to_owned(), ..ServerSpec::new(settings)? })
    }
}

/// A server; dropped: killed.
#[derive(Debug)]
pub struct Server {
    spec: ServerSpec,
    data_dir: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Starts one with its data in `dir/server` and waits until its API answers.
    pub fn start(dir: &Path, spec: ServerSpec) -> LabResult<Server> {
        let data_dir = dir.join("server");
        std::fs::create_dir_all(&data_dir)?;
        let server = Server { spec, data_dir, log: dir.join("server.log"), process: Mutex::new(None) };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again after [`Server::kill9`] or [`Server::terminate`]: same folder, same ports.
    pub fn start_again(&self) -> LabResult {
        let Ports { http, https, grpc } = self.spec.ports;
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = bound(higuma()?);
        command.arg("serve").arg("--data-dir").arg(&self.data_dir);
        let ServerSpec { listen, host, .. } = &self.spec;
        command.args(["--http-listen", &format!("{listen}:{http}")]);
        command.args(["--https-listen", &format!("{listen}:{https}")]);
        command.args(["--grpc-listen", &format!("{listen}:{grpc}")]);
        command.args(["--advertise-http", &format!("http://{host}:{}", self.spec.advertise_http)]);
        command.args(["--advertise-grpc", &format!("{host}:{}", self.spec.advertise_grpc)]);
        for (key, value) in &self.spec.settings {
            command.args([format!("--{key}"), value.clone()]);
        }
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context(format!("starting {}", shown(&command)))?;
        *self.lock() = Some(child);
        wait::until("the server's API to answer", START, || {
            if !self.running() {
                return Err(LabError::new(format!("the server ended at once\n{}", self.explain())));
            }
            Ok(self.api().and_then(|api| api.status()).ok())
        })
        .map(drop)
        .map_err(|error| LabError::new(format!("{error}\n{}", self.explain())))
    }

    /// `kill -9`: no chance to finish anything.
    pub fn kill9(&self) {
        if let Some(mut child) = self.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits for the end; gives the exit code.
    pub fn terminate(&self) -> LabResult<i32> {
        let mut child = self.lock().take().context("the server does not run")?;
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).context("sending SIGTERM")?;
        let status = wait::until("the server to stop", STOP, || Ok(child.try_wait()?));
        if status.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        status?.code().context("the server was ended by a signal")
    }

    /// Whether the process is there.
    pub fn running(&self) -> bool {
        match self.lock().as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// How it was started.
    pub fn spec(&self) -> &ServerSpec {
        &self.spec
    }

    /// What a node boots from.
    pub fn bootfile(&self) -> String {
        format!("http://{}:{}/boot.ipxe", self.spec.host, self.spec.advertise_http)
    }

    /// A client with the admin token.
    pub fn api(&self) -> LabResult<Api> {
        Api::open(&self.data_dir, self.spec.ports.https)
    }

    /// GET on the plain HTTP listener: status and body.
    pub fn http_get(&self, path: &str) -> LabResult<(u16, String)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let url = format!("http://127.0.0.1:{}{path}", self.spec.ports.http);
        let mut answer = agent.get(&url).call().context(&url)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string().context(&url)?))
    }

    /// Runs the `higuma` command line against this server, as a person on the same machine does.
    pub fn cli(&self, arguments: &[&str]) -> LabResult<Output> {
        run(&mut self.cli_command(arguments)?)
    }

    /// The command of [`Server::cli`], for those who want to run it otherwise.
    pub fn cli_command(&self, arguments: &[&str]) -> LabResult<std::process::Command> {
        let mut command = bound(higuma()?);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir);
        command.args(["--server", &format!("https://127.0.0.1:{}", self.spec.ports.https)]);
        Ok(command)
    }

    /// For an error: the end of its log.
    pub fn explain(&self) -> String {
        format!("--- end of the server's log\n{}", tail(&self.log, 30))
    }

    /// The whole log, to look for what must not be in it.
    pub fn log(&self) -> LabResult<String> {
        std::fs::read_to_string(&self.log).context("reading the server's log")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
    }
}
