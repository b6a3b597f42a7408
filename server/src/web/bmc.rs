//! The BMC of a node as its page shows it: how far Higuma has come with it and why, how it is reached, what was changed
//! in-band last; and `POST /nodes/{uuid}/bmc`, which logs in now. No password is ever on a page.

use super::new_job::{self, Button};
use super::{PageError, human, node, see_other};
use crate::domain::bmc::BmcState;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::State;
use crate::service::{App, bmc as cases};
use actix_web::{HttpRequest, HttpResponse, web};
use higuma_proto::agent::BmcChange;
use higuma_proto::api::{BmcDetail, BmcSummary};
use std::time::Duration;

/// What was told of the power longer ago than this is shown as old: several polls were missed.
const STALE: Micros = 5 * 60 * 1_000_000;
/// A page does not wait longer for a login; it goes on all the same and is seen on the page later.
const CHECK: Duration = Duration::from_secs(100);

/// Power of a node as a word, with its age.
pub(super) struct PowerView {
    pub word: String,
    /// For the style sheet: a word of `p-`.
    pub class: &'static str,
    pub age: String,
    pub title: String,
}

impl PowerView {
    pub(super) fn new(power: &str, told: Option<Micros>, now: Micros) -> Self {
        let class = match (power, told) {
            ("on" | "off", Some(at)) if now.saturating_sub(at) > STALE => "old",
            ("on", Some(_)) => "on",
            ("off", Some(_)) => "off",
            _ => "unknown",
        };
        let (age, title) = match told {
            Some(at) => (human::ago(at, now), format!("power {power}, told by the BMC {}", human::ago(at, now))),
            None => (String::new(), "the BMC has not told the power yet".to_owned()),
        };
        Self { word: power.to_owned(), class, age, title }
    }
}

/// What a state means.
pub(super) fn meaning(state: &str) -> &'static str {
    match state.parse() {
        Ok(BmcState::Absent) => "The node has no interface to a BMC.",
        Ok(BmcState::Silent) => "It did not answer the node's agent.",
        Ok(BmcState::Refused) => "It refused the node's agent what must be read or set.",
        Ok(BmcState::Found) => "It was read; nothing of it was set.",
        Ok(BmcState::Configured) => "It is set up; nobody has logged in over the LAN yet.",
        Ok(BmcState::Managed) => "Higuma logs in over the LAN.",
        Ok(BmcState::Unreachable) => "It does not answer over the LAN.",
        Ok(BmcState::LoginRefused) => "It answers over the LAN and refuses the login.",
        Err(_) => "",
    }
}

/// Where its own pages are.
pub(super) fn link(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("https://[{address}]/"),
        Ok(std::net::IpAddr::V4(address)) => format!("https://{address}/"),
        Err(_) => String::new(),
    }
}

/// "IPMI", or "found out: Redfish".
pub(super) fn protocol(bmc: &BmcSummary) -> String {
    let name = |word: &str| match word {
        "ipmi" => "IPMI".to_owned(),
        "redfish" => "Redfish".to_owned(),
        other => other.to_owned(),
    };
    match (bmc.protocol.as_str(), bmc.driver.as_deref()) {
        ("auto", Some(driver)) => name(driver),
        ("auto", None) => "not found out yet".to_owned(),
        (wanted, _) => format!("{}, set by hand", name(wanted)),
    }
}

/// Whether it has hardware, firmware versions and virtual media to tell: it is reached by Redfish, or nobody knows yet.
pub(super) fn may_be_redfish(bmc: &BmcSummary) -> bool {
    match (bmc.protocol.as_str(), bmc.driver.as_deref()) {
        ("auto", driver) => driver != Some("ipmi"),
        (wanted, _) => wanted == "redfish",
    }
}

/// The panel.
pub(super) struct BmcView {
    pub state: String,
    pub meaning: &'static str,
    pub reason: String,
    pub trouble: bool,
    pub power: PowerView,
    pub address: String,
    pub link: String,
    pub facts: Vec<(&'static str, String)>,
    pub changes: Vec<ChangeRow>,
    pub changed: String,
    /// There is something to log in to.
    pub reachable: bool,
    /// It may be asked what only Redfish tells.
    pub redfish: bool,
    /// Names the request of this page: sent twice, it is one job.
    pub request: String,
    /// What is done at once, and what is asked about first.
    pub now: Vec<Button>,
    pub asked: Vec<Button>,
}

/// A change that the agent made in-band.
pub(super) struct ChangeRow {
    pub what: String,
    pub before: String,
    pub after: String,
    /// For the style sheet: a word of `w-`.
    pub word: &'static str,
    pub outcome: String,
}

impl ChangeRow {
    fn new(change: &BmcChange) -> Self {
        let (word, outcome) = match (change.error.as_str(), change.optional) {
            ("", _) => ("ok", "done".to_owned()),
            (error, true) => ("retry", format!("not done: {error}")),
            (error, false) => ("failed", format!("failed: {error}")),
        };
        Self { what: change.what.clone(), before: change.before.clone(), after: change.after.clone(), word, outcome }
    }
}

/// The record of a node's BMC, when there is one.
pub(super) async fn load(app: &App, node: &NodeUuid) -> Result<Option<BmcDetail>> {
    match cases::show(app, node.clone()).await {
        Ok(detail) => Ok(Some(detail)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl BmcView {
    /// `uefi`: the node boots in that mode.
    pub(super) fn new(detail: &BmcDetail, uefi: bool, now: Micros) -> Self {
        let bmc = &detail.summary;
        let when = |at: Option<Micros>| at.map(|at| format!("{}, {}", human::ago(at, now), human::absolute(at)));
        let next = detail.next_us.map(|at| match at.saturating_sub(now) {
            wait if wait <= 0 => "now".to_owned(),
            wait => format!("in {}", human::duration(wait)),
        });
        let failures = (bmc.failures > 0).then(|| format!("{} since the last good one", bmc.failures));
        let facts = [
            ("Protocol", Some(protocol(bmc))),
            ("Port", bmc.port.map(|port| port.to_string())),
            ("Firmware", Some(bmc.firmware.clone())),
            ("MAC", Some(bmc.mac.clone())),
            ("Last login", Some(when(bmc.proven_us).unwrap_or_else(|| "never".to_owned()))),
            ("Failed contacts", failures),
            ("Next contact", next),
            ("Certificate", detail.certificate.clone()),
            ("Read by the agent", when(detail.found_us)),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)));
        let (now_buttons, asked) = new_job::buttons(uefi);
        let address = bmc.address.clone().unwrap_or_default();
        Self {
            state: bmc.state.clone(),
            meaning: meaning(&bmc.state),
            reason: bmc.reason.clone(),
            trouble: matches!(bmc.state.as_str(), "silent" | "refused" | "unreachable" | "login-refused"),
            power: PowerView::new(&bmc.power, bmc.power_us, now),
            link: link(&address),
            reachable: !address.is_empty(),
            redfish: may_be_redfish(bmc),
            address,
            facts: facts.collect(),
            changes: detail.changes.iter().map(ChangeRow::new).collect(),
            changed: detail.reported_us.map(human::absolute).unwrap_or_default(),
            request: new_job::request(),
            now: now_buttons,
            asked,
        }
    }
}

/// `POST /nodes/{uuid}/bmc`: log in now.
pub(super) async fn check(
    state: web::Data<State>,
    path: web::Path<String>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let uuid: NodeUuid = path.parse()?;
    let word = match tokio::time::timeout(CHECK, cases::check(&state.app, uuid.clone())).await {
        Ok(Ok(detail)) if detail.summary.state == "managed" && detail.summary.failures == 0 => "bmc-answers",
        Ok(Ok(_)) | Err(_) => "bmc-fails",
        Ok(Err(error @ Error::Internal(_))) => return Err(error.into()),
        Ok(Err(error)) => return node::with_error(&state.app, uuid, &req, error).await,
    };
    Ok(see_other(&format!("/nodes/{uuid}?done={word}#bmc")))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(in super::super) const NOW: Micros = 1_790_000_000_000_000;

    pub(in super::super) fn bmc(state: &str) -> BmcDetail {
        BmcDetail {
            summary: BmcSummary {
                node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
                hostname: "hv-<12>".into(),
                state: state.into(),
                reason: "completion code 81h <b>".into(),
                protocol: "auto".into(),
                driver: Some("ipmi".into()),
                address: Some("10.9.0.17".into()),
                port: None,
                mac: "52:54:00:00:00:01".into(),
                firmware: "<script>2.51".into(),
                power: "on".into(),
                power_us: Some(NOW - 30_000_000),
                proven_us: Some(NOW - 30_000_000),
                failures: 0,
            },
            guid: String::new(),
            certificate: None,
            found: None,
            found_us: Some(NOW - 90_000_000),
            changes: vec![
                BmcChange {
                    what: "user name".into(),
                    before: "<img src=x>".into(),
                    after: "higuma".into(),
                    ..BmcChange::default()
                },
                BmcChange {
                    what: "cipher suite 0".into(),
                    error: "refused: C1h".into(),
                    optional: true,
                    ..BmcChange::default()
                },
            ],
            reported_us: Some(NOW - 80_000_000),
            next_us: Some(NOW + 20_000_000),
        }
    }

    #[test]
    fn power_grows_old() {
        let class = |power: &str, told| PowerView::new(power, told, NOW).class;
        assert_eq!(class("on", Some(NOW)), "on");
        assert_eq!(class("off", Some(NOW - STALE)), "off");
        assert_eq!(class("on", Some(NOW - STALE - 1)), "old");
        assert_eq!((class("on", None), class("unknown", Some(NOW))), ("unknown", "unknown"));
        assert!(PowerView::new("on", Some(NOW - 30_000_000), NOW).title.contains("30 s ago"));
    }

    #[test]
    fn every_state_has_its_sentence() {
        let words = ["absent", "silent", "refused", "found", "configured", "managed", "unreachable", "login-refused"]
            .map(meaning);
        let set: std::collections::BTreeSet<_> = words.into_iter().collect();
        assert!(set.len() == 8 && !set.contains("") && meaning("x").is_empty());
    }

    #[test]
    fn redfish_is_what_was_set_or_found_or_not_known_yet() {
        let is = |protocol: &str, driver: Option<&str>| {
            let summary =
                BmcSummary { protocol: protocol.into(), driver: driver.map(Into::into), ..bmc("managed").summary };
            may_be_redfish(&summary)
        };
        assert!(is("auto", None) && is("auto", Some("redfish")) && is("redfish", Some("ipmi")));
        assert!(!is("auto", Some("ipmi")) && !is("ipmi", Some("redfish")) && !is("ipmi", None));
    }

    #[test]
    fn only_an_address_is_a_link() {
        assert_eq!(link("fe80::1"), "https://[fe80::1]/");
        assert_eq!(link("10.0.0.1"), "https://10.0.0.1/");
        assert_eq!(link("javascript:alert(1)"), "");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut detail = bmc("configured");
        (detail.summary.mac, detail.summary.proven_us) = (String::new(), None);
        let view = BmcView::new(&detail, true, NOW);
        assert!(view.facts.iter().all(|(name, _)| *name != "MAC" && *name != "Certificate"));
        assert!(view.facts.contains(&("Last login", "never".to_owned())));
        assert!(view.facts.contains(&("Next contact", "in 20.0 s".to_owned())));
        assert!(view.now.iter().any(|b| b.action == "boot-device pxe once uefi"));
        assert_eq!(view.changes.iter().map(|c| c.word).collect::<Vec<_>>(), ["ok", "retry"]);
        detail.summary.protocol = "redfish".into();
        assert_eq!(protocol(&detail.summary), "Redfish, set by hand");
    }
}
