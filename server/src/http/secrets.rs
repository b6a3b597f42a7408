//! Secrets that people name, in the JSON API: parse, call the use case, answer. A value comes in and is in no answer.

use super::State;
use super::failure::Answer;
use crate::domain::Name;
use crate::error::Error;
use crate::service::auth::Person;
use crate::service::secrets as cases;
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::NewSecret;
use serde::Deserialize;

type S = Data<State>;

/// Which of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn list(s: S, query: Query<SecretsQuery>) -> Answer {
    Ok(HttpResponse::Ok().json(cases::list(&s.app, query.cursor.as_deref(), query.limit).await?))
}

pub async fn show(s: S, name: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(cases::show(&s.app, name.parse::<Name>()?).await?))
}

pub async fn set(s: S, name: Path<String>, body: Json<serde_json::Value>, person: ReqData<Person>) -> Answer {
    // A parser's message could repeat what came.
    let new: NewSecret = serde_json::from_value(body.into_inner()).map_err(|_| {
        Error::BadRequest("expected {\"text\": \"...\"} or {\"base64\": \"...\"}, got something else".to_owned())
    })?;
    let (secret, made) = cases::set(&s.app, name.parse::<Name>()?, new, &person.name).await?;
    Ok(if made { HttpResponse::Created() } else { HttpResponse::Ok() }.json(secret))
}

/// See [`delete`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteQuery {
    force: Option<String>,
}

pub async fn delete(s: S, name: Path<String>, query: Query<DeleteQuery>, person: ReqData<Person>) -> Answer {
    cases::delete(&s.app, name.parse::<Name>()?, query.force.as_deref(), &person.name).await?;
    Ok(HttpResponse::NoContent().finish())
}
