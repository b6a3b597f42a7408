//! What machines asked of the boot services, in the JSON API: of this server lately, live; and of one node, as it is stored.

use super::State;
use super::api::PageQuery;
use super::failure::Answer;
use crate::domain::Invalid;
use crate::service::exchanges::{ExchangeQuery, kept};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;

/// Which, and how long to wait for more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    node: Option<String>,
    mac: Option<String>,
    net: Option<String>,
    after: Option<u64>,
    epoch: Option<String>,
    wait: Option<u64>,
}

pub async fn list(state: Data<State>, query: Query<ListQuery>) -> Answer {
    let ListQuery { node, mac, net, after, epoch, wait } = query.into_inner();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let epoch = given(epoch);
    let node = given(node).map(|node| node.parse()).transpose()?;
    let mac = given(mac).map(|mac| mac.parse::<crate::domain::Mac>()).transpose()?.map(|mac| mac.to_string());
    let net = given(net)
        .map(|net| {
            let network = net.parse().or_else(|_| net.parse::<std::net::IpAddr>().map(Into::into));
            network.map_err(|_| Invalid::new("net", "a network or an address, e.g. 10.0.0.0/24", &net))
        })
        .transpose()?;
    Ok(HttpResponse::Ok().json(state.app.exchanges.read(&ExchangeQuery { node, mac, net, after, epoch, wait }).await))
}

/// GET /api/v1/nodes/{uuid}/exchanges: of one node, as they are stored.
pub async fn of_node(state: Data<State>, uuid: Path<String>, page: Query<PageQuery>) -> Answer {
    let found = kept::list(&state.app, uuid.parse()?, page.cursor.as_deref(), page.limit).await?;
    Ok(HttpResponse::Ok().json(found))
}
