//! `/nodes/{uuid}/inventory`: two versions of what a node is made of, compared; and the list of versions on its page.

use super::{PageError, Shell, html, human};
use crate::domain::NodeUuid;
use crate::http::State;
use crate::service::{history, nodes};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{InventoryChange, InventoryDiff, InventoryVersion};
use serde::Deserialize;

/// A version on the node's page.
pub(super) struct VersionRow {
    pub number: u32,
    pub at: String,
    pub last_seen: String,
    /// "3 changes"; empty for the first.
    pub changes: String,
}

impl VersionRow {
    pub(super) fn new(version: &InventoryVersion) -> Self {
        Self {
            number: version.version,
            at: human::absolute(version.at_us),
            last_seen: human::absolute(version.last_seen_us),
            changes: if version.version == 1 { String::new() } else { changes(u64::from(version.changes)) },
        }
    }
}

fn changes(count: u64) -> String {
    match count {
        0 => "no change that this release compares".to_owned(),
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    }
}

/// Which versions; an empty form field is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HistoryQuery {
    from: String,
    to: String,
}

fn number(what: &'static str, text: &str) -> Result<Option<u32>, crate::domain::Invalid> {
    let bad = || crate::domain::Invalid::new(what, "the number of an inventory version", text);
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| bad()) }
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    shell: Shell,
    uuid: String,
    hostname: String,
    from: Vec<Choice>,
    to: Vec<Choice>,
    summary: String,
    groups: Vec<Group>,
    more: u64,
}

struct Choice {
    number: u32,
    name: String,
    selected: bool,
}

struct Group {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    item: String,
    change: String,
    field: String,
    old: String,
    new: String,
}

/// `dimm_slot` -> `Dimm slot`; abbreviations as they are written.
fn title(section: &str) -> String {
    match section {
        "cpu" | "dimm" | "nic" | "pci" | "gpu" | "tpm" | "bios" | "ipmi" => section.to_uppercase(),
        "dimm_slot" => "DIMM slot".to_owned(),
        "numa_node" => "NUMA node".to_owned(),
        other => {
            let words = other.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

impl Row {
    fn new(change: &InventoryChange) -> Self {
        let field = change.field.clone().unwrap_or_default();
        let value = |text: &Option<String>| match (text, text.as_deref().map(str::parse::<u64>)) {
            (_, Some(Ok(bytes))) if field.ends_with("_bytes") && change.section == "disk" => human::decimal_size(bytes),
            (_, Some(Ok(bytes))) if field.ends_with("_bytes") => human::binary_size(bytes),
            (text, _) => text.clone().unwrap_or_default(),
        };
        Self {
            item: change.item.clone(),
            change: change.change.clone(),
            old: value(&change.old),
            new: value(&change.new),
            field: field.trim_end_matches("_bytes").replace('_', " "),
        }
    }
}

impl HistoryPage {
    fn new(shell: Shell, hostname: String, versions: &[InventoryVersion], diff: InventoryDiff) -> Self {
        let choices = |chosen: u32| {
            let name = |v: &InventoryVersion| format!("version {}, {}", v.version, human::absolute(v.at_us));
            let choice =
                |v: &InventoryVersion| Choice { number: v.version, name: name(v), selected: v.version == chosen };
            versions.iter().map(choice).collect()
        };
        let mut groups: Vec<Group> = Vec::new();
        for change in &diff.changes {
            let title = title(&change.section);
            match groups.last_mut().filter(|group| group.title == title) {
                Some(group) => group.rows.push(Row::new(change)),
                None => groups.push(Group { title, rows: vec![Row::new(change)] }),
            }
        }
        let count = changes(diff.changes.len() as u64 + diff.more);
        Self {
            shell,
            uuid: diff.node,
            hostname,
            from: choices(diff.from.version),
            to: choices(diff.to.version),
            summary: format!("Version {} to version {}: {count}.", diff.from.version, diff.to.version),
            groups,
            more: diff.more,
        }
    }
}

/// The page.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<String>,
    query: web::Query<HistoryQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let (app, uuid): (_, NodeUuid) = (&state.app, path.parse()?);
    let (from, to) = (number("from", &query.from)?, number("to", &query.to)?);
    let node = nodes::show(app, uuid.clone()).await?;
    let diff = history::compare(app, uuid.clone(), from, to).await?;
    // All that are kept.
    let versions = history::list(app, uuid, None, Some(nodes::PAGE_MAX)).await?.items;
    let shell = Shell::new(format!("{}: what changed", node.summary.hostname), &req, None);
    Ok(html(StatusCode::OK, &HistoryPage::new(shell, node.summary.hostname, &versions, diff)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn version(number: u32) -> InventoryVersion {
        let (hash, at_us) = (String::new(), i64::from(number) * 86_400_000_000);
        InventoryVersion { version: number, hash, bytes: 1, changes: number, at_us, last_seen_us: at_us }
    }

    fn change(section: &str, item: &str, field: &str, old: &str, new: &str) -> InventoryChange {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        InventoryChange {
            section: section.into(),
            item: item.into(),
            change: if field.is_empty() { "gone" } else { "changed" }.into(),
            field: some(field),
            old: some(old),
            new: some(new),
        }
    }

    #[test]
    fn a_diff_reads_by_section_and_is_escaped() {
        let diff = InventoryDiff {
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            from: version(1),
            to: version(2),
            changes: vec![
                change("bios", "", "version", "1.9.2", "<script>"),
                change("dimm", "P1-B2", "", "32 GiB (Samsung)", ""),
                change("memory", "", "total_bytes", "68719476736", "34359738368"),
            ],
            more: 7,
        };
        let page = HistoryPage::new(Shell::bare("x"), "hv-12".into(), &[version(2), version(1)], diff);
        let titles: Vec<_> = page.groups.iter().map(|g| g.title.as_str()).collect();
        assert_eq!(titles, ["BIOS", "DIMM", "Memory"]);
        let body = page.render().unwrap();
        assert!(!body.contains("<script>") && body.contains("&#60;script&#62;"), "{body}");
        assert!(body.contains("64 GiB") && body.contains("32 GiB") && body.contains("and 7 more"), "{body}");
        assert!(body.contains("Version 1 to version 2: 10 changes."), "{body}");
        assert_eq!(body.matches(" selected").count(), 2);
    }

    #[test]
    fn a_version_that_is_no_number_is_refused() {
        assert_eq!((number("from", "").unwrap(), number("from", "3").unwrap()), (None, Some(3)));
        assert!(number("from", "x").unwrap_err().to_string().contains("number of an inventory version"));
    }
}
