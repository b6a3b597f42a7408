//! `/addresses`: how full each pool is, as a picture; small networks address by address; and who has which address of one pool.

use super::{PageError, Shell, html, human};
use crate::domain::Name;
use crate::http::State;
use crate::service::ipam::{self, AddressQuery, Cell};
use crate::store::AddressFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Address, AddressConflict, Page, Pool};
use serde::Deserialize;

/// Pools of one page.
const POOLS: usize = 20;
/// Cells of a row of a picture.
const ACROSS: usize = 32;
/// Pixels of a cell, and from one to the next.
const CELL: usize = 14;
/// Conflicts told on the page; the command line has all.
const CONFLICTS: usize = 20;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AddressesQuery {
    pool: String,
    from: usize,
    cursor: String,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<AddressesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let app = &state.app;
    let only: Option<Name> = Some(&query.pool).filter(|p| !p.is_empty()).map(|p| p.parse()).transpose()?;
    let (pools, next) = match &only {
        Some(name) => (vec![ipam::show_pool(app, name.clone()).await?], None),
        None => {
            let all = ipam::list_pools(app).await?.items;
            let end = query.from.saturating_add(POOLS);
            let next = (all.len() > end).then(|| format!("/addresses?from={end}"));
            (all.into_iter().skip(query.from).take(POOLS).collect(), next)
        }
    };
    let mut views = Vec::with_capacity(pools.len());
    for pool in pools {
        let cells = ipam::cells(app, pool.spec.name.parse()?).await?;
        views.push(PoolView::new(pool, cells));
    }
    let listed = match only {
        None => None,
        Some(pool) => {
            let filter = AddressFilter { pool: Some(pool), ..AddressFilter::default() };
            let cursor = Some(query.cursor.clone()).filter(|c| !c.is_empty());
            Some(ipam::list(app, AddressQuery { filter, cursor, limit: None }).await?)
        }
    };
    let conflicts = ipam::conflicts(app, None, Some(CONFLICTS)).await?;
    let shell = Shell::new("Addresses", &req, None);
    Ok(html(StatusCode::OK, &AddressesPage::new(shell, views, listed, conflicts, next, app.now())))
}

#[derive(Template)]
#[template(path = "addresses.html")]
struct AddressesPage {
    shell: Shell,
    pools: Vec<PoolView>,
    conflicts: Vec<ConflictRow>,
    more_conflicts: bool,
    listed: bool,
    rows: Vec<AddressLine>,
    next: Option<String>,
}

struct PoolView {
    name: String,
    href: String,
    about: String,
    used: String,
    full: bool,
    /// Of 1000.
    used_width: u64,
    released_x: u64,
    released_width: u64,
    cells: Vec<CellView>,
    height: usize,
    width: usize,
}

struct CellView {
    x: usize,
    y: usize,
    state: &'static str,
    title: String,
    href: Option<String>,
}

struct ConflictRow {
    address: String,
    holder: Option<String>,
    node: Option<String>,
    mac: String,
}

struct AddressLine {
    address: String,
    node: String,
    hostname: String,
    state: String,
    word: &'static str,
    since: String,
}

impl PoolView {
    fn new(pool: Pool, cells: Vec<Cell>) -> Self {
        let spec = pool.spec;
        let share = |part: u64| match pool.capacity {
            0 => 0,
            all => u64::try_from((u128::from(part) * 1000).div_ceil(u128::from(all)).min(1000)).unwrap_or(1000),
        };
        let used_width = share(pool.used);
        let released_width = share(pool.released).min(1000 - used_width);
        let mut about = vec![spec.kind.clone(), spec.cidr.clone()];
        about.extend(spec.gateway.as_ref().map(|g| format!("gateway {g}")));
        if spec.vlan != 0 {
            about.push(format!("VLAN {}", spec.vlan));
        }
        if !spec.cluster.is_empty() {
            about.push(format!("cluster {}", spec.cluster));
        }
        if spec.kind == "bmc" {
            about.push(spec.source.clone());
        }
        let released = if pool.released == 0 { String::new() } else { format!(", {} released", pool.released) };
        let lines = cells.len().div_ceil(ACROSS);
        Self {
            href: format!("/addresses?pool={}", human::url_value(&spec.name)),
            name: spec.name,
            about: about.join(" · "),
            used: format!("{} of {} in use{released}", pool.used, pool.capacity),
            full: pool.used >= pool.capacity,
            used_width,
            released_x: used_width,
            released_width,
            height: lines * CELL,
            width: cells.len().min(ACROSS) * CELL,
            cells: cells.into_iter().enumerate().map(|(at, cell)| CellView::new(at, cell)).collect(),
        }
    }
}

impl CellView {
    fn new(at: usize, cell: Cell) -> Self {
        let word = if cell.state == "none" { "not given" } else { cell.state };
        let title = match &cell.node {
            Some((_, hostname)) => format!("{}: {hostname}", cell.address),
            None => format!("{}: {word}", cell.address),
        };
        let href = cell.node.map(|(uuid, _)| format!("/nodes/{uuid}"));
        Self { x: at % ACROSS * CELL + 1, y: at / ACROSS * CELL + 1, state: cell.state, title, href }
    }
}

impl AddressesPage {
    fn new(
        shell: Shell,
        pools: Vec<PoolView>,
        listed: Option<Page<Address>>,
        conflicts: Page<AddressConflict>,
        next: Option<String>,
        now: i64,
    ) -> Self {
        let of_pool = pools.first().map(|p| p.href.clone()).unwrap_or_default();
        let next_rows = listed.as_ref().and_then(|page| page.next.as_ref());
        let next = next_rows.map(|cursor| format!("{of_pool}&cursor={}", human::url_value(cursor))).or(next);
        let row = |a: Address| AddressLine {
            address: a.address,
            node: a.node,
            hostname: if a.device.is_empty() { a.hostname } else { format!("{} {}", a.hostname, a.device) },
            word: if a.released_us.is_some() { "info" } else { "ok" },
            state: a.released_us.map_or("in use".to_owned(), |at| format!("released {}", human::ago(at, now))),
            since: human::absolute(a.since_us),
        };
        let conflict =
            |c: AddressConflict| ConflictRow { address: c.address, holder: c.holder, node: c.node, mac: c.mac };
        Self {
            shell,
            pools,
            more_conflicts: conflicts.next.is_some(),
            conflicts: conflicts.items.into_iter().map(conflict).collect(),
            listed: listed.is_some(),
            rows: listed.map(|page| page.items).unwrap_or_default().into_iter().map(row).collect(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::api::NewPool;

    fn pool(used: u64, released: u64) -> Pool {
        let spec = NewPool {
            name: "bmc".into(),
            kind: "bmc".into(),
            cluster: "<b>east</b>".into(),
            cidr: "10.0.0.0/30".into(),
            gateway: None,
            vlan: 7,
            ranges: vec![],
            exclusions: vec![],
            source: "static".into(),
            dns: vec![],
            ntp: vec![],
            domain: None,
            mtu: None,
            lease_seconds: None,
            options: Default::default(),
        };
        Pool { spec, capacity: 4, used, released }
    }

    fn cells() -> Vec<Cell> {
        let cell = |n: u8, state, node| Cell { address: format!("10.0.0.{n}"), state, node };
        let node = Some(("4c4c".to_owned(), "<i>web".to_owned()));
        vec![cell(0, "none", None), cell(1, "used", node), cell(2, "released", None), cell(3, "free", None)]
    }

    #[test]
    fn a_pool_is_a_picture_with_words() {
        let view = PoolView::new(pool(1, 1), cells());
        assert_eq!((view.used_width, view.released_x, view.released_width), (250, 250, 250));
        let none = Page { items: vec![], next: None };
        let conflict = AddressConflict {
            address: "10.0.0.1".into(),
            holder: Some("4c4c".into()),
            mac: "52:54:00:00:00:01".into(),
            node: None,
            at_us: 1,
        };
        let conflicts = Page { items: vec![conflict], next: None };
        let rows = Page { items: vec![], next: Some("bmc 40a".into()) };
        let page = AddressesPage::new(Shell::bare("Addresses"), vec![view], Some(rows), conflicts, None, 1);
        let body = page.render().unwrap();
        for text in [
            "1 of 4 in use, 1 released",
            "u-used",
            "10.0.0.2: released",
            "10.0.0.0: not given",
            "cursor=bmc%2040a",
            "52:54:00:00:00:01",
        ] {
            assert!(body.contains(text), "{text}: {body}");
        }
        assert!(!body.contains("<b>east") && !body.contains("<i>web") && !body.contains("style="), "{body}");
        let empty = AddressesPage::new(Shell::bare("A"), vec![], None, none, None, 1).render().unwrap();
        assert!(empty.contains("higuma pool add"), "{empty}");
    }

    #[test]
    fn any_numbers_make_a_picture() {
        for (used, released, capacity) in [(0, 0, 0), (5, 9, 4), (u64::MAX, u64::MAX, u64::MAX), (1, 0, u64::MAX)] {
            let view = PoolView::new(Pool { capacity, ..pool(used, released) }, vec![]);
            assert!(view.used_width + view.released_width <= 1000, "{used} {released} {capacity}");
        }
    }
}
