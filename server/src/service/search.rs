//! Goes through the fleet in order of UUID, piece by piece: bounded in nodes and in time, so that a rare answer in a large
//! fleet is a short page and a cursor, never a long wait.

use super::nodes::PAGE_MAX;
use crate::domain::NodeUuid;
use crate::domain::facts::{Facts, Hardware};
use crate::domain::select::Selector;
use crate::error::{Error, Result};
use crate::store::{NodeFilter, NodeRow, Tx};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Nodes looked at for one page at most.
const SCAN_MAX: usize = 5_000;
/// Time spent on one page, about.
const SCAN_TIME: Duration = Duration::from_millis(500);
/// Nodes whose facts are in memory at once.
const PIECE: usize = 200;

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To the next.
    On,
    /// The page is full: this node is the first of the next one.
    Full,
}

/// Show nodes after `after` to `visit`, with their hardware when that is asked for. Gives where to go on, none at the end.
pub(super) fn walk(
    tx: &mut Tx<'_>,
    filter: &NodeFilter,
    mut after: Option<NodeUuid>,
    hardware: bool,
    mut visit: impl FnMut(NodeRow, Hardware) -> Result<Step>,
) -> Result<Option<NodeUuid>> {
    let started = Instant::now();
    let mut scanned = 0;
    let piece = if hardware { PIECE } else { PAGE_MAX };
    loop {
        let rows = tx.nodes(filter, after.as_ref(), piece)?;
        scanned += rows.len();
        let last_piece = rows.len() < piece;
        let uuids: Vec<&NodeUuid> = rows.iter().map(|row| &row.node.uuid).collect();
        let mut known = if hardware { tx.facts_of(&uuids)? } else { BTreeMap::new() };
        for row in rows {
            let uuid = row.node.uuid.clone();
            let of_row = known.remove(uuid.as_str()).unwrap_or_default();
            if visit(row, of_row)? == Step::Full {
                return Ok(after);
            }
            after = Some(uuid);
            if started.elapsed() >= SCAN_TIME {
                return Ok(after);
            }
        }
        if last_piece {
            return Ok(None);
        }
        if scanned >= SCAN_MAX {
            return Ok(after);
        }
    }
}

/// Does it hold for a node? What cannot be worked out is an error that names the node: never silently false.
pub(super) fn holds(selector: &Selector, facts: &Facts) -> Result<bool> {
    selector.matches(facts).map_err(|why| {
        let node = &facts.standing;
        Error::BadRequest(format!(
            "the expression cannot be worked out for node {} ({}): {why}",
            node.uuid, node.hostname
        ))
    })
}
