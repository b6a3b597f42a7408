//! `POST /nodes/{uuid}`: every form that changes a node, on the fleet page and on the node's own. The answer is a redirect
//! back with a message, or the node's page with the error.

use super::{PageError, fleet, node, see_other};
use crate::domain::NodeUuid;
use crate::error::Error;
use crate::http::State;
use crate::service::auth::Person;
use crate::service::{fallback, firmware, identity, nodes};
use actix_web::{HttpRequest, HttpResponse, web};
use higuma_proto::api::NodePatch;
use serde::Deserialize;

/// Fields of all the forms; a form sends those that it has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangeForm {
    /// One of the words in [`ChangeForm::patch`].
    action: String,
    profile: String,
    hostname: String,
    cluster: String,
    /// The node to merge into.
    into: String,
    /// Query of the fleet page that the form stands on; absent on the node's page.
    back: Option<String>,
}

impl ChangeForm {
    /// What to change, and the word for `?done=`.
    fn patch(&self) -> Result<(NodePatch, &'static str), Error> {
        let admission = |word: &str| NodePatch { admission: Some(word.to_owned()), ..NodePatch::default() };
        let assign = || NodePatch { profile: Some(self.profile.clone()), ..NodePatch::default() };
        let maintenance = |on| NodePatch { maintenance: Some(on), ..NodePatch::default() };
        let retired = |on| NodePatch { retired: Some(on), ..NodePatch::default() };
        Ok(match self.action.as_str() {
            // Assigning admits, so this one form does both.
            "approve" if self.profile.is_empty() => (admission("admitted"), "approved"),
            "approve" => (assign(), "assigned"),
            "assign" if self.profile.is_empty() => (assign(), "unassigned"),
            "assign" => (assign(), "assigned"),
            "reject" => (admission("rejected"), "rejected"),
            "cluster" => {
                (NodePatch { cluster: Some(self.cluster.trim().to_owned()), ..NodePatch::default() }, "cluster")
            }
            "rename" => {
                (NodePatch { hostname: Some(self.hostname.trim().to_owned()), ..NodePatch::default() }, "renamed")
            }
            "maintenance-on" => (maintenance(true), "maintenance-on"),
            "maintenance-off" => (maintenance(false), "maintenance-off"),
            "retire" => (retired(true), "retired"),
            "restore" => (retired(false), "restored"),
            other => {
                let got: String = other.chars().take(40).collect();
                return Err(Error::BadRequest(format!("action: expected one of the page's buttons, got {got:?}")));
            }
        })
    }
}

/// The message for a word of `?done=`; a word that is not ours says nothing.
pub(super) fn done_text(word: &str) -> Option<&'static str> {
    Some(match word {
        "approved" => "Approved. It boots once it has a profile.",
        "assigned" => "Profile assigned. The node gets it when it asks next, at the latest with its next boot.",
        "unassigned" => "Profile taken away. What runs keeps running until the next boot.",
        "rejected" => "Rejected. It gets nothing to boot.",
        "cluster" => "Cluster set. Addresses that the node has stay; new ones come from the pools of this cluster.",
        "renamed" => "Host name changed. It holds from the next boot.",
        "maintenance-on" => "In maintenance. It boots nothing new.",
        "maintenance-off" => "Back from maintenance.",
        "seen" => "Seen. It is on the list of all events.",
        "retired" => "Retired. It is refused from now on.",
        "cabling-accepted" => "Cabling accepted. The node boots on when it asks next.",
        "restored" => "Taken back.",
        "firmware-retry" => {
            "What was tried counts no more. The update runs again at the next boot, or now if the node is held."
        }
        "retry" => "What failed before counts no more. Its next boot tries what it should run.",
        "job-cancelled" => "Cancelled. Nothing more is begun; what is under way ends.",
        "rollout-paused" => "Paused. No new node is begun; what was begun ends.",
        "rollout-resumed" => "It goes on.",
        "rollout-aborted" => "Aborted. What was begun ends, and what was done stays.",
        "rollout-rollback" => "Aborted. Every node that was touched gets back what it had.",
        "bmc-answers" => "The BMC answers and lets Higuma in.",
        "bmc-fails" => "The BMC could not be logged in to: its panel says why.",
        "media-attached" => "Attached. The drives below are as the BMC tells them now.",
        "media-detached" => "Detached. The drives below are as the BMC tells them now.",
        "enrolled" => "Taken. Each BMC is contacted now.",
        "enrol-retry" => "It is tried again now.",
        "enrol-cancelled" => "Given up. Nothing more is done with it.",
        "merged" => "Merged. This node has the new board now.",
        "not-same" => "Noted. It is not offered again.",
        _ => return None,
    })
}

/// The handler.
pub(super) async fn submit(
    state: web::Data<State>,
    path: web::Path<String>,
    form: web::Form<ChangeForm>,
    req: HttpRequest,
    person: web::ReqData<Person>,
) -> Result<HttpResponse, PageError> {
    let uuid: NodeUuid = path.parse()?;
    if form.action == "firmware-retry" {
        firmware::retry(&state.app, uuid.clone()).await?;
        return Ok(see_other(&format!("/nodes/{uuid}?done=firmware-retry")));
    }
    if form.action == "retry" {
        fallback::retry(&state.app, uuid.clone()).await?;
        return Ok(see_other(&format!("/nodes/{uuid}?done=retry")));
    }
    if matches!(form.action.as_str(), "merge" | "not-same") {
        return who_it_is(&state, uuid, &form, &req).await;
    }
    let outcome = match form.patch() {
        Ok((patch, done)) => nodes::patch_by(&state.app, uuid.clone(), patch, &person.name).await.map(|_| done),
        Err(error) => Err(error),
    };
    match (outcome, &form.back) {
        (Ok(done), Some(back)) => Ok(see_other(&fleet::location(back, done))),
        (Ok(done), None) => Ok(see_other(&format!("/nodes/{uuid}?done={done}"))),
        (Err(error @ Error::Internal(_)), _) => Err(error.into()),
        (Err(error), _) => node::with_error(&state.app, uuid, &req, error).await,
    }
}

/// The buttons of a node that may be another one with a new board.
async fn who_it_is(
    state: &State,
    uuid: NodeUuid,
    form: &ChangeForm,
    req: &HttpRequest,
) -> Result<HttpResponse, PageError> {
    let outcome = match (form.action.as_str(), form.into.parse::<NodeUuid>()) {
        ("merge", Ok(into)) => identity::merge(&state.app, uuid.clone(), into).await.map(|node| (node, "merged")),
        ("merge", Err(error)) => Err(error.into()),
        _ => identity::not_same(&state.app, uuid.clone()).await.map(|node| (node, "not-same")),
    };
    match outcome {
        Ok((node, done)) => Ok(see_other(&format!("/nodes/{}?done={done}", node.summary.uuid))),
        Err(error @ Error::Internal(_)) => Err(error.into()),
        Err(error) => node::with_error(&state.app, uuid, req, error).await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form(action: &str, profile: &str) -> ChangeForm {
        ChangeForm { action: action.into(), profile: profile.into(), ..ChangeForm::default() }
    }

    #[test]
    fn every_button_changes_one_thing_and_has_a_message() {
        let all = [
            "approve",
            "assign",
            "reject",
            "rename",
            "cluster",
            "maintenance-on",
            "maintenance-off",
            "retire",
            "restore",
        ];
        for (action, profile) in all.iter().flat_map(|a| [(*a, ""), (*a, "web")]) {
            let (patch, done) = form(action, profile).patch().unwrap();
            let set = serde_json::to_value(&patch).unwrap();
            assert_eq!(set.as_object().unwrap().len(), 1, "{action}: {set}");
            assert!(done_text(done).is_some(), "{done}");
        }
    }

    #[test]
    fn approving_with_a_profile_assigns_it() {
        let (patch, done) = form("approve", "web").patch().unwrap();
        assert_eq!((patch.profile.as_deref(), patch.admission, done), (Some("web"), None, "assigned"));
        let (patch, _) = form("assign", "").patch().unwrap();
        assert_eq!(patch.profile.as_deref(), Some(""));
    }

    #[test]
    fn an_unknown_button_is_refused() {
        let error = form("delete-everything", "").patch().unwrap_err();
        assert_eq!(error.code(), "bad_request");
        assert!(done_text("<b>").is_none());
    }
}
