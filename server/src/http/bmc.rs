//! BMCs in the JSON API: parse, call the use case, answer.

use super::State;
use super::failure::Answer;
use crate::domain::NodeUuid;
use crate::service::auth::Person;
use crate::service::bmc::{self as cases, BmcQuery};
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{AttachMedia, SetBmc};
use serde::Deserialize;

type S = Data<State>;

/// Which BMCs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// How many lines.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    limit: Option<usize>,
}

fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

pub async fn list(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    let cursor = cursor.filter(|uuid| !uuid.is_empty()).map(|uuid| uuid.parse()).transpose()?;
    ok(cases::list(&s.app, BmcQuery { state, cursor, limit }).await?)
}

pub async fn show(s: S, uuid: Path<String>) -> Answer {
    ok(cases::show(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn set(s: S, uuid: Path<String>, given: Json<SetBmc>) -> Answer {
    ok(cases::set(&s.app, uuid.parse::<NodeUuid>()?, given.into_inner()).await?)
}

pub async fn check(s: S, uuid: Path<String>) -> Answer {
    ok(cases::check(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn info(s: S, uuid: Path<String>) -> Answer {
    ok(cases::info(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn sensors(s: S, uuid: Path<String>) -> Answer {
    ok(cases::sensors(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

/// Which virtual drive.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaQuery {
    slot: Option<String>,
}

pub async fn hardware(s: S, uuid: Path<String>) -> Answer {
    ok(cases::hardware(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn firmware(s: S, uuid: Path<String>) -> Answer {
    ok(cases::firmware(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn media(s: S, uuid: Path<String>) -> Answer {
    ok(cases::media(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn attach(s: S, uuid: Path<String>, given: Json<AttachMedia>, person: ReqData<Person>) -> Answer {
    let node: NodeUuid = uuid.parse()?;
    cases::attach(&s.app, node.clone(), given.into_inner(), &person.name).await?;
    ok(cases::media_after(&s.app, node, "attached").await?)
}

pub async fn detach(s: S, uuid: Path<String>, query: Query<MediaQuery>, person: ReqData<Person>) -> Answer {
    let node: NodeUuid = uuid.parse()?;
    cases::detach(&s.app, node.clone(), query.into_inner().slot, &person.name).await?;
    ok(cases::media_after(&s.app, node, "detached").await?)
}

pub async fn log(s: S, uuid: Path<String>, query: Query<LogQuery>) -> Answer {
    ok(cases::log(&s.app, uuid.parse::<NodeUuid>()?, query.into_inner().limit).await?)
}
