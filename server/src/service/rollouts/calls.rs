//! What rollouts ask of somebody over HTTP: hooks that move the load, and an operator's check. Each call is taken for a
//! short time, tried, and tried again until it is answered or its deadline has passed; a server that dies in the middle is
//! followed by another. What goes over the wire is [`Caller`]'s.

use super::find;
use crate::domain::boot::clean;
use crate::domain::ids::{Invalid, Micros, NodeUuid};
use crate::domain::ipam::Kind;
use crate::domain::rollout::{Call, CallState, Hooks, Record, Task};
use crate::domain::vault::{MasterKey, Place};
use crate::error::{Error, Result};
use crate::service::{App, random_bytes, vault};
use crate::store::{LeaseClient, LeaseFilter, Tx};
use crate::vault::Vault;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;
use zeroize::Zeroizing;

const SECOND: Micros = 1_000_000;
/// Calls of one server at once.
const AT_ONCE: usize = 256;
/// Calls taken in one transaction.
const TAKE_MAX: usize = 64;
/// While some run, others become due.
const LOOK: Duration = Duration::from_millis(500);
/// A server that took a call and was not heard from for so long has lost it.
const TAKEN: Micros = 30 * SECOND;
/// Between two tries.
const AGAIN: Micros = 5 * SECOND;
/// "Not yet, ask again" (RFC 9110 15.3.3).
const ACCEPTED: u16 = 202;
/// Leases of one node that are looked at.
const LEASES: usize = 32;
/// Bytes kept of an answer.
const MESSAGE_MAX: usize = 300;
/// What a hook's secret is sealed as.
const PURPOSE: &str = "rollout-hook";

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whole.
    pub url: String,
    /// A POST with this JSON; none: a GET.
    pub body: Option<String>,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// Sends a request.
pub trait Caller: Send + Sync {
    /// The status of the answer, or why there is none, in words without secrets; within ten seconds.
    fn ask(&self, asked: Asked) -> BoxFuture<'_, std::result::Result<u16, String>>;
}

/// Try calls whose time has come, and comes meanwhile, until there are none; how many tries there were. Each answer is
/// written down when it comes: an address that is slow keeps nobody else.
pub async fn call_once(app: &App, caller: &dyn Caller) -> Result<usize> {
    let mut running = FuturesUnordered::new();
    let (mut tried, mut failed) = (0, None);
    loop {
        let room = AT_ONCE.saturating_sub(running.len()).min(TAKE_MAX);
        if room > 0 && failed.is_none() {
            match take(app, room).await {
                Ok(taken) => running.extend(taken.into_iter().map(|task| attempt(app, caller, task))),
                Err(error) => failed = Some(error),
            }
        }
        if running.is_empty() {
            return failed.map_or(Ok(tried), Err);
        }
        let mut done = tokio::time::timeout(LOOK, running.next()).await.ok().flatten();
        while let Some(result) = done {
            tried += 1;
            if let Err(error) = result {
                // What runs ends; what was taken is taken again later.
                failed.get_or_insert(error);
            }
            done = running.next().now_or_never().flatten();
        }
    }
}

/// Calls that are due are this server's for a time.
async fn take(app: &App, most: usize) -> Result<Vec<Task>> {
    let now = app.now();
    let due = app.store.read(move |tx| tx.due_calls(now, most)).await?;
    if due.is_empty() {
        return Ok(due);
    }
    app.store
        .write(move |tx| {
            let mut taken = Vec::new();
            for task in &due {
                let mine = Task { attempts: task.attempts.saturating_add(1), due: now + TAKEN, ..task.clone() };
                if tx.step_call(task, &mine)? {
                    taken.push(mine);
                }
            }
            Ok(taken)
        })
        .await
}

async fn attempt(app: &App, caller: &dyn Caller, task: Task) -> Result<()> {
    let answer = match app.now() > task.deadline && task.attempts > 1 {
        // The server was away until then.
        true => Err(task.message.clone()),
        false => match request(app, &task).await {
            Ok(Ok(asked)) => caller.ask(asked).await,
            Ok(Err(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        },
    };
    let now = app.now();
    let (state, message) = match answer {
        Ok(ACCEPTED) => (CallState::Waiting, "it answered 202: not yet".to_owned()),
        Ok(status) if (200..300).contains(&status) => (CallState::Ok, format!("it answered {status}")),
        Ok(status) => (CallState::Waiting, format!("expected a status of 2xx, got {status}")),
        Err(why) => (CallState::Waiting, why),
    };
    let over = state == CallState::Waiting && now.saturating_add(AGAIN) > task.deadline;
    let after = Task {
        state: if over { CallState::Failed } else { state },
        message: clean(&message, MESSAGE_MAX),
        due: now.saturating_add(AGAIN),
        ..task.clone()
    };
    metrics::counter!("higuma_rollout_calls_total", "call" => task.call.as_str(), "result" => after.state.as_str())
        .increment(1);
    app.store.write(move |tx| tx.step_call(&task, &after)).await?;
    Ok(())
}

/// What is to be sent; `Err`: why it cannot be.
async fn request(app: &App, task: &Task) -> Result<std::result::Result<Asked, String>> {
    let (wanted, now) = (task.clone(), app.now());
    let (record, name, address) = app
        .store
        .read(move |tx| {
            let record = find(tx, wanted.rollout)?;
            let node = tx.node(&wanted.node)?.ok_or_else(|| Error::NotFound("the node was deleted".to_owned()))?;
            Ok((record, node.hostname.to_string(), address_of(tx, &wanted.node, now)?))
        })
        .await?;
    let spec = &record.rollout.spec;
    let template = match task.call {
        Call::Check => &spec.check,
        Call::Drain => &spec.hooks.drain,
        Call::Undrain => &spec.hooks.undrain,
    };
    let Some(template) = template else { return Ok(Err("it has no address to ask".to_owned())) };
    let url = match fill(template, &name, address, &task.node) {
        Ok(url) => url,
        Err(why) => return Ok(Err(why)),
    };
    if task.call == Call::Check {
        return Ok(Ok(Asked { url, body: None, headers: Vec::new() }));
    }
    let Some((sealed, key)) = &record.sealed else {
        return Ok(Err("the rollout has no secret to sign with".to_owned()));
    };
    let owner = owner(record.id)?;
    let secret = vault::open(&app.vault, key, &Place { purpose: PURPOSE, node: &owner, row: record.id }, sealed)?;
    let body = body(&record, task, &name, address);
    let at = (now / SECOND).to_string();
    let signature = sign(&secret, &at, &body)?;
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("higuma-id", format!("{}/{}", record.id, task.id)),
        ("higuma-timestamp", at),
        ("higuma-signature", format!("sha256={signature}")),
    ];
    Ok(Ok(Asked { url, body: Some(body), headers }))
}

/// HMAC-SHA256 (RFC 2104) over `TIMESTAMP.BODY`, in hexadecimal digits.
fn sign(secret: &[u8], at: &str, body: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::internal)?;
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

fn body(record: &Record, task: &Task, hostname: &str, address: Option<IpAddr>) -> String {
    serde_json::json!({
        "action": task.call.as_str(),
        "rollout": record.id.to_string(),
        "profile": record.rollout.profile.as_str(),
        "revision": record.rollout.revision,
        "node": task.node.as_str(),
        "hostname": hostname,
        "address": address,
        "attempt": task.attempts,
    })
    .to_string()
}

/// With a node's names in it. What is put in has no character that means anything in a URL.
fn fill(template: &str, name: &str, address: Option<IpAddr>, node: &NodeUuid) -> std::result::Result<String, String> {
    let address = match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        None if template.contains("{address}") => {
            return Err(
                "no address of the node is known: neither reserved in a pool nor leased by this DHCP server".to_owned()
            );
        }
        None => String::new(),
    };
    Ok(template.replace("{hostname}", name).replace("{address}", &address).replace("{uuid}", node.as_str()))
}

/// Where the node's system is reached: what is reserved for it, else its newest lease.
fn address_of(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<Option<IpAddr>> {
    let mut given = tx.addresses_of(node)?;
    // What DHCP gives it comes before what its devices have.
    given.sort_by_key(|row| !row.device.is_empty());
    let reserved = given.into_iter().find(|row| row.kind == Kind::Node && row.released.is_none());
    if let Some(row) = reserved {
        return Ok(Some(row.address));
    }
    let macs = tx.nics(node)?.iter().filter_map(|(_, mac)| mac.parse().ok()).collect();
    let client = Some(LeaseClient { uuids: vec![node.clone()], macs });
    let leases = tx.leases(&LeaseFilter { client, ..LeaseFilter::default() }, None, LEASES)?;
    let newest = leases.into_iter().filter(|lease| lease.expires > now).max_by_key(|lease| lease.seen);
    Ok(newest.map(|lease| IpAddr::V4(lease.address)))
}

/// The secret that hooks need. Errors: hooks without one, or one that is none.
pub(super) fn secret(hooks: &Hooks, given: Option<String>) -> Result<Option<Zeroizing<String>>> {
    let given = given.map(Zeroizing::new);
    match given {
        None if hooks.any() => Err(Error::BadRequest(
            "hook_secret: expected 16 to 256 printable ASCII characters, got none: what hooks are sent is signed"
                .to_owned(),
        )),
        Some(secret) if !(16..=256).contains(&secret.len()) || !secret.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Error::BadRequest("hook_secret: expected 16 to 256 printable ASCII characters".to_owned()))
        }
        given => Ok(given.filter(|_| hooks.any())),
    }
}

fn owner(rollout: Uuid) -> std::result::Result<NodeUuid, Invalid> {
    rollout.to_string().parse()
}

/// For the record of a rollout.
pub(super) fn seal(tx: &mut Tx<'_>, keys: &Vault, rollout: Uuid, secret: &str) -> Result<(String, String)> {
    let owner = owner(rollout)?;
    vault::seal(tx, keys, &Place { purpose: PURPOSE, node: &owner, row: rollout }, secret.as_bytes())
}

/// Seal some secrets with the new key; how many.
pub(in crate::service) fn reseal(tx: &mut Tx<'_>, old: &MasterKey, new: &MasterKey, most: usize) -> Result<usize> {
    let rows = tx.rollouts_sealed_with(old.id(), most)?;
    let count = rows.len();
    for mut row in rows {
        let owner = owner(row.id)?;
        let place = Place { purpose: PURPOSE, node: &owner, row: row.id };
        if let Some((sealed, key)) = &mut row.sealed {
            let plain = old.open(&place, sealed)?;
            *sealed = new.seal(random_bytes()?, &place, &plain)?;
            new.id().clone_into(key);
        }
        tx.put_rollout(&row)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_go_into_an_address() {
        let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
        let v6: IpAddr = "fd00::7".parse().unwrap();
        let url = fill("https://{address}:8443/{hostname}?u={uuid}", "web-1", Some(v6), &node).unwrap();
        assert_eq!(url, "https://[fd00::7]:8443/web-1?u=4c4c4544-0046-3010-8052-b4c04f4a4d32");
        assert!(fill("http://{address}/", "web-1", None, &node).unwrap_err().contains("no address"));
        assert_eq!(fill("http://{hostname}/", "web-1", None, &node).unwrap(), "http://web-1/");
    }

    /// The value of `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
    #[test]
    fn the_signature_is_what_openssl_makes() {
        let ours = sign(b"0123456789abcdef", "1700000000", "{}").unwrap();
        assert_eq!(ours, "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e");
    }
}
