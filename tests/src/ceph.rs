//! A Ceph cluster of one monitor, one OSD that keeps objects in memory, and one RADOS gateway, which speaks S3: the programs of
//! Debian's packages, in a folder of the test's. The gateway can be stopped and started again; the cluster stays.

use crate::programs::{bound, run, tail};
use crate::{Context, LabError, LabResult, wait};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::Duration;

/// The gateway makes its pools at its first start.
const START: Duration = Duration::from_secs(90);
/// Of the account that buckets belong to.
pub const KEY: &str = "HIGUMALABACCESSKEY";
/// Its secret.
pub const SECRET: &str = "lab/secret+key/of/nobody";

const REQUEST: &str = "import base64,email.utils,hashlib,hmac,sys,urllib.request\n\
    method,endpoint,path,key,secret=sys.argv[1:]\n\
    date=email.utils.formatdate(usegmt=True)\n\
    text='\\n'.join([method,'','',date,'/'+path.split('?')[0]])\n\
    sign=base64.b64encode(hmac.new(secret.encode(),text.encode(),hashlib.sha1).digest()).decode()\n\
    headers={'Date':date,'Authorization':'AWS '+key+':'+sign}\n\
    request=urllib.request.Request(endpoint+'/'+path,method=method,headers=headers)\n\
    print(urllib.request.urlopen(request,timeout=60).read().decode())\n";

/// The cluster; dropped: killed.
#[derive(Debug)]
pub struct Ceph {
    dir: PathBuf,
    port: u16,
    cluster: Vec<Child>,
    gateway: Mutex<Option<Child>>,
}

impl Ceph {
    /// Starts everything in `dir/ceph`, and makes the account.
    pub fn start(dir: &Path) -> LabResult<Ceph> {
        let dir = dir.join("ceph");
        for name in ["mon", "osd", "rgw"] {
            std::fs::create_dir_all(dir.join(name))?;
        }
        let [monitor, port] = [free()?, free()?];
        let fsid = uuid::Uuid::new_v4();
        std::fs::write(dir.join("ceph.conf"), configuration(&dir, &fsid.to_string(), monitor, port))?;
        let mut ceph = Ceph { dir, port, cluster: Vec::new(), gateway: Mutex::new(None) };
        let map = ceph.dir.join("monmap").display().to_string();
        let at = format!("[v1:127.0.0.1:{monitor}]");
        run(Command::new("monmaptool").args(["--create", "--fsid", &fsid.to_string(), "--addv", "a", &at, &map]))?;
        run(ceph.command("ceph-mon").args(["--mkfs", "-i", "a", "--monmap", &map]))?;
        ceph.daemon("ceph-mon", &["-i", "a"])?;
        let osd = uuid::Uuid::new_v4().to_string();
        // A monitor that has just begun answers some commands with EPERM ("problem getting command descriptions").
        let asked =
            |arguments: &[&str]| run(ceph.command("ceph").args(["--connect-timeout", "30"]).args(arguments)).ok();
        let made = wait::until("the monitor to make an OSD", START, || Ok(asked(&["osd", "new", &osd])))?;
        let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        run(ceph.command("ceph-osd").args(["-i", &id, "--mkfs", "--osd-uuid", &osd]))?;
        let mut osd = ceph.spawn("ceph-osd", &["-i", &id])?;
        // It ends ("wrong fsid") when it asks for something before the monitor has told it whose it is: once in a while.
        let up = wait::until("the OSD to be up", START, || {
            if osd.try_wait()?.is_some() {
                osd = ceph.spawn("ceph-osd", &["-i", &id])?;
            }
            let told = asked(&["osd", "stat", "--format", "json"]).map(|told| told.stdout).unwrap_or_default();
            Ok(String::from_utf8_lossy(&told).replace(' ', "").contains("\"num_up_osds\":1").then_some(()))
        });
        ceph.cluster.push(osd);
        up?;
        ceph.start_gateway()?;
        let account = ["user", "create", "--uid=higuma", "--display-name=higuma"];
        run(ceph
            .command("radosgw-admin")
            .args(account)
            .args([&format!("--access-key={KEY}"), &format!("--secret-key={SECRET}")]))?;
        Ok(ceph)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = bound(program);
        command.arg("-c").arg(self.dir.join("ceph.conf"));
        command
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) -> LabResult {
        let child = self.spawn(program, arguments)?;
        self.cluster.push(child);
        Ok(())
    }

    /// In the foreground (`-f`), so that it is ours.
    fn spawn(&self, program: &str, arguments: &[&str]) -> LabResult<Child> {
        let output =
            std::fs::File::options().create(true).append(true).open(self.dir.join(format!("{program}.out")))?;
        let mut command = self.command(program);
        command.arg("-f").args(arguments).stdout(output.try_clone()?).stderr(output);
        command.spawn().context(format!("starting {program} (Debian packages ceph-mon, ceph-osd, radosgw)"))
    }

    /// Starts the gateway, and waits until it answers.
    pub fn start_gateway(&self) -> LabResult {
        *self.lock() = Some(self.spawn("radosgw", &["-n", "client.rgw"])?);
        let url = format!("{}/", self.endpoint());
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
        wait::until("the RADOS gateway to answer", START, || Ok(agent.get(&url).call().is_ok().then_some(()))).map_err(
            |error| {
                let out = ["radosgw.out", "client.rgw.log"].map(|name| tail(&self.dir.join(name), 10)).join("\n");
                LabError::new(format!("{error}\n{out}"))
            },
        )
    }

    /// `kill -9` of the gateway.
    pub fn kill_gateway(&self) {
        if let Some(mut child) = self.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            std::thread::yield_now();
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A request by Python's own library, signed as the account (AWS signature version 2, which Ceph takes); gives the body.
    pub fn request(&self, method: &str, path: &str) -> LabResult<String> {
        let mut command = Command::new("python3");
        command.args(["-c", REQUEST, method, &self.endpoint(), path, KEY, SECRET]);
        Ok(String::from_utf8_lossy(&run(&mut command)?.stdout).into_owned())
    }

    /// Requests that the gateway answered, by its own log: those that begin so, `GET /bucket/...`.
    pub fn answered(&self, what: &str) -> LabResult<usize> {
        let log = self.dir.join("client.rgw.log");
        let text = std::fs::read_to_string(&log).context(log.display())?;
        Ok(text.lines().filter(|line| line.contains("beast:") && line.contains(&format!("\"{what}"))).count())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        self.kill_gateway();
        for child in self.cluster.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free() -> LabResult<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?.local_addr()?.port())
}

/// One copy of everything, in memory, without authentication inside; the gateway logs each request.
fn configuration(dir: &Path, fsid: &str, monitor: u16, port: u16) -> String {
    let dir = dir.display();
    format!(
        "[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{monitor}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 2147483648
mon data = {dir}/mon
osd data = {dir}/osd
rgw data = {dir}/rgw
run dir = {dir}
log file = {dir}/$name.log
mon cluster log file = {dir}/cluster.log
admin socket = {dir}/$name.asok
pid file =
public addr = 127.0.0.1
cluster addr = 127.0.0.1
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 32
rgw run sync thread = false
debug rgw = 1
"
    )
}
