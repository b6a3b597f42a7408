//! `/jobs/new`: asks before an action is done to one node, or to all for which an expression holds, and says to how many;
//! `POST /jobs` makes the job. What cuts power, or is done to many, needs a yes; without it nothing is made.

use super::{PageError, Shell, html, human, see_other};
use crate::domain::NodeUuid;
use crate::domain::bmc::BmcAction;
use crate::error::{Error, Result};
use crate::http::State;
use crate::http::failure::Failure;
use crate::service::auth::Person;
use crate::service::{App, jobs, nodes, rules};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use higuma_proto::api::{NewJob, RuleTest};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Names told before a job of many is made.
const TOLD: usize = 10;
/// Counting the nodes of an expression takes no longer.
const COUNTING: Duration = Duration::from_secs(15);

/// An action that the pages offer.
struct Offer {
    action: &'static str,
    label: &'static str,
    /// What it does, for who is asked.
    what: &'static str,
    /// Asked about first, also for one node.
    ask: bool,
}

const fn offer(action: &'static str, label: &'static str, what: &'static str, ask: bool) -> Offer {
    Offer { action, label, what, ask }
}

#[rustfmt::skip]
const OFFERS: &[Offer] = &[
    offer("power-on", "Power on", "What is on already stays as it is.", false),
    offer("boot-device pxe once", "Next boot: network", "Boots from the network at its next boot, once; power stays as it is.", false),
    offer("boot-device pxe once uefi", "Next boot: network (UEFI)", "Boots from the network in UEFI mode at its next boot, once; power stays as it is.", false),
    offer("boot-device disk once", "Next boot: disk", "Boots from its disk at its next boot, once; power stays as it is.", false),
    offer("boot-device bios once", "Next boot: set-up", "Enters its firmware's set-up at its next boot; power stays as it is.", false),
    offer("boot-device cd once", "Next boot: CD", "Boots from its CD, virtual or not, at its next boot, once; power stays as it is.", false),
    offer("boot-device cd once uefi", "Next boot: CD (UEFI)", "Boots from its CD, virtual or not, in UEFI mode at its next boot, once; power stays as it is.", false),
    offer("identify 255", "LED on", "The identify LED is on until it is told otherwise.", false),
    offer("identify 0", "LED off", "The identify LED goes off.", false),
    offer("soft-off", "Shut down", "Asks the operating system to shut down. Whether and when it does is its own affair.", true),
    offer("power-off", "Power off", "Off at once, as pulling the plug does. What is not saved is lost.", true),
    offer("power-cycle", "Power cycle", "Off at once, then on. What is not saved is lost.", true),
    offer("reset", "Reset", "A hard reset; power stays. What is not saved is lost.", true),
    offer("nmi", "NMI", "A non-maskable interrupt: most operating systems write a crash dump and stop.", true),
    offer("rotate-password", "New password", "The BMC gets a new password; the old one holds until the new one has logged in.", true),
    offer("clear-log", "Empty the event log", "What the BMC's event log has now is gone.", true),
    offer("bmc-reset", "Restart the BMC", "The BMC itself restarts and is away for some minutes; the node keeps running.", true),
];

/// A button of a node's page.
pub(super) struct Button {
    pub action: &'static str,
    pub label: &'static str,
}

/// For a node's page: what is done at once, what is asked about first.
pub(super) fn buttons(uefi: bool) -> (Vec<Button>, Vec<Button>) {
    let skipped = if uefi { "boot-device pxe once" } else { "boot-device pxe once uefi" };
    // Those stand where one sees what they are about.
    let elsewhere = |o: &Offer| o.action == "clear-log" || o.action.starts_with(CD);
    let of = |ask: bool| {
        let offers = OFFERS.iter().filter(|o| o.ask == ask && o.action != skipped && !elsewhere(o));
        offers.map(|o| Button { action: o.action, label: o.label }).collect()
    };
    (of(false), of(true))
}

const CD: &str = "boot-device cd";

/// For a page of virtual media: boot from the CD, in the node's mode; both when the mode is not told.
pub(super) fn cd_buttons(boot_mode: &str) -> Vec<Button> {
    let fits = |o: &&Offer| {
        o.action.starts_with(CD) && (boot_mode.is_empty() || o.action.ends_with("uefi") == (boot_mode == "uefi"))
    };
    OFFERS.iter().filter(fits).map(|o| Button { action: o.action, label: o.label }).collect()
}

/// A name for the request of a page that is shown now.
pub(super) fn request() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn find(action: &str) -> Option<&'static Offer> {
    OFFERS.iter().find(|offer| offer.action == action)
}

/// Fields of the form and of the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobForm {
    node: String,
    #[serde(rename = "where")]
    wanted: String,
    action: String,
    /// Milliseconds; empty: the server's setting.
    stagger: String,
    parallel: String,
    request: String,
    /// How many nodes the page told.
    count: String,
    yes: String,
}

impl JobForm {
    fn of_many(&self) -> bool {
        self.node.is_empty()
    }

    /// Whether it is done only after a yes. What the pages do not offer is.
    fn asks(&self) -> bool {
        self.of_many() || find(&self.action).is_none_or(|offer| offer.ask)
    }

    fn new_job(&self) -> Result<NewJob> {
        let number = |name: &str, text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<u32>().map(Some).map_err(|_| {
                let got: String = text.chars().take(20).collect();
                Error::BadRequest(format!("{name}: expected a whole number, got {got:?}"))
            }),
        };
        // Two buttons of one page are two requests.
        let id = format!("{}-{}", self.request, self.action.replace(' ', "-"));
        Ok(NewJob {
            action: self.action.clone(),
            nodes: if self.of_many() { Vec::new() } else { vec![self.node.clone()] },
            select: self.of_many().then(|| self.wanted.clone()),
            stagger_ms: number("time between two starts", &self.stagger)?,
            parallel: number("nodes at once", &self.parallel)?,
            request_id: (!self.request.is_empty()).then_some(id),
        })
    }
}

/// Whom it is done to, as it is now.
#[derive(Debug, Default)]
struct Whom {
    count: u64,
    /// UUID and host name.
    first: Vec<(String, String)>,
}

async fn whom(app: &App, form: &JobForm) -> Result<Whom> {
    if !form.of_many() {
        let node = nodes::show(app, form.node.parse::<NodeUuid>()?).await?.summary;
        return Ok(Whom { count: 1, first: vec![(node.uuid, node.hostname)] });
    }
    let (started, mut found, mut cursor) = (Instant::now(), Whom::default(), None);
    loop {
        let test = RuleTest { when: Some(form.wanted.clone()), rules: None, cursor };
        let part = rules::test(app, test).await?;
        found.count = found.count.saturating_add(part.matching);
        let room = TOLD.saturating_sub(found.first.len());
        found.first.extend(part.nodes.into_iter().take(room).map(|node| (node.uuid, node.hostname)));
        cursor = part.next;
        if cursor.is_none() {
            return Ok(found);
        }
        if started.elapsed() > COUNTING {
            return Err(Error::Unavailable("counting the nodes took too long: ask for less".to_owned()));
        }
    }
}

#[derive(Template)]
#[template(path = "job_new.html")]
struct NewJobPage {
    shell: Shell,
    error: Option<String>,
    title: String,
    what: &'static str,
    /// Of one node: it and its name.
    one: Option<(String, String)>,
    form: JobForm,
    choices: Vec<(&'static str, &'static str, bool)>,
    count: u64,
    nodes: String,
    first: Vec<(String, String)>,
    more: u64,
    yes: String,
    back: String,
}

impl NewJobPage {
    fn new(shell: Shell, mut form: JobForm, whom: Whom, error: Option<String>) -> Self {
        let nodes = if whom.count == 1 { "1 node".to_owned() } else { format!("{} nodes", whom.count) };
        let known = find(&form.action);
        let label = known.map_or(form.action.clone(), |offer| offer.label.to_owned());
        let one = whom.first.first().filter(|_| !form.of_many()).cloned();
        form.request = request();
        Self {
            shell,
            error,
            title: match &one {
                Some((_, hostname)) => format!("{label}: {hostname}"),
                None => format!("An action on {nodes}"),
            },
            what: known.map_or("", |offer| offer.what),
            back: match &one {
                Some((uuid, _)) => format!("/nodes/{uuid}#bmc"),
                None => format!("/?where={}", human::url_value(&form.wanted)),
            },
            yes: match &one {
                Some((_, hostname)) => format!("Yes, {} {hostname}", decapitalised(&label)),
                None => format!("Yes, do this to {nodes}"),
            },
            one,
            choices: OFFERS.iter().map(|offer| (offer.action, offer.label, offer.action == form.action)).collect(),
            form,
            count: whom.count,
            nodes,
            more: whom.count.saturating_sub(whom.first.len() as u64),
            first: whom.first,
        }
    }
}

/// "Power off" within a sentence; "LED" and "NMI" stay.
fn decapitalised(label: &str) -> String {
    let mut letters = label.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => label.to_owned(),
    }
}

async fn shown(
    app: &App,
    req: &HttpRequest,
    form: JobForm,
    error: Option<Error>,
) -> std::result::Result<HttpResponse, PageError> {
    let whom = whom(app, &form).await?;
    let message = error.as_ref().map(ToString::to_string);
    let status = error.map_or(StatusCode::OK, |error| Failure(error).status_code());
    Ok(html(status, &NewJobPage::new(Shell::new("Action", req, None), form, whom, message)))
}

/// The page that asks.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<JobForm>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let form = query.into_inner();
    if !form.action.is_empty() || !form.of_many() {
        form.action.parse::<BmcAction>()?;
    }
    shown(&state.app, &req, form, None).await
}

/// Make it.
pub(super) async fn submit(
    state: web::Data<State>,
    form: web::Form<JobForm>,
    req: HttpRequest,
    person: web::ReqData<Person>,
) -> std::result::Result<HttpResponse, PageError> {
    let form = form.into_inner();
    match make(&state.app, &form, &person.name).await {
        Ok(id) => Ok(see_other(&format!("/jobs/{id}"))),
        Err(error @ Error::Internal(_)) => Err(error.into()),
        Err(error) => shown(&state.app, &req, form, Some(error)).await,
    }
}

async fn make(app: &App, form: &JobForm, who: &str) -> Result<String> {
    form.action.parse::<BmcAction>()?;
    if form.asks() && form.yes.is_empty() {
        return Err(Error::BadRequest("nothing was done yet: say yes below".to_owned()));
    }
    if form.of_many() {
        let now = whom(app, form).await?.count.to_string();
        if now != form.count {
            return Err(Error::Conflict(format!(
                "nothing was done: the expression held for {} nodes when you were asked, and holds for {now} now",
                form.count.chars().take(20).collect::<String>()
            )));
        }
    }
    Ok(jobs::create(app, form.new_job()?, who).await?.0.id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form(action: &str) -> JobForm {
        let request = request();
        JobForm {
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            action: action.into(),
            request,
            ..JobForm::default()
        }
    }

    #[test]
    fn what_is_offered_is_an_action_and_its_request_fits() {
        for offer in OFFERS {
            assert_eq!(offer.action.parse::<BmcAction>().unwrap().to_string(), offer.action);
            let id = form(offer.action).new_job().unwrap().request_id.unwrap();
            assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
        }
        let (now, asked) = buttons(false);
        assert!(
            now.iter().any(|b| b.action == "boot-device pxe once") && now.iter().all(|b| !b.action.ends_with("uefi"))
        );
        assert!(asked.iter().any(|b| b.action == "power-off"));
        let cd = |mode| cd_buttons(mode).into_iter().map(|b| b.action).collect::<Vec<_>>();
        assert_eq!(cd("uefi"), ["boot-device cd once uefi"]);
        assert_eq!((cd("bios").join(","), cd("").len()), ("boot-device cd once".to_owned(), 2));
        assert!(now.iter().all(|b| !b.action.contains("cd")));
    }

    #[test]
    fn what_cuts_power_is_asked_about() {
        for action in
            ["power-off", "soft-off", "power-cycle", "reset", "nmi", "rotate-password", "boot-device disk persistent"]
        {
            assert!(form(action).asks(), "{action}");
        }
        assert!(!form("power-on").asks() && !form("identify 0").asks());
        assert!(JobForm { node: String::new(), ..form("power-on") }.asks(), "many are");
    }

    #[test]
    fn a_pace_is_a_number() {
        let with = |stagger: &str| JobForm { stagger: stagger.into(), ..form("power-on") }.new_job();
        assert_eq!(with(" 250 ").unwrap().stagger_ms, Some(250));
        assert_eq!(with("").unwrap().stagger_ms, None);
        assert!(with("fast").unwrap_err().to_string().contains("whole number"));
    }

    #[test]
    fn the_page_says_how_many_and_who() {
        let first = (0..TOLD).map(|n| (format!("u{n}"), format!("<b>{n}"))).collect();
        let many = JobForm { node: String::new(), wanted: "node.serial == \"<i>\"".into(), ..form("power-on") };
        let page = NewJobPage::new(Shell::bare("A"), many, Whom { count: 48, first }, Some("no <u>".into()));
        let body = page.render().unwrap();
        assert!(body.contains("An action on 48 nodes") && body.contains("and 38 more"), "{body}");
        assert!(body.contains("name=\"count\" value=\"48\"") && body.contains("required"), "{body}");
        for raw in ["<b>0", "<i>", "<u>"] {
            assert!(!body.contains(raw), "{raw}: {body}");
        }
        let one = Whom { count: 1, first: vec![("u1".into(), "hv-12".into())] };
        let body = NewJobPage::new(Shell::bare("A"), form("power-off"), one, None).render().unwrap();
        assert!(body.contains("Yes, power off hv-12") && body.contains("pulling the plug"), "{body}");
        assert!(!body.contains("name=\"stagger\""), "{body}");
    }
}
