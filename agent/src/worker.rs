//! The re-executed child of the supervisor: runs the stage that this initramfs is for. A panic of the stage ends
//! this process (and only it) with a line that says why; one of a helper is an error of its step.

use std::process::ExitCode;
use std::time::Duration;

use crate::console::{self, say};
use crate::{first, second, sys};

/// How often the supervisor started a worker before this one, as a number.
pub const RUN_ENV: &str = "HIGUMA_WORKER_RUN";
/// Tells the supervisor that the new root is ready.
pub const EXIT_SWITCH_ROOT: u8 = 100;
/// A counter that grows while the worker lives.
pub const ALIVE_FILE: &str = "/run/higuma/alive";

/// Runs the stage; returns only when the stage is over (second stage) or cannot begin.
pub fn run() -> ExitCode {
    console::use_machine_console();
    std::panic::set_hook(Box::new(|info| {
        say("init", &format!("panic in the worker: {info}"));
        // A helper's panic is an error of the step that waits for it; only the stage itself ends the worker.
        if on_main_thread() {
            std::process::exit(101);
        }
    }));
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    // Everything after this draws random numbers (DHCP, TLS, credentials) and must not wait for a seed that never comes.
    if let Err(e) = sys::wait_for_random() {
        say("init", &format!("the kernel's random generator is not ready: {e}"));
    }
    // The provider of TLS is chosen once; a second call only says that it was there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            say("init", &format!("cannot start the runtime of the worker: {e}"));
            return ExitCode::FAILURE;
        }
    };
    let run = std::env::var(RUN_ENV).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let code = runtime.block_on(async {
        tokio::spawn(beat());
        if second::is_here() {
            second::run().await;
            ExitCode::from(EXIT_SWITCH_ROOT)
        } else {
            first::run(run).await
        }
    });
    // A blocking helper that hangs must not swallow a stage that is done: dropping the runtime would wait for it.
    runtime.shutdown_background();
    code
}

/// Whether this is the process's first thread, whose id is the process's.
fn on_main_thread() -> bool {
    nix::unistd::gettid() == nix::unistd::getpid()
}

async fn beat() {
    for count in 0u64.. {
        let _ = std::fs::write(ALIVE_FILE, count.to_string());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}
