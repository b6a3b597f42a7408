//! Jobs in the JSON API: parse, call the use case, answer.

use super::State;
use super::api::ok;
use super::failure::Answer;
use crate::service::auth::Person;
use crate::service::jobs::{self as cases, ItemsQuery, JobsQuery};
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::NewJob;
use serde::Deserialize;

type S = Data<State>;

/// Piece of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn list(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    ok(cases::list(&s.app, JobsQuery { state, cursor, limit }).await?)
}

pub async fn create(s: S, new: Json<NewJob>, person: ReqData<Person>) -> Answer {
    let (job, new) = cases::create(&s.app, new.into_inner(), &person.name).await?;
    let mut answer = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(job))
}

pub async fn job(s: S, id: Path<String>) -> Answer {
    ok(cases::show(&s.app, &id).await?)
}

pub async fn items(s: S, id: Path<String>, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    ok(cases::items(&s.app, &id, ItemsQuery { state, cursor, limit }).await?)
}

pub async fn cancel(s: S, id: Path<String>, person: ReqData<Person>) -> Answer {
    ok(cases::cancel(&s.app, &id, &person.name).await?)
}
