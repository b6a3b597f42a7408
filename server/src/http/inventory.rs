//! The history of a node's inventory, for people and their programs.

use super::api::{PageQuery, S, ok};
use super::failure::Answer;
use crate::domain::NodeUuid;
use crate::service::history;
use actix_web::web::{Path, Query};
use serde::Deserialize;

pub async fn versions(s: S, uuid: Path<String>, page: Query<PageQuery>) -> Answer {
    ok(history::list(&s.app, uuid.parse::<NodeUuid>()?, page.cursor.as_deref(), page.limit).await?)
}

pub async fn version(s: S, path: Path<(String, u32)>) -> Answer {
    let (uuid, number) = path.into_inner();
    ok(history::show(&s.app, uuid.parse::<NodeUuid>()?, number).await?)
}

/// Which versions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffQuery {
    from: Option<u32>,
    to: Option<u32>,
}

pub async fn diff(s: S, uuid: Path<String>, query: Query<DiffQuery>) -> Answer {
    ok(history::compare(&s.app, uuid.parse::<NodeUuid>()?, query.from, query.to).await?)
}
