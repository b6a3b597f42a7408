//! The master key and BMC passwords in the JSON API: parse, call the use case, answer. The answer that holds passwords is
//! never kept by anything on its way.

use super::State;
use super::failure::Answer;
use crate::domain::NodeUuid;
use crate::service::auth::Person;
use crate::service::{credentials, vault};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path, ReqData};

type S = Data<State>;

pub async fn reveal(s: S, uuid: Path<String>, person: ReqData<Person>) -> Answer {
    let revealed = credentials::reveal(&s.app, uuid.parse::<NodeUuid>()?, &person.name).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(revealed))
}

pub async fn master_key(s: S) -> Answer {
    Ok(HttpResponse::Ok().json(vault::status(&s.app).await?))
}

pub async fn rotate(s: S, person: ReqData<Person>) -> Answer {
    Ok(HttpResponse::Accepted().json(vault::rotate(&s.app, &person.name).await?))
}
