//! Leases of DHCP, and options of nodes, in the JSON API: parse, call the use case, answer.

use super::api::{S, ok, some};
use super::failure::Answer;
use crate::domain::Invalid;
use crate::service::auth::Person;
use crate::service::dhcp::leases::{self as cases, LeaseQuery};
use crate::service::dhcp::options;
use actix_web::HttpResponse;
use actix_web::web::{Json, Path, Query, ReqData};
use higuma_proto::api::NodeDhcp;
use serde::Deserialize;
use std::net::Ipv4Addr;

/// Which leases.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    subnet: Option<String>,
    node: Option<String>,
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn leases(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { subnet, node, state, cursor, limit } = query.into_inner();
    let net = |text: String| match text.parse() {
        Ok(net) => Ok(net),
        Err(_) => Err(Invalid::new("subnet", "an IPv4 network, e.g. 10.0.0.0/24", &text)),
    };
    let query = LeaseQuery {
        subnet: subnet.filter(|text| !text.is_empty()).map(net).transpose()?,
        node: some(node)?,
        state: state.filter(|text| !text.is_empty()).map(|text| cases::state(&text)).transpose()?,
        cursor: cursor.filter(|text| !text.is_empty()).map(|text| address("cursor", &text)).transpose()?,
        limit,
    };
    ok(cases::list(&s.app, query).await?)
}

pub async fn release(s: S, which: Path<String>, person: ReqData<Person>) -> Answer {
    cases::release(&s.app, address("address", &which)?, &person.name).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn options(s: S, node: Path<String>) -> Answer {
    ok(options::show(&s.app, node.parse()?).await?)
}

pub async fn set_options(s: S, node: Path<String>, wanted: Json<NodeDhcp>, person: ReqData<Person>) -> Answer {
    ok(options::set(&s.app, node.parse()?, wanted.into_inner(), &person.name).await?)
}

fn address(what: &'static str, text: &str) -> Result<Ipv4Addr, Invalid> {
    text.parse().map_err(|_| Invalid::new(what, "an IPv4 address", text))
}
