//! The LAN client and the simulated BMC: against each other, and each against software that we did not write. `ipmitool`
//! and `ipmi_sim` have to be installed (scripts/setup does it), and `script` (every Debian has it): without them these
//! tests fail.
#![allow(clippy::panic)]

mod console;
mod foreign_bmc;
mod foreign_client;
mod foreign_console;
mod hostile;
mod ours;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use higuma_ipmi::Password;
use higuma_ipmi::lan::{LanError, Session, Suite, Target, Timing};
use higuma_ipmi::sim::{Misbehave, Settings, SimBmc};

/// Nothing may take longer: a hang becomes a failure. Far beyond what any test needs.
const HANG: Duration = Duration::from_secs(100);

async fn sim(settings: Settings) -> SimBmc {
    SimBmc::start((Ipv4Addr::LOCALHOST, 0).into(), settings).await.unwrap_or_else(|e| panic!("a socket: {e}"))
}

async fn misbehaving(misbehave: Misbehave) -> SimBmc {
    sim(Settings { misbehave, ..Settings::default() }).await
}

/// Log-in data of the default user, with little patience.
fn target(address: SocketAddr) -> Target {
    let mut target = Target::new(address, "admin".to_owned(), Password::new("secret".to_owned()));
    let millis = Duration::from_millis;
    target.timing = Timing { answer: millis(100), tries: 4, open: millis(20_000), pace: millis(0), busy: 2 };
    target
}

fn with_suite(address: SocketAddr, suite: Suite) -> Target {
    Target { suites: vec![suite], ..target(address) }
}

/// What must come to an end.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.unwrap_or_else(|_| panic!("hangs"))
}

async fn open(target: &Target) -> Session {
    ends(Session::open(target)).await.unwrap_or_else(|e| panic!("log in: {e}"))
}

async fn refusal(target: &Target) -> LanError {
    match ends(Session::open(target)).await {
        Ok(session) => panic!("logged in: {session:?}"),
        Err(why) => why,
    }
}

fn localhost_6() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, 0).into()
}
