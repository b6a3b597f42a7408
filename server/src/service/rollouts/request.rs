//! What goes to a hook or a check: the address with a node's names in it, the JSON, the signature; or the program and its
//! environment. And the secret that signs: sealed as long as its rollout is kept, never told.

use super::asked::{Asked, Ran, program};
use super::find;
use crate::domain::boot::Phase;
use crate::domain::ids::{Invalid, Micros, NodeUuid};
use crate::domain::ipam::Kind;
use crate::domain::node::Node;
use crate::domain::rollout::{Call, Hooks, Record, Task, command_of};
use crate::domain::vault::{MasterKey, Place};
use crate::error::{Error, Result};
use crate::service::{App, random_bytes, vault};
use crate::store::{LeaseClient, LeaseFilter, Tx};
use crate::vault::Vault;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use uuid::Uuid;
use zeroize::Zeroizing;

const SECOND: Micros = 1_000_000;
/// Leases of one node that are looked at.
const LEASES: usize = 32;
/// What a hook's secret is sealed as.
const PURPOSE: &str = "rollout-hook";

/// What one call is.
pub(super) enum Wanted {
    Request(Asked),
    Program(Ran),
}

/// What is to be sent or run; `Err`: why it cannot be.
pub(super) async fn request(app: &App, task: &Task) -> Result<std::result::Result<Wanted, String>> {
    let (wanted, now) = (task.clone(), app.now());
    let (record, name, address) = app
        .store
        .read(move |tx| {
            let record = find(tx, wanted.rollout)?;
            let node = tx.node(&wanted.node)?.ok_or_else(|| Error::NotFound("the node was deleted".to_owned()))?;
            Ok((record, node.hostname.to_string(), address_of(tx, &node, now)?))
        })
        .await?;
    let spec = &record.rollout.spec;
    let template = match task.call {
        Call::Check => &spec.check,
        Call::Drain => &spec.hooks.drain,
        Call::Undrain => &spec.hooks.undrain,
    };
    let Some(template) = template else { return Ok(Err("it has no address to ask".to_owned())) };
    if let Some(command) = command_of(template) {
        let program = program(app.settings.hook_dir.as_deref(), command)?;
        let (env, body) = (env(&record, task, &name, address), body(&record, task, &name, address));
        return Ok(Ok(Wanted::Program(Ran { program, env, body })));
    }
    let url = match fill(template, &name, address, &task.node) {
        Ok(url) => url,
        Err(why) => return Ok(Err(why)),
    };
    if task.call == Call::Check {
        return Ok(Ok(Wanted::Request(Asked { url, body: None, headers: Vec::new() })));
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
        ("higuma-id", wish(&record, task)),
        ("higuma-timestamp", at),
        ("higuma-signature", format!("sha256={signature}")),
    ];
    Ok(Ok(Wanted::Request(Asked { url, body: Some(body), headers })))
}

/// The same at each try.
fn wish(record: &Record, task: &Task) -> String {
    format!("{}/{}", record.id, task.id)
}

/// What a program finds in its environment: for shells, the values of the JSON.
fn env(record: &Record, task: &Task, hostname: &str, address: Option<IpAddr>) -> Vec<(&'static str, String)> {
    vec![
        ("HIGUMA_ACTION", task.call.to_string()),
        ("HIGUMA_ID", wish(record, task)),
        ("HIGUMA_ROLLOUT", record.id.to_string()),
        ("HIGUMA_PROFILE", record.rollout.profile.to_string()),
        ("HIGUMA_REVISION", record.rollout.revision.to_string()),
        ("HIGUMA_NODE", task.node.to_string()),
        ("HIGUMA_HOSTNAME", hostname.to_owned()),
        ("HIGUMA_ADDRESS", address.map(|address| address.to_string()).unwrap_or_default()),
        ("HIGUMA_ATTEMPT", task.attempts.to_string()),
    ]
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
                "no address of the node is known: it is not reserved in a pool, nor leased by this DHCP server, nor was its running \
                 system heard from one: write {hostname}"
                    .to_owned(),
            );
        }
        None => String::new(),
    };
    Ok(template.replace("{hostname}", name).replace("{address}", &address).replace("{uuid}", node.as_str()))
}

/// Where the node's system is reached: what is reserved for it, else its newest lease, else from where the system that runs now was
/// heard last, for another DHCP server may have given it its address.
fn address_of(tx: &mut Tx<'_>, node: &Node, now: Micros) -> Result<Option<IpAddr>> {
    let mut given = tx.addresses_of(&node.uuid)?;
    // What DHCP gives it comes before what its devices have.
    given.sort_by_key(|row| !row.device.is_empty());
    let reserved = given.into_iter().find(|row| row.kind == Kind::Node && row.released.is_none());
    if let Some(row) = reserved {
        return Ok(Some(row.address));
    }
    let macs = tx.nics(&node.uuid)?.iter().filter_map(|(_, mac)| mac.parse().ok()).collect();
    let client = Some(LeaseClient { uuids: vec![node.uuid.clone()], macs });
    let leases = tx.leases(&LeaseFilter { client, ..LeaseFilter::default() }, None, LEASES)?;
    let newest = leases.into_iter().filter(|lease| lease.expires > now).max_by_key(|lease| lease.seen);
    if let Some(lease) = newest {
        return Ok(Some(IpAddr::V4(lease.address)));
    }
    let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
    Ok(boot.filter(|boot| boot.phase == Phase::Running).and_then(|boot| boot.address))
}

/// The secret that hooks need. Errors: hooks without one, or one that is none.
pub(super) fn secret(hooks: &Hooks, given: Option<String>) -> Result<Option<Zeroizing<String>>> {
    let given = given.map(Zeroizing::new);
    match given {
        None if hooks.are_signed() => Err(Error::BadRequest(
            "hook_secret: expected 16 to 256 printable ASCII characters, got none: what hooks are sent is signed"
                .to_owned(),
        )),
        Some(secret) if !(16..=256).contains(&secret.len()) || !secret.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Error::BadRequest("hook_secret: expected 16 to 256 printable ASCII characters".to_owned()))
        }
        given => Ok(given.filter(|_| hooks.are_signed())),
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
            let plain = old.open(&place, sealed).map_err(|error| {
                Error::internal(format!("the hook secret of rollout {} cannot be sealed anew: {error}", row.id))
            })?;
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
