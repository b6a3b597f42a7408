//! The JSON API of people and their programs: parse, call the use case, answer.

use super::State;
use super::failure::{Answer, Failure};
use crate::domain::image::Arch;
use crate::domain::{Name, NodeUuid};
use crate::error::Error;
use crate::service::auth::Person;
use crate::service::drift as drift_cases;
use crate::service::identity as identity_cases;
use crate::service::node_events::{self as event_cases, NodeEventQuery};
use crate::service::nodes::NodeQuery;
use crate::service::profiles as profile_cases;
use crate::service::rules as rule_cases;
use crate::service::{boots as boot_cases, fallback, first_stage as stage_cases, nodes as node_cases};
use crate::store::NodeEventFilter;
use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query, ReqData};
use higuma_proto::api::{
    AcknowledgeEvents, Acknowledged, MergeInto, NewFirstStage, NewProfile, NodePatch, PutRules, RuleTest,
};
use serde::Deserialize;

pub(super) type S = Data<State>;

pub(super) fn ok(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

pub(super) fn created(body: impl serde::Serialize) -> Answer {
    Ok(HttpResponse::Created().json(body))
}

/// Piece of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Which revision: a number, or `newest`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevisionQuery {
    revision: Option<String>,
}

/// Which one becomes active.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateQuery {
    revision: u32,
}

/// Whether nodes boot it from now on.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftQuery {
    draft: bool,
}

/// Which nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodesQuery {
    lifecycle: Option<String>,
    drift: Option<String>,
    q: Option<String>,
    profile: Option<String>,
    #[serde(rename = "where")]
    wanted: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// An empty form field is none.
pub(super) fn some<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>, Failure>
where
    T::Err: Into<Error>,
{
    text.filter(|t| !t.is_empty()).map(|t| t.parse().map_err(|e: T::Err| Failure(e.into()))).transpose()
}

pub async fn nodes(s: S, query: Query<NodesQuery>) -> Answer {
    let NodesQuery { lifecycle, drift, q, profile, wanted, cursor, limit } = query.into_inner();
    let query = NodeQuery {
        lifecycle: some(lifecycle)?,
        drift: some(drift)?,
        text: q.filter(|q| !q.is_empty()),
        profile: some(profile)?,
        selector: some(wanted)?,
        cursor: some(cursor)?,
        limit,
    };
    ok(node_cases::list(&s.app, query).await?)
}

pub async fn node(s: S, uuid: Path<String>) -> Answer {
    ok(node_cases::show(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn drift(s: S, uuid: Path<String>) -> Answer {
    ok(drift_cases::show(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn add_node(s: S, uuid: Path<String>, patch: Json<NodePatch>, person: ReqData<Person>) -> Answer {
    ok(node_cases::add_by(&s.app, uuid.parse::<NodeUuid>()?, patch.into_inner(), &person.name).await?)
}

pub async fn patch_node(s: S, uuid: Path<String>, patch: Json<NodePatch>, person: ReqData<Person>) -> Answer {
    ok(node_cases::patch_by(&s.app, uuid.parse::<NodeUuid>()?, patch.into_inner(), &person.name).await?)
}

pub async fn rules(s: S) -> Answer {
    ok(rule_cases::list(&s.app).await?)
}

pub async fn put_rules(s: S, put: Json<PutRules>) -> Answer {
    ok(rule_cases::replace(&s.app, put.into_inner()).await?)
}

pub async fn test_rules(s: S, test: Json<RuleTest>) -> Answer {
    ok(rule_cases::test(&s.app, test.into_inner()).await?)
}

pub async fn merge_node(s: S, uuid: Path<String>, body: Json<MergeInto>) -> Answer {
    let (new, old) = (uuid.parse::<NodeUuid>()?, body.into.parse::<NodeUuid>()?);
    ok(identity_cases::merge(&s.app, new, old).await?)
}

pub async fn not_same(s: S, uuid: Path<String>) -> Answer {
    ok(identity_cases::not_same(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

pub async fn retry(s: S, uuid: Path<String>) -> Answer {
    ok(fallback::retry(&s.app, uuid.parse::<NodeUuid>()?).await?)
}

/// Which node events.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeEventsQuery {
    node: Option<String>,
    kind: Option<String>,
    severity: Option<String>,
    open: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub async fn node_events(s: S, query: Query<NodeEventsQuery>) -> Answer {
    let NodeEventsQuery { node, kind, severity, open, cursor, limit } = query.into_inner();
    let (node, kind, severity) = (some(node)?, some(kind)?, some(severity)?);
    let filter = NodeEventFilter { node, kind, severity, open: open.unwrap_or(false) };
    ok(event_cases::list(&s.app, NodeEventQuery { filter, cursor, limit }).await?)
}

pub async fn acknowledge_all(s: S, body: Json<AcknowledgeEvents>, person: ReqData<Person>) -> Answer {
    let AcknowledgeEvents { node, kind, severity } = body.into_inner();
    let filter = NodeEventFilter { node: some(node)?, kind: some(kind)?, severity: some(severity)?, open: true };
    ok(Acknowledged { acknowledged: event_cases::acknowledge_all(&s.app, filter, None, &person.name).await? })
}

pub async fn acknowledge(s: S, id: Path<String>, person: ReqData<Person>) -> Answer {
    ok(event_cases::acknowledge(&s.app, &id, &person.name).await?)
}

pub async fn boots(s: S, uuid: Path<String>, page: Query<PageQuery>) -> Answer {
    ok(boot_cases::list(&s.app, uuid.parse::<NodeUuid>()?, page.cursor.as_deref(), page.limit).await?)
}

pub async fn boot(s: S, id: Path<String>) -> Answer {
    ok(boot_cases::show(&s.app, &id).await?)
}

pub async fn profiles(s: S, page: Query<PageQuery>) -> Answer {
    ok(profile_cases::list(&s.app, page.cursor.as_deref(), page.limit).await?)
}

pub async fn create_profile(s: S, new: Json<NewProfile>, person: ReqData<Person>) -> Answer {
    let who = format!("person {}", person.name);
    created(profile_cases::create_by(&s.app, new.into_inner(), &who).await?)
}

pub async fn profile(s: S, name: Path<String>, query: Query<RevisionQuery>) -> Answer {
    let revision = some(query.into_inner().revision)?;
    ok(profile_cases::show(&s.app, name.parse::<Name>()?, revision).await?)
}

pub async fn profile_revisions(s: S, name: Path<String>, page: Query<PageQuery>) -> Answer {
    ok(profile_cases::revisions(&s.app, name.parse::<Name>()?, page.cursor.as_deref(), page.limit).await?)
}

pub async fn activate_profile(s: S, name: Path<String>, query: Query<ActivateQuery>) -> Answer {
    ok(profile_cases::activate(&s.app, name.parse::<Name>()?, query.revision).await?)
}

pub async fn update_profile(
    s: S,
    name: Path<String>,
    query: Query<DraftQuery>,
    new: Json<NewProfile>,
    person: ReqData<Person>,
) -> Answer {
    let who = format!("person {}", person.name);
    ok(profile_cases::update_by(&s.app, name.parse::<Name>()?, new.into_inner(), query.draft, &who).await?)
}

pub async fn delete_profile(s: S, name: Path<String>) -> Answer {
    profile_cases::delete(&s.app, name.parse::<Name>()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which first stage.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageQuery {
    arch: Option<String>,
}

pub async fn first_stage(s: S, query: Query<StageQuery>) -> Answer {
    let arch = some::<Arch>(query.into_inner().arch)?.unwrap_or(Arch::X86_64);
    ok(stage_cases::show(&s.app, arch).await?)
}

pub async fn put_first_stage(s: S, new: Json<NewFirstStage>) -> Answer {
    let stage = stage_cases::put(&s.app, new.into_inner()).await?;
    s.readiness.forget().await;
    ok(stage)
}
