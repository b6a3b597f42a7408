//! The JSON API of switches and cables: parse, call the use case, answer.

use super::State;
use super::failure::Answer;
use crate::domain::NodeUuid;
use crate::service::auth::Person;
use crate::service::cabling as cable_cases;
use crate::service::expected::{self as cases, CheckQuery};
use crate::service::switches::{self as switch_cases, LinkQuery};
use crate::store::LinkFilter;
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{NewExpected, Page};
use serde::Deserialize;

type S = Data<State>;

fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

/// Piece of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn switches(s: S, page: Query<PageQuery>) -> Answer {
    ok(switch_cases::list(&s.app, page.cursor.as_deref(), page.limit).await?)
}

pub async fn ports(s: S, chassis: Path<String>) -> Answer {
    // A slash within an id stays encoded in a path.
    let name = chassis.replace("%2F", "/").replace("%2f", "/");
    let (_, ports) = switch_cases::show(&s.app, &name).await?;
    ok(Page { items: ports, next: None })
}

/// Which links.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinksQuery {
    node: Option<String>,
    switch: Option<String>,
    history: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

fn node(text: Option<String>) -> Result<Option<NodeUuid>, crate::domain::Invalid> {
    text.filter(|t| !t.is_empty()).map(|t| t.parse()).transpose()
}

pub async fn links(s: S, query: Query<LinksQuery>) -> Answer {
    let LinksQuery { node: of, switch, history, cursor, limit } = query.into_inner();
    let filter = LinkFilter {
        node: node(of)?,
        switch: switch.filter(|name| !name.is_empty()),
        present: !history.unwrap_or(false),
    };
    ok(switch_cases::links(&s.app, LinkQuery { filter, cursor, limit }).await?)
}

pub async fn expected(s: S, page: Query<PageQuery>) -> Answer {
    ok(cases::list(&s.app, page.cursor.as_deref(), page.limit).await?)
}

pub async fn import(s: S, new: Json<NewExpected>) -> Answer {
    ok(cases::import(&s.app, new.into_inner()).await?)
}

/// Which findings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FindingsQuery {
    node: Option<String>,
    all: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn check(s: S, query: Query<FindingsQuery>) -> Answer {
    let FindingsQuery { node: of, all, cursor, limit } = query.into_inner();
    let query = CheckQuery { node: node(of)?, all: all.unwrap_or(false), cursor, limit };
    ok(cases::check(&s.app, query).await?)
}

pub async fn accept(s: S, uuid: Path<String>, person: ReqData<Person>) -> Answer {
    let links = cable_cases::accept(&s.app, uuid.parse::<NodeUuid>()?, &person.name).await?;
    ok(Page { items: links, next: None })
}
