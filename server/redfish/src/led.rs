//! The identify LED: `LocationIndicatorActive`, or `IndicatorLED` of older services; of the system, else of its chassis.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::wire::Answer;
use serde_json::{Value, json};

impl Client {
    /// Switches the identify LED. It stays as it is until it is told otherwise.
    pub async fn identify(&self, on: bool) -> Result<(), RedfishError> {
        let (link, answer) = self.led().await?;
        if json::flag(&answer.body, "LocationIndicatorActive").is_some() {
            return self.patch(&link, &answer, &json!({"LocationIndicatorActive": on})).await;
        }
        let offered = json::words(&answer.body, "IndicatorLED@Redfish.AllowableValues");
        let offers = |word: &str| offered.as_ref().is_none_or(|offered| offered.contains(&word));
        let word = if !on {
            "Off"
        } else if offers("Lit") {
            "Lit"
        } else {
            "Blinking"
        };
        match self.patch(&link, &answer, &json!({"IndicatorLED": word})).await {
            // Some know only one way to be on, and do not say which.
            Err(RedfishError::Status { status: 400, .. }) if word == "Lit" && offered.is_none() => {
                self.patch(&link, &answer, &json!({"IndicatorLED": "Blinking"})).await
            }
            other => other,
        }
    }

    /// Whether the identify LED is on.
    pub async fn identified(&self) -> Result<bool, RedfishError> {
        let (_, answer) = self.led().await?;
        let old = || json::raw(&answer.body, "IndicatorLED").map(|word| matches!(word, "Lit" | "Blinking"));
        Ok(json::flag(&answer.body, "LocationIndicatorActive").or_else(old).unwrap_or(false))
    }

    /// The resource that has the LED.
    async fn led(&self) -> Result<(Link, Answer), RedfishError> {
        let (link, system) = self.system().await?;
        let has = |value: &Value| {
            json::flag(value, "LocationIndicatorActive").is_some() || json::raw(value, "IndicatorLED").is_some()
        };
        if has(&system.body) {
            return Ok((link.clone(), system));
        }
        for chassis in json::links(json::at(&system.body, &["Links"]), "Chassis").into_iter().take(4) {
            let answer = self.get(&chassis).await?;
            if has(&answer.body) {
                return Ok((chassis, answer));
            }
        }
        Err(RedfishError::NotSupported("identify LED (neither system nor chassis has one)".into()))
    }
}
