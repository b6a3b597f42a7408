//! Sensors: the Sensors collection of newer services, or the classic Thermal and Power resources of a chassis
//! (DSP2046). What cannot be read is told beside what can.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::walk::{note, tolerate};
use serde::Serialize;
use serde_json::Value;

/// Most chassis, and most sensors of all of them.
const MOST_CHASSIS: usize = 16;
const MOST: usize = 1000;

/// Limits of a sensor, in its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Thresholds {
    /// Below: fatal.
    pub lower_fatal: Option<f64>,
    /// Below: critical.
    pub lower_critical: Option<f64>,
    /// Below: caution.
    pub lower_caution: Option<f64>,
    /// Above: caution.
    pub upper_caution: Option<f64>,
    /// Above: critical.
    pub upper_critical: Option<f64>,
    /// Above: fatal.
    pub upper_fatal: Option<f64>,
}

/// One sensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensor {
    /// Its name.
    pub name: String,
    /// What it measures, in the service's word or ours: `Temperature`, `Rotational`, `Voltage`, `Power`, …
    pub kind: Option<String>,
    /// Reading; `None`: there is none now.
    pub reading: Option<f64>,
    /// Unit of reading and thresholds (`Cel`, `RPM`, `%`, `V`, `W`, or what the service says).
    pub unit: Option<String>,
    /// `Enabled`, `Absent`, …
    pub state: Option<String>,
    /// `OK`, `Warning` or `Critical`.
    pub health: Option<String>,
    /// Its limits.
    pub thresholds: Thresholds,
}

/// All sensors of a system's chassis.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sensors {
    /// Those that were read.
    pub sensors: Vec<Sensor>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

impl Client {
    /// Reads all sensors.
    pub async fn sensors(&self) -> Result<Sensors, RedfishError> {
        self.within("the sensors", async {
            let mut all = Sensors::default();
            let chassis = self.chassis().await?;
            for link in &chassis {
                let Some(answer) = tolerate(self.get(link).await, &mut all.problems)? else { continue };
                self.of_chassis(&answer.body, &mut all).await?;
            }
            if all.sensors.len() > MOST {
                all.sensors.truncate(MOST);
                note(&mut all.problems, format!("more than {MOST} sensors: the others are left out"));
            }
            if all.sensors.is_empty() && all.problems.is_empty() {
                return Err(RedfishError::NotSupported("sensors (no chassis has any)".into()));
            }
            Ok(all)
        })
        .await
    }

    /// The chassis of the system, else all.
    async fn chassis(&self) -> Result<Vec<Link>, RedfishError> {
        let (_, system) = self.system().await?;
        let mut links = json::links(json::at(&system.body, &["Links"]), "Chassis");
        if let (true, Some(collection)) = (links.is_empty(), json::link(&self.root, "Chassis")) {
            let members = self.members(&collection, MOST_CHASSIS).await?;
            links = members.items.iter().filter_map(json::own).collect();
        }
        links.truncate(MOST_CHASSIS);
        if links.is_empty() {
            return Err(RedfishError::NotSupported("sensors (the system has no chassis)".into()));
        }
        Ok(links)
    }

    /// The Sensors collection first where it comes in one answer. Else the classic resources: two requests instead of
    /// one a sensor, which is easier on a BMC. The other only when the first has nothing.
    async fn of_chassis(&self, chassis: &Value, all: &mut Sensors) -> Result<(), RedfishError> {
        let before = all.sensors.len();
        for modern in [self.expands, !self.expands] {
            if modern {
                self.collection(chassis, all).await?;
            } else {
                self.classic(chassis, all).await?;
            }
            if all.sensors.len() > before {
                break;
            }
        }
        Ok(())
    }

    async fn collection(&self, chassis: &Value, all: &mut Sensors) -> Result<(), RedfishError> {
        let Some(collection) = json::link(chassis, "Sensors") else { return Ok(()) };
        let found = self.resources(&collection, MOST, &mut all.problems).await;
        let found = tolerate(found, &mut all.problems)?.unwrap_or_default();
        all.sensors.extend(found.iter().map(|(_, value)| modern(value)));
        Ok(())
    }

    async fn classic(&self, chassis: &Value, all: &mut Sensors) -> Result<(), RedfishError> {
        for (key, read) in [("Thermal", thermal as fn(&Value) -> Vec<Sensor>), ("Power", power)] {
            if let Some(link) = json::link(chassis, key)
                && let Some(answer) = tolerate(self.get(&link).await, &mut all.problems)?
            {
                all.sensors.extend(read(&answer.body));
            }
        }
        Ok(())
    }
}

fn modern(value: &Value) -> Sensor {
    let limit = |name| json::number(json::at(value, &["Thresholds", name]), "Reading");
    Sensor {
        kind: json::text(value, "ReadingType"),
        unit: json::text(value, "ReadingUnits"),
        thresholds: Thresholds {
            lower_fatal: limit("LowerFatal"),
            lower_critical: limit("LowerCritical"),
            lower_caution: limit("LowerCaution"),
            upper_caution: limit("UpperCaution"),
            upper_critical: limit("UpperCritical"),
            upper_fatal: limit("UpperFatal"),
        },
        ..sensor(value, "Reading")
    }
}

/// Name, reading and status of any sensor.
fn sensor(value: &Value, reading: &str) -> Sensor {
    let status = json::at(value, &["Status"]);
    let name = ["Name", "FanName", "Id", "MemberId"].into_iter().find_map(|key| json::text(value, key));
    Sensor {
        name: name.unwrap_or_else(|| "without a name".into()),
        kind: None,
        reading: json::number(value, reading),
        unit: None,
        state: json::text(status, "State"),
        health: json::text(status, "Health"),
        thresholds: Thresholds::default(),
    }
}

fn classic(value: &Value, reading: &str, kind: &str, unit: &str) -> Sensor {
    let limit = |name: &str| json::number(value, name);
    Sensor {
        kind: Some(kind.into()),
        unit: Some(unit.into()),
        thresholds: Thresholds {
            lower_fatal: limit("LowerThresholdFatal"),
            lower_critical: limit("LowerThresholdCritical"),
            lower_caution: limit("LowerThresholdNonCritical"),
            upper_caution: limit("UpperThresholdNonCritical"),
            upper_critical: limit("UpperThresholdCritical"),
            upper_fatal: limit("UpperThresholdFatal"),
        },
        ..sensor(value, reading)
    }
}

fn thermal(body: &Value) -> Vec<Sensor> {
    let temperatures =
        json::list(body, "Temperatures").iter().map(|value| classic(value, "ReadingCelsius", "Temperature", "Cel"));
    let fans = json::list(body, "Fans").iter().map(|value| match json::raw(value, "ReadingUnits") {
        Some("Percent") => classic(value, "Reading", "Percent", "%"),
        _ => classic(value, "Reading", "Rotational", "RPM"),
    });
    temperatures.chain(fans).take(MOST).collect()
}

fn power(body: &Value) -> Vec<Sensor> {
    let parts = [
        ("PowerControl", "PowerConsumedWatts", "Power", "W"),
        ("Voltages", "ReadingVolts", "Voltage", "V"),
        ("PowerSupplies", "PowerInputWatts", "Power", "W"),
    ];
    let read = |(key, reading, kind, unit): (&str, &'static str, &'static str, &'static str)| {
        json::list(body, key).iter().map(move |value| classic(value, reading, kind, unit)).collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(read).take(MOST).collect()
}
