//! Entry of `higuma-agent`: the supervisor when it is PID 1, else a command for people (or a helper of the boot).

use std::process::ExitCode;

fn main() -> ExitCode {
    // The very first process cannot be a person's command: whatever its arguments are, it supervises.
    if std::process::id() == 1 {
        higuma_agent::supervisor::run();
    }
    higuma_agent::cli::run()
}
