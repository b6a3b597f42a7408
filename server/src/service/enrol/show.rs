//! Enrolments as people see them, and what they do with one: try it again, give it up.

use crate::domain::Micros;
use crate::domain::enrol::{Enrolment, State};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::nodes::page_limit;
use crate::store::{EnrolmentFilter, Tx};
use higuma_proto::api::{self, EnrolmentCounts, Page};
use uuid::Uuid;

/// Which enrolments.
#[derive(Debug, Clone, Default)]
pub struct EnrolmentQuery {
    /// Of one state, of one import.
    pub filter: EnrolmentFilter,
    /// `next` of the page before.
    pub cursor: Option<Uuid>,
    /// At most so many.
    pub limit: Option<usize>,
}

fn wire(e: Enrolment) -> api::Enrolment {
    api::Enrolment {
        id: e.id.to_string(),
        batch: e.batch.to_string(),
        address: e.address.to_string(),
        port: e.port,
        protocol: e.protocol.to_string(),
        driver: e.driver.map(|driver| driver.to_string()),
        name: e.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        profile: e.profile.as_ref().map(ToString::to_string).unwrap_or_default(),
        held: e.is_held(),
        user: e.user,
        cluster: e.cluster,
        uefi: e.uefi,
        restart: e.restart,
        state: e.state.to_string(),
        reason: e.reason,
        system_uuids: e.uuids.iter().map(ToString::to_string).collect(),
        mac: e.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        firmware: e.firmware,
        power: e.power.to_string(),
        node: e.node.map(|node| node.to_string()),
        attempts: e.attempts,
        next_us: e.next.filter(|_| e.state.is_open()),
        who: e.who,
        made_us: e.made,
        changed_us: e.changed,
    }
}

/// A page, oldest first.
pub async fn list(app: &App, query: EnrolmentQuery) -> Result<Page<api::Enrolment>> {
    let limit = page_limit(query.limit);
    let mut items = app.store.read(move |tx| tx.enrolments(&query.filter, query.cursor, limit + 1)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|e| e.id.to_string());
    Ok(Page { items: items.into_iter().map(wire).collect(), next })
}

/// How far all are, or those of one import.
pub async fn counts(app: &App, batch: Option<Uuid>) -> Result<EnrolmentCounts> {
    let found = app.store.read(move |tx| tx.count_enrolments(batch)).await?;
    let mut counts = EnrolmentCounts::default();
    for one in found {
        let place = match one.state {
            State::Waiting => &mut counts.waiting,
            State::Contacting => &mut counts.contacting,
            State::Identified if one.idle => &mut counts.held,
            State::Identified => &mut counts.identified,
            State::Booting => &mut counts.booting,
            State::Matched => &mut counts.matched,
            State::Failed => &mut counts.failed,
            State::Cancelled => &mut counts.cancelled,
        };
        *place += one.count;
        counts.total += one.count;
    }
    Ok(counts)
}

/// By id or by address.
fn find(tx: &mut Tx<'_>, which: &str) -> Result<Enrolment> {
    let found = match (which.parse::<Uuid>(), which.parse()) {
        (Ok(id), _) => tx.enrolment(id)?,
        (_, Ok(address)) => tx.enrolments_at(&[address])?.pop(),
        _ => None,
    };
    let none = || Error::NotFound("there is no enrolment of that id or address: see `higuma enrol list`".to_owned());
    found.ok_or_else(none)
}

/// Change one. `doing`: for the words of the error when `change` gives false.
async fn change(
    app: &App,
    which: &str,
    doing: &'static str,
    now: Micros,
    change: impl Fn(&mut Enrolment) -> bool + Send + Sync + 'static,
) -> Result<api::Enrolment> {
    let which = which.to_owned();
    let changed = app.store.write(move |tx| {
        let mut enrolment = find(tx, &which)?;
        if !change(&mut enrolment) {
            let (address, state) = (enrolment.address, enrolment.state);
            let why = match enrolment.busy(now) {
                Some(busy) => format!("{busy}: ask again when it is done"),
                None => format!("it is {state}"),
            };
            return Err(Error::Conflict(format!("the enrolment of {address} cannot be {doing}: {why}")));
        }
        tx.put_enrolment(&enrolment)?;
        Ok(enrolment)
    });
    changed.await.map(wire)
}

/// Try it again from the start. `restart`: a machine that is on may be restarted. Errors: `Conflict` for one that is matched,
/// or that a server works on just now.
pub async fn retry(app: &App, which: &str, restart: bool, by: &str) -> Result<api::Enrolment> {
    let now = app.now();
    tracing::info!(by, enrolment = which, "{by} has enrolment {which} tried again");
    change(app, which, "tried again", now, move |e| e.retry(restart, now)).await
}

/// Give it up; again is no change. Errors: one that is matched.
pub async fn cancel(app: &App, which: &str, by: &str) -> Result<api::Enrolment> {
    let (now, by) = (app.now(), by.to_owned());
    change(app, which, "cancelled", now, move |e| e.state == State::Cancelled || e.cancel(&by, now)).await
}
