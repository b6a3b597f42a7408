//! The firmware policy in the JSON API: parse, call the use case, answer.

use super::State;
use super::failure::Answer;
use crate::domain::{Name, NodeUuid};
use crate::service::firmware::{self as cases, NodesQuery};
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use higuma_proto::api::{FirmwareMove, NewFirmwareRule};
use serde::Deserialize;

type S = Data<State>;

/// Which nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

pub async fn node(s: S, uuid: Path<String>) -> Answer {
    ok(cases::show(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn retry(s: S, uuid: Path<String>) -> Answer {
    ok(cases::retry(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn rules(s: S) -> Answer {
    ok(cases::list_rules(&s.app).await?)
}

pub async fn create_rule(s: S, new: Json<NewFirmwareRule>) -> Answer {
    Ok(HttpResponse::Created().json(cases::create(&s.app, new.into_inner()).await?))
}

pub async fn update_rule(s: S, name: Path<String>, new: Json<NewFirmwareRule>) -> Answer {
    ok(cases::update(&s.app, name.parse::<Name>()?, new.into_inner()).await?)
}

pub async fn delete_rule(s: S, name: Path<String>) -> Answer {
    cases::delete(&s.app, name.parse::<Name>()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn move_rule(s: S, name: Path<String>, to: Json<FirmwareMove>) -> Answer {
    let before = to.into_inner().before.map(|name| name.parse::<Name>()).transpose()?;
    ok(cases::move_before(&s.app, name.parse::<Name>()?, before).await?)
}

pub async fn compliance(s: S) -> Answer {
    ok(cases::compliance(&s.app).await?)
}

pub async fn nodes(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    let cursor = cursor.filter(|uuid| !uuid.is_empty()).map(|uuid| uuid.parse()).transpose()?;
    ok(cases::nodes(&s.app, NodesQuery { state, cursor, limit }).await?)
}
