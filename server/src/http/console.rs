//! Serial consoles in the JSON API: parse, call the use case, answer.

use super::State;
use super::failure::Answer;
use crate::domain::NodeUuid;
use crate::service::auth::Person;
use crate::service::bmc::console as cases;
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{ConsoleInput, OpenConsole};
use serde::Deserialize;

type S = Data<State>;

/// What is known already, and how long to wait for more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenQuery {
    version: Option<u64>,
    wait: Option<u64>,
}

/// From which byte, and how long to wait for it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputQuery {
    from: Option<u64>,
    wait: Option<u64>,
}

fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

pub async fn open(s: S, uuid: Path<String>, given: Json<OpenConsole>, person: ReqData<Person>) -> Answer {
    ok(cases::open(&s.app, uuid.parse::<NodeUuid>()?, given.into_inner(), &person.name).await?)
}

pub async fn screen(s: S, uuid: Path<String>, query: Query<ScreenQuery>) -> Answer {
    let ScreenQuery { version, wait } = query.into_inner();
    ok(cases::screen(&s.app, uuid.parse::<NodeUuid>()?, version, wait).await?)
}

pub async fn output(s: S, uuid: Path<String>, query: Query<OutputQuery>) -> Answer {
    let OutputQuery { from, wait } = query.into_inner();
    ok(cases::output(&s.app, uuid.parse::<NodeUuid>()?, from, wait).await?)
}

pub async fn input(s: S, uuid: Path<String>, given: Json<ConsoleInput>, person: ReqData<Person>) -> Answer {
    ok(cases::input(&s.app, uuid.parse::<NodeUuid>()?, given.into_inner(), &person.name).await?)
}

pub async fn close(s: S, uuid: Path<String>, person: ReqData<Person>) -> Answer {
    ok(cases::close(&s.app, uuid.parse::<NodeUuid>()?, &person.name).await?)
}
