//! What machines asked of the boot services, in the JSON API.

use super::State;
use super::failure::Answer;
use crate::domain::Invalid;
use crate::service::exchanges::ExchangeQuery;
use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use serde::Deserialize;

/// Which, and how long to wait for more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    node: Option<String>,
    mac: Option<String>,
    net: Option<String>,
    after: Option<u64>,
    wait: Option<u64>,
}

pub async fn list(state: Data<State>, query: Query<ListQuery>) -> Answer {
    let ListQuery { node, mac, net, after, wait } = query.into_inner();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let node = given(node).map(|node| node.parse()).transpose()?;
    let mac = given(mac).map(|mac| mac.parse::<crate::domain::Mac>()).transpose()?.map(|mac| mac.to_string());
    let net = given(net)
        .map(|net| {
            let network = net.parse().or_else(|_| net.parse::<std::net::IpAddr>().map(Into::into));
            network.map_err(|_| Invalid::new("net", "a network or an address, e.g. 10.0.0.0/24", &net))
        })
        .transpose()?;
    Ok(HttpResponse::Ok().json(state.app.exchanges.read(&ExchangeQuery { node, mac, net, after, wait }).await))
}
