//! What can be done within a transaction.

use crate::domain::boot::Phase;
use crate::domain::boot::{Boot, Event};
use crate::domain::image::{Arch, Image, ImageRef};
use crate::domain::lifecycle::Desired;
use crate::domain::node::Node;
use crate::domain::offer::Offer;
use crate::domain::profile::Profile;
use crate::domain::{Mac, Micros, Name, NodeUuid, Sha256};
use crate::error::Result;
use higuma_proto::agent::Neighbour;
use higuma_proto::api::FirstStage;
use uuid::Uuid;

/// A transaction.
pub struct Tx<'a> {
    _conn: std::marker::PhantomData<&'a mut ()>,
}

/// A node with its present boot, as lists need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The node.
    pub node: Node,
    /// Its present or last boot.
    pub boot: Option<Boot>,
}

/// Which nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Part of UUID, host name, serial, product or MAC (case-insensitive substring; `%` and `_` are plain characters).
    pub text: Option<String>,
    /// With this profile.
    pub profile: Option<Name>,
}

/// How many nodes share what decides their lifecycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCount {
    /// Desired.
    pub desired: Desired,
    /// Phase of the present boot.
    pub phase: Option<Phase>,
    /// Heard from after the cut-off.
    pub alive: bool,
    /// Nodes.
    pub count: u64,
}

/// An inventory as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInventory {
    /// SHA-256 over `json`.
    pub hash: Sha256,
    /// The message as JSON.
    pub json: String,
    /// When it was reported.
    pub at: Micros,
}

#[allow(unused_variables, clippy::todo)]
impl Tx<'_> {
    // --- nodes ---
    /// By name.
    pub fn node(&mut self, uuid: &NodeUuid) -> Result<Option<Node>> {
        todo!()
    }
    /// Insert or replace.
    pub fn put_node(&mut self, node: &Node) -> Result<()> {
        todo!()
    }
    /// In order of UUID, after the cursor, with their present boots.
    pub fn nodes(&mut self, filter: &NodeFilter, after: Option<&NodeUuid>, limit: usize) -> Result<Vec<NodeRow>> {
        todo!()
    }
    /// For counting by lifecycle: grouped in the database. `alive_since`: heartbeats (or ReportUp) after it count.
    pub fn node_counts(&mut self, alive_since: Micros) -> Result<Vec<NodeCount>> {
        todo!()
    }
    /// Replace the node's list of MAC addresses.
    pub fn set_macs(&mut self, node: &NodeUuid, macs: &[Mac]) -> Result<()> {
        todo!()
    }
    /// Nodes that reported this MAC (indexed).
    pub fn nodes_by_mac(&mut self, mac: &Mac) -> Result<Vec<NodeUuid>> {
        todo!()
    }
    /// Replace the inventory.
    pub fn put_inventory(&mut self, node: &NodeUuid, inventory: &StoredInventory) -> Result<()> {
        todo!()
    }
    /// The last inventory.
    pub fn inventory(&mut self, node: &NodeUuid) -> Result<Option<StoredInventory>> {
        todo!()
    }
    /// Replace the neighbours (each stored as columns interface, chassis_id, port_id, system_name and the whole as JSON).
    pub fn put_neighbours(&mut self, node: &NodeUuid, neighbours: &[Neighbour], at: Micros) -> Result<()> {
        todo!()
    }
    /// Its neighbours, by interface.
    pub fn neighbours(&mut self, node: &NodeUuid) -> Result<Vec<Neighbour>> {
        todo!()
    }

    // --- offers ---
    /// Insert, and keep only the newest `keep` unbound ones of the same node (or of the same MAC when it has no node).
    pub fn put_offer(&mut self, offer: &Offer, keep: usize) -> Result<()> {
        todo!()
    }
    /// By hash of the nonce.
    pub fn offer(&mut self, nonce_hash: &Sha256) -> Result<Option<Offer>> {
        todo!()
    }
    /// Bind to a credential and a boot.
    pub fn bind_offer(&mut self, nonce_hash: &Sha256, credential_hash: &Sha256, boot: Uuid) -> Result<()> {
        todo!()
    }
    /// Remove unbound ones that expired before `before`, and bound ones whose boot has ended before it; at most `limit`.
    pub fn expire_offers(&mut self, before: Micros, limit: usize) -> Result<usize> {
        todo!()
    }

    // --- boots ---
    /// Insert or replace.
    pub fn put_boot(&mut self, boot: &Boot) -> Result<()> {
        todo!()
    }
    /// By id.
    pub fn boot(&mut self, id: Uuid) -> Result<Option<Boot>> {
        todo!()
    }
    /// By hash of the session credential.
    pub fn boot_by_session(&mut self, hash: &Sha256) -> Result<Option<Boot>> {
        todo!()
    }
    /// By hash of the callback credential.
    pub fn boot_by_callback(&mut self, hash: &Sha256) -> Result<Option<Boot>> {
        todo!()
    }
    /// Of a node, newest first; `before`: (started, id) of the last one seen.
    pub fn boots(&mut self, node: &NodeUuid, before: Option<(Micros, Uuid)>, limit: usize) -> Result<Vec<Boot>> {
        todo!()
    }
    /// Booting, with a deadline before `now`; at most `limit`.
    pub fn overdue_boots(&mut self, now: Micros, limit: usize) -> Result<Vec<Boot>> {
        todo!()
    }
    /// Store those with a new seq, as long as the boot has fewer than `max`; returns how many were new.
    pub fn add_events(&mut self, boot: Uuid, events: &[Event], received: Micros, max: usize) -> Result<u32> {
        todo!()
    }
    /// In order of seq.
    pub fn events(&mut self, boot: Uuid, limit: usize) -> Result<Vec<Event>> {
        todo!()
    }

    // --- images, blobs, first stages ---
    /// Insert; `Error::Conflict` when one of that name and version is there (nothing changed).
    pub fn insert_image(&mut self, image: &Image) -> Result<()> {
        todo!()
    }
    /// By reference.
    pub fn image(&mut self, image: &ImageRef) -> Result<Option<Image>> {
        todo!()
    }
    /// In order of (name, version).
    pub fn images(&mut self, after: Option<&ImageRef>, limit: usize) -> Result<Vec<Image>> {
        todo!()
    }
    /// False when there is none.
    pub fn delete_image(&mut self, image: &ImageRef) -> Result<bool> {
        todo!()
    }
    /// Names of profiles whose newest revision uses this image (at most 10), and whether any boot in phase
    /// registered/booting does not matter.
    pub fn profiles_with_image(&mut self, image: &ImageRef) -> Result<Vec<Name>> {
        todo!()
    }
    /// Record a blob that is durable in the blob store; again is no error.
    pub fn put_blob(&mut self, sha256: &Sha256, size: u64, at: Micros) -> Result<()> {
        todo!()
    }
    /// Its size.
    pub fn blob(&mut self, sha256: &Sha256) -> Result<Option<u64>> {
        todo!()
    }
    /// Forget blobs that nothing refers to (image parts, first stages) and that were made before `before`; returns them.
    pub fn forget_unused_blobs(&mut self, before: Micros, limit: usize) -> Result<Vec<Sha256>> {
        todo!()
    }
    /// Use from now on (one per architecture; older rows are kept for history).
    pub fn put_first_stage(&mut self, stage: &FirstStage) -> Result<()> {
        todo!()
    }
    /// The one in use.
    pub fn first_stage(&mut self, arch: Arch) -> Result<Option<FirstStage>> {
        todo!()
    }

    // --- profiles ---
    /// Insert a revision (profile row with its newest revision number, revision row); `Error::Conflict` when that revision exists.
    pub fn insert_profile_revision(&mut self, profile: &Profile) -> Result<()> {
        todo!()
    }
    /// The newest revision.
    pub fn profile(&mut self, name: &Name) -> Result<Option<Profile>> {
        todo!()
    }
    /// Newest revisions, in order of name, each with the number of nodes it is assigned to.
    pub fn profiles(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<(Profile, u64)>> {
        todo!()
    }
    /// Nodes it is assigned to.
    pub fn nodes_with_profile(&mut self, name: &Name) -> Result<u64> {
        todo!()
    }
    /// With all revisions; false when there is none.
    pub fn delete_profile(&mut self, name: &Name) -> Result<bool> {
        todo!()
    }

    // --- people ---
    /// Store the hash of an API token.
    pub fn put_token(&mut self, hash: &Sha256, name: &str, at: Micros) -> Result<()> {
        todo!()
    }
    /// Name of the token with this hash.
    pub fn token(&mut self, hash: &Sha256) -> Result<Option<String>> {
        todo!()
    }
    /// How many there are.
    pub fn token_count(&mut self) -> Result<u64> {
        todo!()
    }
    /// Store the hash of a browser session.
    pub fn put_session(&mut self, hash: &Sha256, token_name: &str, expires: Micros) -> Result<()> {
        todo!()
    }
    /// Token name of a session that has not expired at `now`.
    pub fn session(&mut self, hash: &Sha256, now: Micros) -> Result<Option<String>> {
        todo!()
    }
    /// Log out; and drop what expired before `now`.
    pub fn delete_session(&mut self, hash: &Sha256, now: Micros) -> Result<()> {
        todo!()
    }

    // --- settings of the installation that all servers share ---
    /// A value.
    pub fn setting(&mut self, key: &str) -> Result<Option<String>> {
        todo!()
    }
    /// Insert when absent; returns the value that is there afterwards.
    pub fn setting_or_insert(&mut self, key: &str, value: &str) -> Result<String> {
        todo!()
    }
}
