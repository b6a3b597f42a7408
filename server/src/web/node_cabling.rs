//! The part of a node's page about its cables: where they are, whether that is as expected, and the button that accepts.

use super::cabling::says;
use super::inventory::{Table, table};
use super::{PageError, human, node, rack, see_other};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::State;
use crate::service::App;
use crate::service::auth::Person;
use crate::service::expected::{self, CheckQuery};
use crate::service::switches::{self, LinkQuery};
use crate::store::LinkFilter;
use actix_web::{HttpRequest, HttpResponse, web};
use higuma_proto::api::{CableLink, CablingFinding};

/// What the page shows.
#[derive(Default)]
pub(super) struct CablingData {
    pub links: Vec<CableLink>,
    pub findings: Vec<CablingFinding>,
}

pub(super) async fn load(app: &App, uuid: &NodeUuid) -> Result<CablingData> {
    let filter = LinkFilter { node: Some(uuid.clone()), ..LinkFilter::default() };
    let links = switches::links(app, LinkQuery { filter, limit: Some(500), cursor: None }).await?.items;
    let query = CheckQuery { node: Some(uuid.clone()), all: true, cursor: None, limit: None };
    Ok(CablingData { links, findings: expected::check(app, query).await?.items })
}

/// As the template shows it.
pub(super) struct Cabling {
    pub held: bool,
    pub moved: bool,
    pub links: Table,
    pub findings: Table,
}

impl Cabling {
    pub(super) fn new(data: CablingData, now: Micros) -> Self {
        let CablingData { mut links, findings } = data;
        // What is there now first, then the newest of what was.
        links.sort_by_key(|l| (l.ended_us.is_some(), std::cmp::Reverse(l.ended_us), l.interface.clone()));
        let held = links.iter().any(|l| !l.accepted && l.ended_us.is_none());
        let moved = held || links.iter().any(|l| l.mark == "moved");
        let rows = links.iter().map(|l| {
            let switch = if l.switch.is_empty() { &l.chassis_id } else { &l.switch };
            let state = match l.ended_us {
                Some(ended) => format!("until {}", human::absolute(ended)),
                None => rack::mark(l).to_owned(),
            };
            let heard = human::ago(l.last_seen_us, now);
            [l.interface.clone(), l.mac.clone(), switch.clone(), l.port_id.clone(), state, heard]
        });
        let links = table(
            "cables",
            "Cables",
            String::new(),
            ["NIC", "MAC", "Switch", "Port", "State", "Heard"],
            rows.collect(),
        );
        let differ = findings.iter().filter(|f| f.verdict != "ok").count();
        let note = if differ == 0 { "all as expected".to_owned() } else { format!("{differ} differ") };
        let rows = findings.iter().map(|f| [f.nic.clone(), f.verdict.clone(), says(f)]);
        let findings = table("expected-cabling", "Expected cabling", note, ["NIC", "Verdict", "What"], rows.collect());
        Self { held, moved, links, findings }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.rows.is_empty() && self.findings.rows.is_empty()
    }
}

/// `POST /nodes/{uuid}/cabling`: the button.
pub(super) async fn accept(
    state: web::Data<State>,
    path: web::Path<String>,
    person: web::ReqData<Person>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let uuid: NodeUuid = path.parse()?;
    match crate::service::cabling::accept(&state.app, uuid.clone(), &person.name).await {
        Ok(_) => Ok(see_other(&format!("/nodes/{uuid}?done=cabling-accepted"))),
        Err(error @ Error::Internal(_)) => Err(error.into()),
        Err(error) => node::with_error(&state.app, uuid, &req, error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rack::tests::link;
    use super::*;

    #[test]
    fn a_held_cable_is_told_and_can_be_accepted() {
        let old = CableLink { ended_us: Some(5), ..link("h", "eth1", "") };
        let held = CableLink { accepted: false, ..link("h", "eth0", "") };
        let view = Cabling::new(CablingData { links: vec![old.clone(), held], findings: vec![] }, 10);
        assert!(view.held && view.moved && !view.is_empty());
        let first: Vec<&str> = view.links.rows.iter().filter_map(|r| Some(r.first()?.text.as_str())).collect();
        assert_eq!(first, ["eth0", "eth1"], "what is there comes first");
        let view = Cabling::new(CablingData { links: vec![old, link("h", "eth0", "moved")], findings: vec![] }, 10);
        assert!(!view.held && view.moved);
        assert!(Cabling::new(CablingData::default(), 10).is_empty());
    }
}
