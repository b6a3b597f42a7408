//! `higuma node history` and `higuma node diff`: the versions of what a node is made of, and what differs between two.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::output::{self, answer};
use higuma_proto::api::{InventoryChange, InventoryDiff, InventoryVersion, Page};

/// The versions of a node's inventory.
pub(super) fn history(global: &Global, client: &Client, node: &str) -> Result<()> {
    let uuid = super::node::resolve(client, node)?;
    let value = client.list(&format!("/api/v1/nodes/{}/inventory/versions", encode(&uuid)), &[])?;
    answer(global.format, value, |page: Page<InventoryVersion>| versions_table(&page.items))
}

/// What differs between two of them.
pub(super) fn diff(global: &Global, client: &Client, node: &str, from: Option<u32>, to: Option<u32>) -> Result<()> {
    let uuid = super::node::resolve(client, node)?;
    let number = |name: &str, number: Option<u32>| number.map(|n| format!("{name}={n}"));
    let query: Vec<String> = [number("from", from), number("to", to)].into_iter().flatten().collect();
    let value = client.get(&format!("/api/v1/nodes/{}/inventory/diff?{}", encode(&uuid), query.join("&")))?;
    answer(global.format, value, |diff: InventoryDiff| diff_table(&diff))
}

fn versions_table(versions: &[InventoryVersion]) -> String {
    let rows: Vec<[String; 6]> = versions
        .iter()
        .map(|v| {
            [
                v.version.to_string(),
                output::time(v.at_us),
                output::time(v.last_seen_us),
                v.changes.to_string(),
                output::size(v.bytes),
                v.hash.chars().take(12).collect(),
            ]
        })
        .collect();
    output::table(["VERSION", "FIRST", "LAST", "CHANGES", "SIZE", "HASH"], &rows)
}

fn diff_table(diff: &InventoryDiff) -> String {
    let (from, to) = (&diff.from, &diff.to);
    let between = format!("version {} ({}) to version {}", from.version, output::time(from.at_us), to.version);
    let head = format!("{between} ({})\n", output::time(to.at_us));
    if diff.changes.is_empty() {
        return format!("{head}no change\n");
    }
    let value = |change: &InventoryChange, text: &Option<String>| {
        let bytes = change.field.as_deref().is_some_and(|f| f.ends_with("_bytes"));
        match text.as_deref().map(str::parse) {
            Some(Ok(number)) if bytes => output::size(number),
            _ => text.clone().unwrap_or_default(),
        }
    };
    let rows: Vec<[String; 6]> = diff
        .changes
        .iter()
        .map(|c| {
            let field = c.field.clone().unwrap_or_default();
            [c.change.clone(), c.section.clone(), c.item.clone(), field, value(c, &c.old), value(c, &c.new)]
        })
        .collect();
    let more = if diff.more > 0 { format!("and {} more\n", diff.more) } else { String::new() };
    format!("{head}{}{more}", output::table(["CHANGE", "SECTION", "ITEM", "FIELD", "BEFORE", "AFTER"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_for_people() {
        let version = |version, at_us| InventoryVersion {
            version,
            hash: String::new(),
            bytes: 1,
            changes: 1,
            at_us,
            last_seen_us: at_us,
        };
        let change = InventoryChange {
            section: "memory".into(),
            item: String::new(),
            change: "changed".into(),
            field: Some("total_bytes".into()),
            old: Some("68719476736".into()),
            new: None,
        };
        let (from, to) = (version(1, 0), version(2, 86_400_000_000));
        let mut diff = InventoryDiff { node: "n".into(), from, to, changes: vec![change], more: 3 };
        assert_eq!(
            diff_table(&diff),
            "version 1 (1970-01-01T00:00:00Z) to version 2 (1970-01-02T00:00:00Z)\n\
             CHANGE   SECTION  ITEM  FIELD        BEFORE    AFTER\n\
             changed  memory   -     total_bytes  64.0 GiB  -\n\
             and 3 more\n"
        );
        diff.changes.clear();
        assert!(diff_table(&diff).ends_with("no change\n"));
    }
}
