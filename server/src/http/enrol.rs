//! Enrolment of BMCs in the JSON API: parse, call the use case, answer.

use super::State;
use super::api::ok;
use super::failure::Answer;
use crate::domain::Invalid;
use crate::service::auth::Person;
use crate::service::enrol::{self as cases, EnrolmentQuery};
use crate::store::EnrolmentFilter;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{NewEnrolments, RetryEnrolment};
use serde::Deserialize;
use uuid::Uuid;

type S = Data<State>;

/// Which enrolments.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    state: Option<String>,
    batch: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Of which import.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountsQuery {
    batch: Option<String>,
}

/// An absent or empty text as nothing.
pub fn id(what: &'static str, text: Option<&str>) -> Result<Option<Uuid>, Invalid> {
    let parse = |text: &str| text.parse().map_err(|_| Invalid::new(what, "a UUID from an earlier answer", text));
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// A page, newest first.
pub async fn list(s: S, query: Query<ListQuery>) -> Answer {
    let ListQuery { state, batch, cursor, limit } = query.into_inner();
    let state = state.filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    let filter = EnrolmentFilter { state, batch: id("batch", batch.as_deref())? };
    ok(cases::list(&s.app, EnrolmentQuery { filter, cursor: id("cursor", cursor.as_deref())?, limit }).await?)
}

/// Take a file, or say what is wrong with each line.
pub async fn import(s: S, file: Json<NewEnrolments>, person: ReqData<Person>) -> Answer {
    ok(cases::import(&s.app, file.into_inner(), &person.name).await?)
}

/// How many there are in each state.
pub async fn counts(s: S, query: Query<CountsQuery>) -> Answer {
    ok(cases::counts(&s.app, id("batch", query.batch.as_deref())?).await?)
}

/// Try one again.
pub async fn retry(s: S, which: Path<String>, how: Json<RetryEnrolment>, person: ReqData<Person>) -> Answer {
    ok(cases::retry(&s.app, &which, how.restart, &person.name).await?)
}

/// Give one up.
pub async fn cancel(s: S, which: Path<String>, person: ReqData<Person>) -> Answer {
    ok(cases::cancel(&s.app, &which, &person.name).await?)
}
