//! Loads the drivers of the hardware found: by name those always wanted, then by modalias, again and again until no new
//! device appears (a bus driver makes devices that want drivers themselves).

use std::path::Path;
use std::time::Duration;

use super::{Done, Policy, Step, StepError};
use crate::kmod::Loader;

/// How often the devices are looked through at most.
const ROUNDS: usize = 6;
/// For devices to appear after their bus driver was loaded.
const SETTLE: Duration = Duration::from_millis(250);

/// The modules step.
pub struct LoadModules {
    /// Under which step it reports.
    pub name: &'static str,
    /// Loaded whatever the hardware is.
    pub always: Vec<String>,
    /// Also drivers for the devices found.
    pub by_devices: bool,
}

impl Step for LoadModules {
    /// What did not load, in words.
    type Output = Vec<String>;

    fn policy(&self) -> Policy {
        Policy { step: self.name, deadline: Duration::from_secs(120), attempts: 2, pause: Duration::from_secs(1) }
    }

    async fn attempt(&mut self) -> Result<Done<Vec<String>>, StepError> {
        let (always, by_devices) = (self.always.clone(), self.by_devices);
        let loader = tokio::task::spawn_blocking(move || load(&always, by_devices))
            .await
            .map_err(|_| StepError::again("loading broke off"))?
            .map_err(StepError::last)?;
        let mut message = format!("{} modules loaded", loader.loaded);
        if !loader.problems.is_empty() {
            message.push_str(&format!(", {} not: {}", loader.problems.len(), loader.problems.join(", ")));
        }
        Ok(Done { value: loader.problems, message })
    }
}

fn load(always: &[String], by_devices: bool) -> Result<Loader, String> {
    let mut loader = Loader::open(Path::new("/"))?;
    for name in always {
        loader.by_name(name);
    }
    for round in 0..ROUNDS {
        if !by_devices {
            break;
        }
        let new = loader.by_devices(Path::new("/sys"));
        // Probing may be asynchronous: the first round without news can still be followed by some.
        if new == 0 && round > 0 {
            break;
        }
        std::thread::sleep(SETTLE);
    }
    Ok(loader)
}
