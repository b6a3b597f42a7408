//! What nodes asked of boot services: stored behind the answers, adopted at Register, shown with the boot that it led to.

use crate::common::{lab, power_on};
use higuma::domain::NodeUuid;
use higuma::domain::boot::Boot;
use higuma::domain::node::{Admission, Node};
use higuma::service::exchanges::{exchange, kept};
use higuma::service::{App, boots, nodes, sweep};
use higuma_proto::api::Exchange;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const MINUTE: i64 = 60_000_000;

fn uuid() -> NodeUuid {
    NODE.parse().unwrap()
}

/// As a machine that tells its UUID; `node`: as far as it is known.
fn ask(app: &App, at: i64, what: &str, node: &str) {
    let asked = exchange(at, "dhcp", what);
    app.exchanges.write(Exchange { uuid: NODE.into(), node: node.into(), result: "offer".into(), ..asked });
}

/// What is stored of it, oldest first.
async fn stored(app: &App) -> Vec<String> {
    let mut all = kept::list(app, uuid(), None, Some(500)).await.unwrap().items;
    all.reverse();
    all.into_iter().map(|e| e.what).collect()
}

fn whats(all: &[Exchange]) -> Vec<&str> {
    all.iter().map(|e| e.what.as_str()).collect()
}

#[tokio::test]
async fn what_came_before_register_is_adopted_once() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let now = app.now();
    ask(app, now - 11 * MINUTE, "LONG AGO", "");
    ask(app, now - MINUTE, "DISCOVER", "");
    // A script's node is a name that nobody has yet.
    ask(app, now - MINUTE / 2, "SCRIPT", NODE);
    assert_eq!(kept::store_waiting(app).await.unwrap(), 0);
    let boot = power_on(app, &uuid()).await;
    assert_eq!(kept::store_waiting(app).await.unwrap(), 2);
    assert_eq!(stored(app).await, ["DISCOVER", "SCRIPT"]);
    assert_eq!(whats(&boots::show(app, &boot.id.to_string()).await.unwrap().exchanges), ["DISCOVER", "SCRIPT"]);
    // The next boot adopts nothing again.
    ask(app, app.now(), "NEXT", NODE);
    let second = power_on(app, &uuid()).await;
    assert_eq!(kept::store_waiting(app).await.unwrap(), 1);
    assert_eq!(stored(app).await, ["DISCOVER", "SCRIPT", "NEXT"]);
    assert_eq!(whats(&boots::show(app, &second.id.to_string()).await.unwrap().exchanges), ["NEXT"]);
    assert_eq!(whats(&boots::show(app, &boot.id.to_string()).await.unwrap().exchanges), ["DISCOVER", "SCRIPT"]);
}

#[tokio::test]
async fn a_boot_has_what_led_to_it_and_a_node_what_led_to_none() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let first = power_on(app, &uuid()).await;
    let start = first.started;
    let running = Boot { up: Some(start + MINUTE), heartbeat: Some(start + 9 * MINUTE), ..first };
    let id = running.id.to_string();
    let _ended = Boot { phase: higuma::domain::boot::Phase::Running, ..running.clone() };
    app.store.write(move |tx| tx.put_boot(&_ended)).await.unwrap();
    for (at, what) in [(-16, "EARLIER"), (-14, "DISCOVER"), (1, "SYSTEM"), (5, "REQUEST"), (10, "REQUEST")] {
        ask(app, start + at * MINUTE, what, NODE);
    }
    kept::store_waiting(app).await.unwrap();
    assert_eq!(whats(&boots::show(app, &id).await.unwrap().exchanges), ["DISCOVER", "SYSTEM"]);
    // It renews its lease: that is no start.
    assert!(nodes::show(app, uuid()).await.unwrap().no_boot.is_empty());
    ask(app, start + 11 * MINUTE, "DISCOVER", NODE);
    kept::store_waiting(app).await.unwrap();
    assert_eq!(whats(&nodes::show(app, uuid()).await.unwrap().no_boot), ["REQUEST", "DISCOVER"]);
}

#[tokio::test]
async fn a_node_that_never_registered_shows_what_it_asks() {
    let lab = lab(|_| {}).await;
    let node = Node::new(uuid(), Admission::Admitted, 1);
    lab.app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    ask(&lab.app, lab.app.now(), "DISCOVER", NODE);
    kept::store_waiting(&lab.app).await.unwrap();
    assert_eq!(whats(&nodes::show(&lab.app, uuid()).await.unwrap().no_boot), ["DISCOVER"]);
}

#[tokio::test]
async fn a_flood_is_bounded_and_the_old_is_forgotten() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let node = Node::new(uuid(), Admission::Admitted, 1);
    app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    let now = app.now();
    (0..1_000).for_each(|n| ask(app, now + n, "DISCOVER", NODE));
    assert_eq!(kept::store_waiting(app).await.unwrap(), 100, "of one minute");
    for minute in 1..8 {
        (0..200).for_each(|n| ask(app, now + minute * MINUTE + n, &format!("M{minute}"), NODE));
    }
    kept::store_waiting(app).await.unwrap();
    let kept_now = stored(app).await;
    assert_eq!((kept_now.len(), kept_now[0].as_str(), kept_now[499].as_str()), (kept::OF_A_NODE, "M3", "M7"));
    assert_eq!(sweep::run_once(app).await.unwrap().old_exchanges, 0);
    ask(app, now - kept::KEEP - MINUTE, "OLD", NODE);
    app.store
        .write({
            let old = Exchange { node: NODE.into(), ..exchange(now - kept::KEEP - MINUTE, "dhcp", "OLD") };
            move |tx| tx.add_exchanges(&[(uuid(), old.clone())])
        })
        .await
        .unwrap();
    assert_eq!(sweep::run_once(app).await.unwrap().old_exchanges, 1);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let node = Node::new(uuid(), Admission::Admitted, 1);
    app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    (0..5).for_each(|n| ask(app, 1_000 + n / 2, &n.to_string(), NODE));
    kept::store_waiting(app).await.unwrap();
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = kept::list(app, uuid(), cursor.as_deref(), Some(2)).await.unwrap();
        seen.extend(page.items.into_iter().map(|e| e.what));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
    let bad = kept::list(app, uuid(), Some("1.x"), None).await;
    assert!(matches!(bad, Err(higuma::error::Error::BadRequest(_))), "{bad:?}");
}
