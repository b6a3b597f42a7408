//! Power state and resets of a system (DSP2046, ComputerSystem). No waiting for the state to change: a reset is
//! accepted, and the caller looks at `power()` again.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use serde_json::{Value, json};

/// Whether the system is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// On (also paused by its management).
    On,
    /// Off.
    Off,
    /// Between off and on.
    PoweringOn,
    /// Between on and off.
    PoweringOff,
}

/// What to do to the power of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKind {
    /// Power on; on already: nothing.
    On,
    /// Off at once; off already: nothing.
    ForceOff,
    /// Asks the operating system to shut down; off already: nothing.
    GracefulShutdown,
    /// Off, then on.
    PowerCycle,
    /// Hard reset; power stays.
    ForceRestart,
    /// Non-maskable interrupt.
    Nmi,
}

impl ResetKind {
    /// What the specification calls it, first; then what does the same or nearly so where that is not offered.
    fn choices(self) -> &'static [&'static str] {
        match self {
            Self::On => &["On", "ForceOn"],
            Self::ForceOff => &["ForceOff"],
            Self::GracefulShutdown => &["GracefulShutdown"],
            Self::PowerCycle => &["PowerCycle", "ForceRestart"],
            Self::ForceRestart => &["ForceRestart", "PowerCycle"],
            Self::Nmi => &["Nmi"],
        }
    }
}

/// What became of a reset. The service has accepted it; that it was carried out is seen in [`Client::power`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetDone {
    /// The ResetType that was sent; `None`: there was nothing to do.
    pub sent: Option<String>,
    /// What was done instead of what was asked, for people.
    pub note: Option<String>,
}

impl ResetDone {
    fn nothing(why: &str) -> Self {
        Self { sent: None, note: Some(why.into()) }
    }
}

impl Client {
    /// The power state of the system.
    pub async fn power(&self) -> Result<PowerState, RedfishError> {
        let (link, system) = self.system().await?;
        state(link, &system.body)
    }

    /// Starts a reset. What the service offers is looked at first; a substitution is told. A lost answer is not sent
    /// again: whether it was done is then not known.
    pub async fn reset(&self, kind: ResetKind) -> Result<ResetDone, RedfishError> {
        let (link, system) = self.system().await?;
        let now = state(link, &system.body).ok();
        let mut choices = kind.choices();
        let mut note = None;
        match (kind, now) {
            (ResetKind::On, Some(PowerState::On)) => return Ok(ResetDone::nothing("it is on already")),
            (ResetKind::ForceOff | ResetKind::GracefulShutdown, Some(PowerState::Off)) => {
                return Ok(ResetDone::nothing("it is off already"));
            }
            (ResetKind::PowerCycle, Some(PowerState::Off)) => {
                choices = ResetKind::On.choices();
                note = Some("it was off: powered on".into());
            }
            // A push of the button is a toggle: only of a system that is on.
            (ResetKind::GracefulShutdown, Some(PowerState::On)) => choices = &["GracefulShutdown", "PushPowerButton"],
            _ => {}
        }
        let action = self.action(&system.body, "#ComputerSystem.Reset", "reset of the system").await?;
        let sent = action.choose(choices).ok_or_else(|| {
            let offered = action.allowed.as_deref().unwrap_or_default().join(", ");
            RedfishError::NotSupported(format!("reset type {} (it offers: {offered})", choices.join(" or ")))
        })?;
        if note.is_none() && Some(&sent) != choices.first() {
            note = Some(format!("{sent} was sent: the service does not offer {}", choices.first().unwrap_or(&"")));
        }
        self.post(&action.target, &json!({"ResetType": sent})).await?;
        Ok(ResetDone { sent: Some(sent.into()), note })
    }

    /// A `*.Reset` action and the reset types it takes: beside the action, or in its ActionInfo (DSP0266, 9.6.3.1).
    pub(crate) async fn action(&self, resource: &Value, name: &str, what: &str) -> Result<Action, RedfishError> {
        let action = json::at(resource, &["Actions", name]);
        let target = json::raw(action, "target")
            .and_then(Link::parse)
            .ok_or_else(|| RedfishError::NotSupported(format!("{what} (no action {name})")))?;
        let own = |words: Vec<&str>| words.into_iter().map(|word| json::clean(word, 64)).take(64).collect();
        let mut allowed: Option<Vec<String>> = json::words(action, "ResetType@Redfish.AllowableValues").map(own);
        let info = json::raw(action, "@Redfish.ActionInfo").and_then(Link::parse);
        if let (None, Some(info)) = (&allowed, info) {
            let read = match self.get(&info).await {
                Ok(answer) => answer.body,
                Err(error) if error.ends_talk() => return Err(error),
                // A service that only forgot its ActionInfo may know the reset.
                Err(_) => Value::Null,
            };
            let parameter = json::list(&read, "Parameters").iter().find(|p| json::raw(p, "Name") == Some("ResetType"));
            allowed = parameter.and_then(|p| json::words(p, "AllowableValues")).map(own);
        }
        Ok(Action { target, allowed })
    }
}

/// An action with a ResetType.
pub(crate) struct Action {
    pub(crate) target: Link,
    /// `None`: the service does not say.
    pub(crate) allowed: Option<Vec<String>>,
}

impl Action {
    /// The first that is offered; the first at all when nothing is said.
    pub(crate) fn choose(&self, choices: &'static [&'static str]) -> Option<&'static str> {
        let offered = |word: &&str| self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|have| have == word));
        choices.iter().copied().find(offered)
    }
}

fn state(link: &Link, system: &Value) -> Result<PowerState, RedfishError> {
    match json::raw(system, "PowerState") {
        Some("On" | "Paused") => Ok(PowerState::On),
        Some("Off") => Ok(PowerState::Off),
        Some("PoweringOn") => Ok(PowerState::PoweringOn),
        Some("PoweringOff") => Ok(PowerState::PoweringOff),
        Some(other) => Err(RedfishError::malformed(
            format!("GET {link}"),
            format!("PowerState is On, Off, PoweringOn or PoweringOff, not {:?}", json::clean(other, 64)),
        )),
        None => Err(RedfishError::NotSupported(format!("the power state ({link} has no PowerState now)"))),
    }
}
