//! Register: a machine says who it is and what it is made of, and a boot begins. All of it is one transaction, so an
//! acknowledged registration survives a crash at any instant, and the same request again gives the same answer.

use super::{App, events, firmware};
use crate::domain::boot::{Boot, Phase, clean};
use crate::domain::node::{Admission, Node, admit_unknown};
use crate::domain::offer::{self, Offer, Refusal, Verdict};
use crate::domain::secret::Secret;
use crate::domain::{Mac, Micros, NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::store::{StoredInventory, Tx};
use higuma_proto::agent::{Inventory, Neighbour};
use uuid::Uuid;

/// What an agent says.
#[derive(Debug, Clone)]
pub struct Registration {
    /// From the script.
    pub nonce: Secret,
    /// Made by the agent.
    pub credential: Secret,
    /// What it says it is called; none when the firmware tells nothing.
    pub uuid: Option<NodeUuid>,
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
}

/// JSON bytes kept of an inventory; a larger one is not stored, and the node boots all the same.
pub const INVENTORY_MAX: usize = 4 * 1024 * 1024;
/// Ended boots kept of one node, with their events.
pub const BOOTS_KEPT: usize = 30;
/// Neighbours and MAC addresses kept of one node.
pub const PORTS_MAX: usize = 512;

enum Outcome {
    New(Registered),
    Replay(Registered),
    Refused(Refusal),
}

/// Register. A UUID that is a placeholder names nobody: the MAC does. Errors: `Forbidden` with what to do when it is refused; the database.
pub async fn register(app: &App, mut request: Registration) -> Result<Registered> {
    request.uuid = request.uuid.filter(|uuid| !uuid.is_placeholder());
    let now = app.now();
    let policy = app.settings.admission;
    let new_boot = Uuid::new_v4();
    let inventory = stored_inventory(&request.inventory, now)?;
    let claim = format!(
        "{:?}, booted from {:?}",
        request.uuid.as_ref().map(NodeUuid::as_str),
        request.boot_mac.as_ref().map(Mac::as_str)
    );
    let facts = Facts { request, inventory, new_boot, now };
    let outcome = app
        .store
        .write(move |tx| {
            let request = &facts.request;
            let nonce = request.nonce.hash();
            let credential = request.credential.hash();
            let offer = tx.offer(&nonce)?;
            let macs = macs(request);
            let name = name(request, offer.as_ref());
            match offer::decide(offer.as_ref(), facts.now, name.as_ref(), &macs, &credential) {
                Verdict::Refuse(refusal) => Ok(Outcome::Refused(refusal)),
                Verdict::Replay(boot) => {
                    let node = tx.boot(boot)?.map(|b| b.node).or(name);
                    let node = node.ok_or_else(|| Error::internal(format!("boot {boot} of an offer has no node")))?;
                    Ok(Outcome::Replay(Registered { node, boot }))
                }
                Verdict::Accept => {
                    let (Some(uuid), Some(offer)) = (name, offer) else {
                        return Ok(Outcome::Refused(Refusal::OtherNode));
                    };
                    let known = tx.node(&uuid)?;
                    if let Some(refusal) = refuse_claim(tx, &offer, known.as_ref())? {
                        return Ok(Outcome::Refused(refusal));
                    }
                    let node = match known {
                        Some(node) => node,
                        None => match admit_unknown(policy) {
                            Some(admission) => Node::new(uuid.clone(), admission, facts.now),
                            None => return Ok(Outcome::Refused(Refusal::NotKnown)),
                        },
                    };
                    begin(tx, node, &offer, &credential, &macs, &facts)?;
                    Ok(Outcome::New(Registered { node: uuid, boot: facts.new_boot }))
                }
            }
        })
        .await?;
    answer(outcome, &claim)
}

struct Facts {
    request: Registration,
    inventory: Option<StoredInventory>,
    new_boot: Uuid,
    now: Micros,
}

/// A nonce that names only a MAC must not let its holder take a known node's name; nor may one whom a person refused.
fn refuse_claim(tx: &mut Tx<'_>, offer: &Offer, known: Option<&Node>) -> Result<Option<Refusal>> {
    let Some(node) = known else { return Ok(None) };
    if node.retired || node.admission == Admission::Rejected {
        return Ok(Some(Refusal::Rejected));
    }
    if let (None, Some(mac)) = (&offer.node, &offer.mac)
        && !tx.nodes_by_mac(mac)?.contains(&node.uuid)
    {
        return Ok(Some(Refusal::OtherNode));
    }
    Ok(None)
}

fn begin(
    tx: &mut Tx<'_>,
    mut node: Node,
    offer: &Offer,
    credential: &Sha256,
    macs: &[Mac],
    facts: &Facts,
) -> Result<()> {
    let ended = match node.boot {
        Some(id) => tx.boot(id)?,
        None => None,
    };
    let system = facts.request.inventory.system.clone().unwrap_or_default();
    node.manufacturer = clean(system.manufacturer.trim(), 200);
    node.product = clean(system.product.trim(), 200);
    node.serial = clean(system.serial.trim(), 200);
    node.boot_mac = facts.request.boot_mac.clone().or_else(|| offer.mac.clone()).or(node.boot_mac);
    node.boot = Some(facts.new_boot);
    node.last_seen = facts.now;
    if let Some(inventory) = &facts.inventory {
        node.inventory_hash = Some(inventory.hash.clone());
    }
    tx.put_node(&node)?;
    if let Some(mut old) = ended
        && old.advance(Phase::Ended)
    {
        tx.put_boot(&old)?;
    }
    let boot = Boot::new(facts.new_boot, node.uuid.clone(), credential.clone(), offer.http_base.clone(), facts.now);
    tx.put_boot(&boot)?;
    tx.prune_boots(&node.uuid, BOOTS_KEPT)?;
    tx.bind_offer(&offer.nonce_hash, credential, boot.id)?;
    tx.set_macs(&node.uuid, macs)?;
    if let Some(inventory) = &facts.inventory {
        tx.put_inventory(&node.uuid, inventory)?;
    }
    tx.put_neighbours(&node.uuid, &events::clean_neighbours(&facts.request.neighbours), facts.now)?;
    firmware::at_register(tx, &boot, &facts.request.inventory, facts.now)
}

/// The name that counts: what the agent read; else what iPXE read; else one made of the MAC.
fn name(request: &Registration, offer: Option<&Offer>) -> Option<NodeUuid> {
    request
        .uuid
        .clone()
        .or_else(|| offer.and_then(|o| o.node.clone()))
        .or_else(|| request.boot_mac.as_ref().or(offer.and_then(|o| o.mac.as_ref())).map(NodeUuid::from_mac))
}

fn macs(request: &Registration) -> Vec<Mac> {
    let reported = request.inventory.nics.iter().filter_map(|nic| nic.mac.parse().ok());
    let mut macs: Vec<Mac> = reported.chain(request.boot_mac.clone()).take(PORTS_MAX).collect();
    macs.sort();
    macs.dedup();
    macs
}

fn stored_inventory(inventory: &Inventory, now: Micros) -> Result<Option<StoredInventory>> {
    let json = serde_json::to_string(inventory).map_err(Error::internal)?;
    if json.len() > INVENTORY_MAX {
        tracing::warn!(bytes = json.len(), limit = INVENTORY_MAX, "an inventory over the limit was not stored");
        return Ok(None);
    }
    Ok(Some(StoredInventory { hash: Sha256::of(&json), json, at: now }))
}

fn answer(outcome: Outcome, claim: &str) -> Result<Registered> {
    let (result, answer) = match outcome {
        Outcome::New(registered) => {
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
