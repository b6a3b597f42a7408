//! Rollouts in the JSON API: parse, call the use case, answer.

use super::State;
use super::api::ok;
use super::failure::Answer;
use crate::service::auth::Person;
use crate::service::rollouts::{self as cases, Command, MembersQuery, RolloutsQuery};
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{AbortRollout, NewRollout};
use serde::Deserialize;

type S = Data<State>;

/// Piece of a list of rollouts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Piece of a list of members.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemberQuery {
    phase: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn list(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    ok(cases::list(&s.app, RolloutsQuery { state, cursor, limit }).await?)
}

pub async fn create(s: S, new: Json<NewRollout>, person: ReqData<Person>) -> Answer {
    let (rollout, new) = cases::create(&s.app, new.into_inner(), &person.name).await?;
    let mut answer = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(rollout))
}

pub async fn plan(s: S, new: Json<NewRollout>) -> Answer {
    ok(cases::plan(&s.app, new.into_inner()).await?)
}

pub async fn rollout(s: S, id: Path<String>) -> Answer {
    ok(cases::show(&s.app, &id).await?)
}

pub async fn members(s: S, id: Path<String>, query: Query<MemberQuery>) -> Answer {
    let MemberQuery { phase, cursor, limit } = query.into_inner();
    let phase = phase.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    ok(cases::members(&s.app, &id, MembersQuery { phase, cursor, limit }).await?)
}

pub async fn pause(s: S, id: Path<String>, person: ReqData<Person>) -> Answer {
    ok(cases::command(&s.app, &id, Command::Pause, &person.name).await?)
}

pub async fn resume(s: S, id: Path<String>, person: ReqData<Person>) -> Answer {
    ok(cases::command(&s.app, &id, Command::Resume, &person.name).await?)
}

pub async fn abort(s: S, id: Path<String>, body: Json<AbortRollout>, person: ReqData<Person>) -> Answer {
    ok(cases::command(&s.app, &id, Command::Abort { rollback: body.rollback }, &person.name).await?)
}
