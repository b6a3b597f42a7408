//! The fleet page with made data, hostile text included.

#![allow(clippy::unwrap_used)]
use super::super::events::tests::event;
use super::*;

const NOW: Micros = 1_790_000_000_000_000;
const UUID: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

pub(in crate::web) fn node(state: &str, admission: &str) -> NodeSummary {
    NodeSummary {
        cluster: None,
        tags: vec!["gpu".into()],
        uuid: UUID.to_owned(),
        hostname: "hv-12".to_owned(),
        lifecycle: state.to_owned(),
        reason: None,
        admission: admission.to_owned(),
        admitted_by: None,
        profile: None,
        profile_revision: None,
        manufacturer: "QEMU".to_owned(),
        product: "Standard PC".to_owned(),
        serial: "SN-1".to_owned(),
        boot_mac: Some("52:54:00:12:34:56".to_owned()),
        step: Some("download".to_owned()),
        open_events: 0,
        first_seen_us: NOW - 60_000_000,
        last_seen_us: NOW - 12_000_000,
        conflict: None,
        drift: Some("changed".to_owned()),
        fallback: None,
    }
}

fn status(reasons: &[&str], nodes: &[(&str, u64)]) -> Status {
    Status {
        version: "0".into(),
        ready: reasons.is_empty(),
        reasons: reasons.iter().map(|r| (*r).to_owned()).collect(),
        degraded: vec![],
        database: "sqlite".into(),
        nodes: nodes.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect(),
    }
}

fn view(query: &FleetQuery, status: Status, items: Vec<NodeSummary>, profiles: &[&str]) -> FleetPage {
    let profiles = profiles.iter().map(|p| (*p).to_owned()).collect();
    let events = (vec![event("warning", "DIMM <i>A1</i> is gone")], true);
    FleetPage::new(Shell::bare("Fleet"), query, status, Page { items, next: None }, profiles, events, NOW)
}

#[test]
fn text_from_machines_and_from_the_address_is_escaped() {
    let mut hostile = node("failed", "admitted");
    hostile.serial = "<script>alert(1)</script>".to_owned();
    hostile.product = "\"><img src=x onerror=alert(2)>".to_owned();
    hostile.reason = Some("download: '\" onmouseover='alert(3)".to_owned());
    let query = FleetQuery { q: "\"><script>alert(4)</script>".to_owned(), ..FleetQuery::default() };
    let body = view(&query, status(&[], &[("failed", 1)]), vec![hostile], &["<b>p</b>"]).render().unwrap();
    assert!(!body.contains("<script>") && !body.contains("<img src=x") && !body.contains("<b>p"), "{body}");
    assert!(!body.contains("\" onmouseover"), "{body}");
    assert!(body.contains("&#60;script&#62;alert(1)"), "{body}");
}

#[test]
fn a_pending_node_has_its_form_and_others_have_none() {
    let fleet = || status(&[], &[("discovered", 1)]);
    let query = FleetQuery { lifecycle: "discovered".into(), q: "a&b".into(), ..FleetQuery::default() };
    let body = view(&query, fleet(), vec![node("discovered", "pending")], &["web", "db"]).render().unwrap();
    assert!(body.contains(&format!("action=\"/nodes/{UUID}\"")), "{body}");
    assert!(body.contains("value=\"approve\"") && body.contains("<option>db</option>"), "{body}");
    assert!(body.contains("value=\"lifecycle=discovered&#38;q=a%26b\""), "{body}");
    let body = view(&query, fleet(), vec![node("discovered", "rejected")], &["web"]).render().unwrap();
    assert!(!body.contains("value=\"approve\""), "{body}");
    let body = view(&query, fleet(), vec![node("ready", "admitted")], &["web"]).render().unwrap();
    assert!(body.contains("value=\"assign\""), "{body}");
    let body = view(&query, fleet(), vec![node("discovered", "pending")], &[]).render().unwrap();
    assert!(body.contains("higuma profile create") && body.contains("value=\"approve\""), "{body}");
}

#[test]
fn what_is_missing_is_said_with_what_to_run() {
    let reason = "there is no first stage: run `higuma first-stage build`";
    let body = view(&FleetQuery::default(), status(&[reason], &[]), vec![], &[]).render().unwrap();
    assert!(body.contains("higuma first-stage build") && body.contains("No node has come yet"), "{body}");
    let body = view(&FleetQuery::default(), status(&[], &[("running", 3)]), vec![], &[]).render().unwrap();
    assert!(body.contains("No node matches") && !body.contains("Not ready"), "{body}");
}

#[test]
fn states_are_words_and_tiles_are_filters() {
    let mut booting = node("booting", "admitted");
    booting.profile = Some("web".into());
    let query = FleetQuery { lifecycle: "booting".into(), q: "hv".into(), ..FleetQuery::default() };
    let view = view(&query, status(&[], &[("booting", 1), ("running", 7)]), vec![booting], &["web"]);
    let body = view.render().unwrap();
    assert!(body.contains("<span class=\"state s-booting\">booting</span>"), "{body}");
    assert!(body.contains("href=\"/?lifecycle=running&#38;q=hv\""), "{body}");
    assert!(body.contains("step download") && body.contains("10 s ago") && body.contains("2026-09-21"), "{body}");
    let fragment = view.as_live().render().unwrap();
    assert!(fragment.contains("s-booting") && !fragment.contains("<html") && !fragment.contains("role=\"search\""));
}

#[test]
fn open_events_are_on_the_page_and_counted_in_the_row() {
    let mut troubled = node("running", "admitted");
    troubled.open_events = 2;
    let query = FleetQuery { q: "hv".into(), ..FleetQuery::default() };
    let body = view(&query, status(&[], &[("running", 1)]), vec![troubled], &[]).as_live().render().unwrap();
    assert!(body.contains("DIMM &#60;i&#62;A1") && body.contains("href=\"/events\""), "{body}");
    assert!(body.contains(&format!("href=\"/nodes/{UUID}#noticed\"")) && body.contains("2 events"), "{body}");
    assert!(body.contains("name=\"back\" value=\"q=hv\""), "{body}");
}

#[test]
fn the_way_back_is_always_a_view_of_ours() {
    assert_eq!(location("lifecycle=discovered&q=a%26b", "approved"), "/?lifecycle=discovered&q=a%26b&done=approved");
    assert_eq!(location("", "approved"), "/?done=approved");
    assert_eq!(location("//evil.example/\r\nx: y", "approved"), "/?done=approved");
    assert_eq!(location("q=%0d%0aSet-Cookie", "rejected"), "/?q=%0D%0ASet-Cookie&done=rejected");
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let query = FleetQuery { lifecycle: "sleeping".into(), ..FleetQuery::default() };
    assert_eq!(query.parsed().unwrap_err().code(), "bad_request");
}

#[test]
fn a_conflict_is_marked() {
    let mut twin = node("discovered", "pending");
    twin.conflict = Some("identity conflict with <b>x</b>: serial S1 / S2".to_owned());
    let body = view(&FleetQuery::default(), status(&[], &[("discovered", 1)]), vec![twin], &[]).render().unwrap();
    assert!(body.contains(">identity conflict</span>") && body.contains("serial S1 / S2"), "{body}");
    assert!(!body.contains("<b>x"), "{body}");
}

#[test]
fn an_expression_is_kept_in_links_and_its_error_stands_beside_the_field() {
    let query = FleetQuery { wanted: "node.serial == \"<b>\"".into(), ..FleetQuery::default() };
    let page = view(&query, status(&[], &[("ready", 1)]), vec![node("ready", "admitted")], &[]);
    let body = page.render().unwrap();
    assert!(body.contains("href=\"/?lifecycle=ready&#38;where=node.serial%20%3D%3D%20%22%3Cb%3E%22\""), "{body}");
    assert!(body.contains("value=\"node.serial == &#34;&#60;b&#62;&#34;\"") && !body.contains("where-error"), "{body}");
    assert_eq!(location("where=a%20%3E%201", "approved"), "/?where=a%20%3E%201&done=approved");
    let body = FleetPage { wrong: Some("character 6: no field <i>".into()), ..page }.render().unwrap();
    assert!(body.contains("id=\"where-error\"") && body.contains("no field &#60;i&#62;"), "{body}");
}

#[test]
fn power_is_a_word_and_a_selection_can_be_acted_on() {
    let query = FleetQuery { wanted: "node.serial != ''".into(), lifecycle: "running".into(), ..FleetQuery::default() };
    let mut page = view(&query, status(&[], &[("running", 1)]), vec![node("running", "admitted")], &[]);
    assert!(!page.render().unwrap().contains("class=\"power"), "no BMC is known");
    let mut bmc = Bmc::new(UUID.parse().unwrap(), NOW);
    bmc.reached(crate::domain::bmc::Protocol::Ipmi, crate::domain::bmc::Power::Off, 0, NOW - 30_000_000);
    page.powered(&[bmc], NOW);
    let body = page.render().unwrap();
    assert!(body.contains("power p-off") && body.contains("told by the BMC 30 s ago"), "{body}");
    assert!(body.contains("id=\"act\">Power… this node"), "{body}");
    assert!(
        body.contains("where=%28node.serial%20%21%3D%20%27%27%29%20%26%26%20node.lifecycle%20%3D%3D%20%22running%22"),
        "{body}"
    );
    assert!(FleetQuery { q: "x".into(), ..query.clone() }.act(1, false).is_none(), "a text is no expression");
    assert!(FleetQuery::default().act(1, false).is_none() && query.act(0, false).is_none());
}
