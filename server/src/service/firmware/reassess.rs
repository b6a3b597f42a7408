//! When the rules change, every node is judged anew, in small transactions, from what it told at its last Register. Each
//! node's row says by which rules it was judged, so a run that was cut off is gone on with at the next change or start.

use super::{refresh, rules_now};
use crate::domain::firmware::{Component, components};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::Tx;
use higuma_proto::agent::Inventory;
use std::time::Duration;

/// Nodes of one transaction, so that others are not kept from writing for longer than some milliseconds.
const BATCH: usize = 50;
/// After an error a run in the background goes on, so often.
const TRIES: u32 = 5;

/// Judge all nodes that stand by older rules, in the background. Two runs at once do no harm.
pub fn start(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        for attempt in 1..=TRIES {
            match run(&app).await {
                Ok(0) => return,
                Ok(nodes) => {
                    tracing::info!(nodes, "{nodes} nodes were judged by the firmware rules as they are now");
                    return;
                }
                Err(error) => {
                    let left = TRIES - attempt;
                    tracing::warn!(error = ?error, "judging nodes by the new firmware rules failed ({left} more tries)");
                    tokio::time::sleep(Duration::from_secs(u64::from(attempt) * 2)).await;
                }
            }
        }
    });
}

/// The same, to its end; returns how many nodes were judged. Errors: the database.
pub async fn run(app: &App) -> Result<usize> {
    let mut judged = 0;
    loop {
        let now = app.now();
        let nodes = app
            .store
            .read(|tx| {
                let version = tx.firmware_version()?;
                tx.firmware_outdated(version, BATCH)
            })
            .await?;
        if nodes.is_empty() {
            return Ok(judged);
        }
        judged += nodes.len();
        app.store.write(move |tx| judge_all(tx, &nodes, now)).await?;
    }
}

fn judge_all(tx: &mut Tx<'_>, nodes: &[NodeUuid], now: Micros) -> Result<()> {
    let rules = rules_now(tx)?;
    for node in nodes {
        // A node without a readable inventory counts as one without parts: it must not be found again and again.
        if tx.node(node)?.is_some() {
            let components = match stored_components(tx, node) {
                Ok(components) => components.unwrap_or_default(),
                Err(error) => {
                    tracing::error!(%node, error = ?error, "the inventory of node {node} cannot be read: no firmware rule fits it until it registers again");
                    Vec::new()
                }
            };
            refresh(tx, node, &rules, components, now)?;
        }
    }
    Ok(())
}

/// The parts of a node as stored; where it registered before firmware was looked at, those of its inventory.
pub(super) fn stored_components(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<Option<Vec<Component>>> {
    if let Some(stored) = tx.node_firmware(node)? {
        return Ok(Some(stored.components));
    }
    let Some(inventory) = tx.inventory(node)? else { return Ok(None) };
    let inventory: Inventory = serde_json::from_str(&inventory.json).map_err(Error::internal)?;
    Ok(Some(components(&inventory)))
}
