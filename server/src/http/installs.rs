//! What installers ask of the plain listener, by the token of their boot in the address; and installing again. The token is
//! a secret: it is in no log and no answer.

use super::State;
use super::api::{S, ok};
use super::failure::{Answer, Failure};
use super::routes::nothing;
use crate::domain::NodeUuid;
use crate::domain::secret::Secret;
use crate::error::Error;
use crate::service::install::{self, Document};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// The error names no token.
fn token(text: &str) -> Result<Secret, Failure> {
    text.parse()
        .map_err(|_| Failure(Error::NotFound("this address is of no installation that is under way".to_owned())))
}

/// GET /install/{token}/{file}: `answer`; `user-data`, `meta-data`, `vendor-data` for cloud-init.
pub async fn document(state: Data<State>, path: Path<(String, String)>) -> Answer {
    let (secret, file) = path.into_inner();
    let document = Document::called(&file).ok_or_else(nothing)?;
    let text = install::read(&state.app, token(&secret)?, document).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(text))
}

/// POST /install/{token}/installed: the installer is at its end; again: the same answer.
pub async fn installed(state: Data<State>, path: Path<String>) -> Answer {
    install::done(&state.app, token(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// POST /api/v1/nodes/{uuid}/reinstall.
pub async fn again(s: S, uuid: Path<String>) -> Answer {
    ok(install::again(&s.app, uuid.parse::<NodeUuid>()?).await?)
}
