//! A list of rules that has changed is asked about every node that is there: a piece of the fleet in a transaction, with a
//! mark in the database of how far it came, so that a restart, or another server, goes on from there.

use super::{evaluate_by, ready};
use crate::domain::NodeUuid;
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::{NodeFilter, Tx};

/// The setting with the mark: empty: all is done; else `after UUID`, or `after` at the beginning.
const MARK: &str = "rules-evaluated";
/// Nodes of one transaction.
const PIECE: usize = 50;

/// From the first node on.
pub(super) fn begin(tx: &mut Tx<'_>) -> Result<()> {
    tx.put_setting(MARK, "after")
}

/// The node that it came to, "" at the beginning; none: all is done.
pub(super) fn at(tx: &mut Tx<'_>) -> Result<Option<String>> {
    let mark = tx.setting(MARK)?.unwrap_or_default();
    Ok(mark.strip_prefix("after").map(|uuid| uuid.trim().to_owned()))
}

/// Ask about the next piece; false: all is done. To go over a piece twice changes nothing.
pub async fn work_once(app: &App) -> Result<bool> {
    if app.store.read(at).await?.is_none() {
        return Ok(false);
    }
    let now = app.now();
    app.store
        .write(move |tx| {
            let Some(mark) = at(tx)? else { return Ok(false) };
            let after: Option<NodeUuid> = match mark.as_str() {
                "" => None,
                uuid => Some(uuid.parse().map_err(Error::internal)?),
            };
            // An empty list still takes back the tags of the last one.
            let rules = ready(tx)?;
            let rows = tx.nodes(&NodeFilter::default(), after.as_ref(), PIECE)?;
            let last = rows.last().map(|row| row.node.uuid.clone()).filter(|_| rows.len() == PIECE);
            for mut row in rows {
                if evaluate_by(tx, &rules, &mut row.node, now)? {
                    tx.put_node(&row.node)?;
                }
            }
            tx.put_setting(MARK, &last.as_ref().map_or_else(String::new, |uuid| format!("after {uuid}")))?;
            Ok(last.is_some())
        })
        .await
}
