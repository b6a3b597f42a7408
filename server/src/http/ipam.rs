//! Address pools in the JSON API: parse, call the use case, answer.

use super::State;
use super::failure::Answer;
use crate::domain::ipam::Kind;
use crate::domain::{Invalid, Name, NodeUuid};
use crate::service::ipam::{self as cases, AddressQuery};
use crate::store::AddressFilter;
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use higuma_proto::api::{Address, CsvImport, NewPool, ReleaseAddress, Released, ReserveAddress};
use serde::Deserialize;
use std::net::IpAddr;

type S = Data<State>;

fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

/// An absent or empty text as nothing.
fn some<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>, T::Err> {
    text.filter(|t| !t.is_empty()).map(|t| t.parse()).transpose()
}

pub async fn pools(s: S) -> Answer {
    ok(cases::list_pools(&s.app).await?)
}

pub async fn pool(s: S, name: Path<String>) -> Answer {
    ok(cases::show_pool(&s.app, name.parse::<Name>()?).await?)
}

pub async fn create_pool(s: S, new: Json<NewPool>) -> Answer {
    Ok(HttpResponse::Created().json(cases::create_pool(&s.app, new.into_inner()).await?))
}

pub async fn update_pool(s: S, name: Path<String>, new: Json<NewPool>) -> Answer {
    ok(cases::update_pool(&s.app, name.parse::<Name>()?, new.into_inner()).await?)
}

/// See [`delete_pool`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteQuery {
    force: Option<String>,
}

pub async fn delete_pool(s: S, name: Path<String>, query: Query<DeleteQuery>) -> Answer {
    cases::delete_pool(&s.app, name.parse::<Name>()?, query.force.as_deref()).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn import_pools(s: S, file: Json<CsvImport>) -> Answer {
    ok(cases::import_pools(&s.app, file.into_inner()).await?)
}

/// Which addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    pool: Option<String>,
    node: Option<String>,
    live: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn addresses(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { pool, node, live, cursor, limit } = query.into_inner();
    let filter = AddressFilter { pool: some(pool)?, node: some(node)?, live: live.unwrap_or(false) };
    ok(cases::list(&s.app, AddressQuery { filter, cursor: cursor.filter(|c| !c.is_empty()), limit }).await?)
}

pub async fn import_addresses(s: S, file: Json<CsvImport>) -> Answer {
    ok(cases::import_addresses(&s.app, file.into_inner()).await?)
}

pub async fn reserve(s: S, body: Json<ReserveAddress>) -> Answer {
    let ReserveAddress { node, address, kind, device } = body.into_inner();
    let wanted: IpAddr = address.parse().map_err(|_| Invalid::new("address", "an IP address", &address))?;
    let node: NodeUuid = node.parse()?;
    let device = device.unwrap_or_default();
    let lease = cases::reserve(&s.app, node.clone(), wanted, some::<Kind>(kind)?, device.clone()).await?;
    let filter = AddressFilter { node: Some(node), live: true, ..AddressFilter::default() };
    let all = cases::list(&s.app, AddressQuery { filter, ..AddressQuery::default() }).await?.items;
    let given: Vec<Address> = all.into_iter().filter(|a| a.pool == lease.pool && a.device == device).collect();
    ok(higuma_proto::api::Page { items: given, next: None })
}

pub async fn release(s: S, body: Json<ReleaseAddress>) -> Answer {
    let ReleaseAddress { node, kind, device } = body.into_inner();
    let released =
        cases::release(&s.app, node.parse::<NodeUuid>()?, some::<Kind>(kind)?, device.filter(|d| !d.is_empty()))
            .await?;
    ok(Released { released: u64::try_from(released).unwrap_or(u64::MAX) })
}

/// Piece of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn conflicts(s: S, page: Query<PageQuery>) -> Answer {
    ok(cases::conflicts(&s.app, page.cursor.as_deref().filter(|c| !c.is_empty()), page.limit).await?)
}
