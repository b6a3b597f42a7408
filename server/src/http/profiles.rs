//! Profiles beside making and changing single ones: parse, call the use case, answer.

use super::api::{S, ok, some};
use super::failure::Answer;
use crate::domain::profile::Revision;
use crate::domain::{Name, NodeUuid};
use crate::service::auth::Person;
use crate::service::profiles::diff::{self as diffs, Since};
use crate::service::{apply as applying, preview as previews};
use actix_web::web::{Json, Path, Query, ReqData};
use higuma_proto::api::Apply;
use serde::Deserialize;

/// For whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct For {
    node: String,
    revision: Option<String>,
}

/// GET /api/v1/profiles/{name}/preview?node=&revision=.
pub async fn preview(s: S, name: Path<String>, query: Query<For>) -> Answer {
    let For { node, revision } = query.into_inner();
    ok(previews::show(&s.app, name.parse::<Name>()?, some(revision)?, node.parse::<NodeUuid>()?).await?)
}

/// Which two revisions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Between {
    from: Option<String>,
    to: Option<String>,
}

/// GET /api/v1/profiles/{name}/diff?from=&to=.
pub async fn diff(s: S, name: Path<String>, query: Query<Between>) -> Answer {
    let Between { from, to } = query.into_inner();
    let from: Option<Revision> = some(from)?;
    let since = from.map_or(Since::Active, Since::Of);
    ok(diffs::show(&s.app, name.parse::<Name>()?, since, some(to)?).await?)
}

/// POST /api/v1/apply.
pub async fn apply(s: S, body: Json<Apply>, person: ReqData<Person>) -> Answer {
    let who = format!("person {}", person.name);
    ok(applying::apply(&s.app, body.into_inner(), &who).await?)
}
