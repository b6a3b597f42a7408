//! Register: a machine says who it is and what it is made of, and a boot begins. All of it is one transaction, so an
//! acknowledged registration survives a crash at any instant, and the same request again gives the same answer.

mod identity;

use super::{App, cabling, enrol, events, facts as kept_facts, firmware, history, install, rules};
use crate::domain::boot::{Boot, Phase, clean};
use crate::domain::identity::Claim;
use crate::domain::node::{Admission, Node};
use crate::domain::offer::{self, Offer, Refusal, Verdict};
use crate::domain::secret::Secret;
use crate::domain::{Mac, Micros, NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::agent::{Inventory, Neighbour};
use uuid::Uuid;

/// What an agent says.
#[derive(Debug, Clone)]
pub struct Registration {
    /// From the script.
    pub nonce: Secret,
    /// Made by the agent.
    pub credential: Secret,
    /// The UUID as its firmware tells it, perhaps a placeholder; none when it tells nothing.
    pub uuid: Option<NodeUuid>,
    /// The node's name as the script gave it, for the log alone.
    pub node: Option<NodeUuid>,
    /// MAC that it booted from.
    pub boot_mac: Option<Mac>,
    /// What it is made of.
    pub inventory: Inventory,
    /// Switch ports seen so far.
    pub neighbours: Vec<Neighbour>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The node.
    pub node: NodeUuid,
    /// Its boot.
    pub boot: Uuid,
    /// How long it may still wait for LLDP neighbours, microseconds from when it began to listen.
    pub lldp_wait: Micros,
}

/// JSON bytes kept of an inventory; a larger one is not stored, and the node boots all the same.
pub const INVENTORY_MAX: usize = 4 * 1024 * 1024;
/// Ended boots kept of one node, with their events.
pub const BOOTS_KEPT: usize = 30;
/// Neighbours and MAC addresses kept of one node.
pub const PORTS_MAX: usize = 512;

enum Outcome {
    New(Registered, history::Recorded),
    Replay(Registered),
    Refused(Refusal),
}

/// Register. Which node it is follows from all that iPXE and the agent told (see [`crate::domain::identity`]). Errors:
/// `Forbidden` with what to do when it is refused; the database.
pub async fn register(app: &App, request: Registration) -> Result<Registered> {
    let now = app.now();
    let policy = app.settings.admission;
    let new_boot = Uuid::new_v4();
    let inventory = history::prepare(&request.inventory, INVENTORY_MAX)?;
    let words = format!(
        "{:?}, booted from {:?}",
        request.uuid.as_ref().map(NodeUuid::as_str),
        request.boot_mac.as_ref().map(Mac::as_str)
    );
    let named = request.node.clone();
    let alive_since = now - app.settings.heartbeat_timeout;
    let claim = identity::claim(&request);
    let (ports, told) = (macs(&request, &claim), claim.uuid.clone());
    let facts =
        Facts { request, claim, inventory, new_boot, now, rules: cabling::Rules::of(app), vault: app.vault.clone() };
    let outcome = app
        .store
        .write(move |tx| {
            let request = &facts.request;
            let nonce = request.nonce.hash();
            let credential = request.credential.hash();
            let offer = tx.offer(&nonce)?;
            match offer::decide(offer.as_ref(), facts.now, &facts.claim, &credential) {
                Verdict::Refuse(refusal) => Ok(Outcome::Refused(refusal)),
                Verdict::Replay(boot) => {
                    let node = tx.boot(boot)?.map(|b| b.node).or(offer.and_then(|o| o.node));
                    let node = node.ok_or_else(|| Error::internal(format!("boot {boot} of an offer has no node")))?;
                    let lldp_wait = cabling::wait_again(tx, &node, &request.inventory, facts.rules)?;
                    Ok(Outcome::Replay(Registered { node, boot, lldp_wait }))
                }
                Verdict::Accept => {
                    let Some(offer) = offer else { return Ok(Outcome::Refused(Refusal::OtherNode)) };
                    let Some(found) = identity::find(tx, &offer, &facts.claim, alive_since)? else {
                        return Ok(Outcome::Refused(Refusal::OtherNode));
                    };
                    let uuid = found.who.name.clone();
                    let mut known = tx.node(&uuid)?;
                    if known.as_ref().is_some_and(|node| node.retired || node.admission == Admission::Rejected) {
                        return Ok(Outcome::Refused(Refusal::Rejected));
                    }
                    let conflict = identity::in_question(tx, &found)?;
                    let expected = match conflict {
                        true => None,
                        false => enrol::expected(tx, &uuid, found.claim.uuid.as_ref(), facts.now)?,
                    };
                    if let Some(expected) = &expected {
                        known = Some(enrol::admit(known, &uuid, expected, facts.now));
                    }
                    let arrival = rules::Arrival {
                        uuid: &uuid,
                        inventory: &request.inventory,
                        neighbours: &request.neighbours,
                        conflict,
                        now: facts.now,
                    };
                    let Some(node) = rules::receive(tx, policy, known, &arrival)? else {
                        return Ok(Outcome::Refused(Refusal::NotKnown));
                    };
                    let (lldp_wait, recorded) = begin(tx, node, &offer, &credential, &found, &facts)?;
                    identity::record(tx, &found, request.uuid.clone(), facts.now)?;
                    if let Some(expected) = expected {
                        enrol::arrived(tx, &facts.vault, &uuid, expected, facts.now)?;
                    }
                    Ok(Outcome::New(Registered { node: uuid, boot: facts.new_boot, lldp_wait }, recorded))
                }
            }
        })
        .await?;
    let answer = answer(outcome, &words);
    if let Ok(Registered { node, .. }) = &answer {
        app.exchanges.adopt(node, &ports, told.as_ref(), now);
    }
    if let (Some(named), Ok(Registered { node, .. })) = (named, &answer)
        && named != *node
    {
        // iPXE knew less than the agent; or the node was merged since.
        tracing::info!(%node, script = %named, "the script called this machine {named}, its facts say {node}");
    }
    answer
}

struct Facts {
    request: Registration,
    claim: Claim,
    inventory: history::Report,
    new_boot: Uuid,
    now: Micros,
    rules: cabling::Rules,
    vault: crate::vault::Vault,
}

fn begin(
    tx: &mut Tx<'_>,
    mut node: Node,
    offer: &Offer,
    credential: &Sha256,
    found: &identity::Found,
    facts: &Facts,
) -> Result<(Micros, history::Recorded)> {
    let ended = match node.boot {
        Some(id) => tx.boot(id)?,
        None => None,
    };
    name_hardware(&mut node, &facts.request.inventory);
    identity::complete_node(&mut node, found);
    node.boot_mac = facts.request.boot_mac.clone().or_else(|| offer.mac.clone()).or(node.boot_mac);
    node.boot = Some(facts.new_boot);
    node.last_seen = facts.now;
    tx.put_node(&node)?;
    if let Some(mut old) = ended
        && old.advance(Phase::Ended)
    {
        tx.put_boot(&old)?;
    }
    let mut boot = Boot::new(facts.new_boot, node.uuid.clone(), credential.clone(), offer.http_base.clone(), facts.now);
    tx.put_boot(&boot)?;
    install::at_register(tx, &mut boot, &node, facts.now)?;
    tx.prune_boots(&node.uuid, BOOTS_KEPT)?;
    tx.bind_offer(&offer.nonce_hash, credential, boot.id)?;
    // Templates may tell of its hardware.
    tx.stale_node(&node.uuid)?;
    tx.set_macs(&node.uuid, &macs(&facts.request, &found.claim))?;
    let neighbours = events::clean_neighbours(&facts.request.neighbours);
    kept_facts::remember(tx, &node.uuid, &facts.request.inventory, &neighbours, facts.now)?;
    tx.put_neighbours(&node.uuid, &neighbours, facts.now)?;
    firmware::at_register(tx, &boot, &facts.request.inventory, facts.now)?;
    let recorded = history::record(tx, &node.uuid, &facts.inventory, facts.now)?;
    let wait = cabling::begin(tx, &node, &boot, &facts.request.inventory, &neighbours, facts.rules)?;
    Ok((wait, recorded))
}

/// What people call the machine, as it says itself.
pub(super) fn name_hardware(node: &mut Node, inventory: &Inventory) {
    let Some(system) = &inventory.system else { return };
    node.manufacturer = clean(system.manufacturer.trim(), 200);
    node.product = clean(system.product.trim(), 200);
    node.serial = clean(system.serial.trim(), 200);
}

/// All that are known of, also those that identify nobody.
fn macs(request: &Registration, claim: &Claim) -> Vec<Mac> {
    let reported = request.inventory.nics.iter().filter_map(|nic| nic.mac.parse().ok());
    let mut macs: Vec<Mac> = claim.macs.iter().cloned().chain(request.boot_mac.clone()).collect();
    macs.extend(reported.take(PORTS_MAX));
    macs.sort();
    macs.dedup();
    macs
}

fn answer(outcome: Outcome, claim: &str) -> Result<Registered> {
    let (result, answer) = match outcome {
        Outcome::New(registered, recorded) => {
            recorded.count();
            tracing::info!(node = %registered.node, boot = %registered.boot, "node {} registered", registered.node);
            ("new", Ok(registered))
        }
        Outcome::Replay(registered) => ("replay", Ok(registered)),
        Outcome::Refused(refusal) => {
            tracing::warn!(reason = refusal.as_str(), claim, "Register refused ({claim}): {}", refusal.explain());
            (refusal.as_str(), Err(Error::Forbidden(refusal.explain().to_owned())))
        }
    };
    metrics::counter!("higuma_registers_total", "result" => result).increment(1);
    answer
}
