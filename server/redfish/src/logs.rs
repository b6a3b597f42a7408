//! The event log: of all the logs that a service keeps, the one that is most like an SEL (DSP2046, LogService).

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::walk::{is_whole, note, tolerate};
use serde::Serialize;
use serde_json::{Value, json};

/// Most logs of a system or manager that are looked at.
const MOST_LOGS: usize = 32;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// `Id`.
    pub id: Option<String>,
    /// When, as the service writes it (RFC 3339).
    pub created: Option<String>,
    /// `OK`, `Warning` or `Critical`.
    pub severity: Option<String>,
    /// What happened.
    pub message: String,
    /// Name of the message in a registry.
    pub message_id: Option<String>,
    /// Kind of sensor.
    pub sensor: Option<String>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Path of the LogService.
    pub service: String,
    /// The newest entries, newest first.
    pub entries: Vec<LogEntry>,
    /// Whether there are more, older or not read.
    pub truncated: bool,
    /// What could not be read.
    pub problems: Vec<String>,
}

impl Client {
    /// The newest entries of the event log, at most `most`.
    pub async fn log_entries(&self, most: usize) -> Result<Log, RedfishError> {
        self.within("the event log", async {
            let (service, value) = self.event_log().await?;
            let link = json::link(&value, "Entries")
                .ok_or_else(|| RedfishError::NotSupported(format!("entries of the log ({service} has no Entries)")))?;
            let (mut entries, mut problems) = (Vec::new(), Vec::new());
            let members = self.expanded(&link, self.limits.members).await?;
            let (mut truncated, mut items) = (!members.complete, members.items);
            // Of a log that is too long to be read whole, both ends: which one is new is up to the service.
            if let Some(count) = members.count.filter(|count| truncated && *count > items.len()) {
                match self.tail(&link, count, most, &items).await? {
                    Some(tail) => items.extend(tail),
                    None => {
                        note(&mut problems, format!("only the first {} of {count} entries could be read", items.len()))
                    }
                }
            }
            if items.iter().filter(|item| !is_whole(item)).count() > most && self.is_oldest_first(&items).await? {
                items.reverse();
            }
            for item in items {
                // References are fetched one by one: not more of them than are wanted.
                if !is_whole(&item) && entries.len() >= most {
                    truncated = true;
                    break;
                }
                let whole = match json::own(&item) {
                    _ if is_whole(&item) => item,
                    Some(link) => match tolerate(self.get(&link).await, &mut problems)? {
                        Some(answer) => answer.body,
                        None => continue,
                    },
                    None => continue,
                };
                entries.push(entry(&whole));
            }
            // Services list the newest first or last. One service writes its times alike, so their texts compare.
            entries.sort_by(|one, other| other.created.cmp(&one.created));
            truncated |= entries.len() > most;
            entries.truncate(most);
            Ok(Log { service: service.to_string(), entries, truncated, problems })
        })
        .await
    }

    /// Whether the last of these references is newer than the first.
    async fn is_oldest_first(&self, items: &[Value]) -> Result<bool, RedfishError> {
        let mut created = Vec::new();
        for link in [items.first(), items.last()].into_iter().flatten().filter_map(json::own) {
            let read = tolerate(self.get(&link).await, &mut Vec::new())?;
            created.push(read.and_then(|answer| json::text(&answer.body, "Created")));
        }
        Ok(matches!(created.as_slice(), [Some(first), Some(last)] if last > first))
    }

    /// Empties the event log.
    pub async fn clear_log(&self) -> Result<(), RedfishError> {
        let (service, value) = self.within("the event log", self.event_log()).await?;
        let target = json::raw(json::at(&value, &["Actions", "#LogService.ClearLog"]), "target")
            .and_then(Link::parse)
            .ok_or_else(|| RedfishError::NotSupported(format!("clearing of the log {service}")))?;
        let answer = self.post(&target, &json!({})).await?;
        self.settle(answer).await
    }

    /// The log most like an SEL; the system's before the manager's where both are as good.
    async fn event_log(&self) -> Result<(Link, Value), RedfishError> {
        let (_, system) = self.system().await?;
        let mut problems = Vec::new();
        let mut logs = self.logs_of(&system.body, &mut problems).await?;
        if let Some((_, manager)) = tolerate(self.manager().await, &mut problems)? {
            logs.extend(self.logs_of(&manager.body, &mut problems).await?);
        }
        if let (1, Some(only)) = (logs.len(), logs.first()) {
            return Ok(only.clone());
        }
        let mut best: Option<(u8, (Link, Value))> = None;
        for log in logs {
            let rank = rank(&log.1);
            if rank > best.as_ref().map_or(0, |(rank, _)| *rank) {
                best = Some((rank, log));
            }
        }
        best.map(|(_, log)| log).ok_or_else(|| {
            let why = problems.pop().unwrap_or_else(|| "neither system nor manager has one".into());
            RedfishError::NotSupported(format!("event log ({why})"))
        })
    }

    async fn logs_of(&self, resource: &Value, problems: &mut Vec<String>) -> Result<Vec<(Link, Value)>, RedfishError> {
        let Some(collection) = json::link(resource, "LogServices") else { return Ok(Vec::new()) };
        let found = self.resources(&collection, MOST_LOGS, problems).await;
        Ok(tolerate(found, problems)?.unwrap_or_default())
    }
}

/// How much a log is like an SEL; 0: not at all (audit trails, dumps, post codes).
fn rank(log: &Value) -> u8 {
    let id = json::raw(log, "Id").unwrap_or_default().to_ascii_lowercase();
    let name = json::raw(log, "Name").unwrap_or_default().to_ascii_lowercase();
    match json::raw(log, "LogEntryType") {
        Some("SEL") => return 5,
        _ if id == "sel" || name.contains("system event log") => return 4,
        // HPE: the integrated management log.
        _ if id == "iml" => return 3,
        Some("Event") => return 2,
        _ => {}
    }
    let eventful = ["eventlog", "event log", "event_log"].iter().any(|word| id.contains(word) || name.contains(word));
    u8::from(eventful)
}

fn entry(value: &Value) -> LogEntry {
    let message = json::text(value, "Message").or_else(|| json::text(value, "Name"));
    LogEntry {
        id: json::text(value, "Id"),
        created: json::text(value, "Created"),
        severity: json::text(value, "Severity"),
        message: message.unwrap_or_else(|| "without a message".into()),
        message_id: json::text(value, "MessageId"),
        sensor: json::text(value, "SensorType"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_most_like_an_sel() {
        let ranks = [
            json!({"Id": "Log1", "LogEntryType": "SEL"}),
            json!({"Id": "Sel", "LogEntryType": "Multiple"}),
            json!({"Id": "IML"}),
            json!({"Id": "x", "LogEntryType": "Event"}),
            json!({"Id": "EventLog"}),
            json!({"Id": "AuditLog", "Name": "Audit"}),
            json!({"Id": 7}),
        ];
        assert_eq!(ranks.iter().map(rank).collect::<Vec<_>>(), [5, 4, 3, 2, 1, 0, 0]);
    }
}
