//! `/nodes/{uuid}/bmc/redfish`: hardware, firmware and virtual media of a BMC that is reached by Redfish, read when the page is
//! opened and never refreshed by itself; `POST` attaches and detaches images. A BMC that does not answer, or will not, gives a
//! page that says so. What follows the `?` of an image's URL is never on it.

use super::bmc::{link, may_be_redfish};
use super::bmc_parts::{FirmwareView, HardwareView, told};
use super::new_job::{self, Button};
use super::{PageError, Shell, html, human, see_other};
use crate::bmc::Image;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::State;
use crate::http::failure::Failure;
use crate::service::auth::Person;
use crate::service::bmc::{self as cases, Overview, Told};
use crate::service::{App, nodes};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use higuma_proto::api::{AttachMedia, BmcDetail, BmcMedia};
use serde::Deserialize;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RedfishQuery {
    done: Option<String>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<String>,
    query: web::Query<RedfishQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let (app, uuid): (&App, NodeUuid) = (&state.app, path.parse()?);
    let bmc = cases::show(app, uuid.clone()).await?;
    let boot_mode = nodes::show(app, uuid.clone()).await?.inventory.unwrap_or_default().boot_mode;
    let began = app.now();
    let read = if may_be_redfish(&bmc.summary) {
        match cases::overview(app, uuid).await {
            Ok(overview) => Ok(overview),
            Err(error @ (Error::Unavailable(_) | Error::Conflict(_))) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    } else {
        Err("This BMC is reached by IPMI, which does not tell that.".to_owned())
    };
    let shell = Shell::new(format!("BMC of {}", bmc.summary.hostname), &req, query.done.as_deref());
    let seen = Seen { began, ended: app.now(), boot_mode };
    Ok(html(StatusCode::OK, &RedfishPage::new(shell, bmc, seen, read)))
}

/// Fields of the forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MediaForm {
    action: String,
    url: String,
    slot: String,
}

/// Attach or detach.
pub(super) async fn submit(
    state: web::Data<State>,
    path: web::Path<String>,
    form: web::Form<MediaForm>,
    req: HttpRequest,
    person: web::ReqData<Person>,
) -> std::result::Result<HttpResponse, PageError> {
    let (app, uuid): (&App, NodeUuid) = (&state.app, path.parse()?);
    let bmc = cases::show(app, uuid.clone()).await?;
    let (form, began) = (form.into_inner(), app.now());
    match change(app, uuid.clone(), &form, &person.name).await {
        Ok(done) => Ok(see_other(&format!("/nodes/{uuid}/bmc/redfish?done={done}#media"))),
        Err(error @ Error::Internal(_)) => Err(error.into()),
        // It is not read again: it may be what does not answer.
        Err(error) => {
            let shell = Shell::new(format!("BMC of {}", bmc.summary.hostname), &req, None);
            let seen = Seen { began, ended: app.now(), boot_mode: String::new() };
            let page = RedfishPage::with_error(shell, bmc, seen, &form, error.to_string());
            Ok(html(Failure(error).status_code(), &page))
        }
    }
}

/// The word for `?done=`.
async fn change(app: &App, node: NodeUuid, form: &MediaForm, by: &str) -> Result<&'static str> {
    let slot = Some(form.slot.clone()).filter(|slot| !slot.is_empty());
    match (form.action.as_str(), slot) {
        ("attach", slot) => {
            let given = AttachMedia { url: form.url.trim().to_owned(), slot };
            cases::attach(app, node, given, by).await.map(|_| "media-attached")
        }
        ("detach", Some(slot)) => cases::detach(app, node, Some(slot), by).await.map(|_| "media-detached"),
        // None would mean all of them.
        ("detach", None) => Err(Error::BadRequest("slot: expected the drive of one of the page's buttons".to_owned())),
        (other, _) => {
            let got: String = other.chars().take(40).collect();
            Err(Error::BadRequest(format!("action: expected one of the page's buttons, got {got:?}")))
        }
    }
}

/// When it was asked, and of what kind the node is.
struct Seen {
    began: Micros,
    ended: Micros,
    /// "uefi", "bios"; empty: not told.
    boot_mode: String,
}

#[derive(Template)]
#[template(path = "bmc_redfish.html")]
struct RedfishPage {
    shell: Shell,
    uuid: String,
    hostname: String,
    address: String,
    link: String,
    read: String,
    state: String,
    reason: String,
    /// Of a form.
    error: Option<String>,
    /// Nothing could be read.
    trouble: Option<String>,
    /// There is something to log in to by Redfish.
    redfish: bool,
    media: Option<MediaView>,
    /// The form that attaches; none: there is no drive for it.
    attach: Option<AttachView>,
    hardware: Option<HardwareView>,
    firmware: Option<FirmwareView>,
}

struct MediaView {
    trouble: Option<String>,
    drives: Vec<Drive>,
    /// A drive from which a node can start, with an image in it.
    loaded: Option<String>,
    /// Names the request of this page: sent twice, it is one job.
    request: String,
    boots: Vec<Button>,
}

struct Drive {
    slot: String,
    name: String,
    kinds: String,
    image: String,
    access: &'static str,
    inserted: bool,
}

struct AttachView {
    url: String,
    /// Value, label, chosen.
    choices: Vec<(String, String, bool)>,
}

const ANY: &str = "the first that takes a CD";

impl Drive {
    fn new(media: BmcMedia) -> Self {
        Self {
            image: match (media.inserted, media.image.is_empty()) {
                (true, true) => "something".to_owned(),
                (true, false) => media.image,
                (false, _) => String::new(),
            },
            access: match media.write_protected.filter(|_| media.inserted) {
                Some(true) => "read-only",
                Some(false) => "writable",
                None => "",
            },
            name: if media.name == media.slot { String::new() } else { media.name },
            kinds: media.kinds.join(", "),
            slot: media.slot,
            inserted: media.inserted,
        }
    }
}

impl MediaView {
    fn new(media: Told<Vec<BmcMedia>>, boot_mode: &str) -> Self {
        let (media, trouble) = told(media);
        let boots_from = |m: &&BmcMedia| {
            m.inserted && (m.kinds.is_empty() || m.kinds.iter().any(|kind| matches!(kind.as_str(), "CD" | "DVD")))
        };
        Self {
            trouble,
            loaded: media.iter().find(boots_from).map(|m| m.slot.clone()),
            drives: media.into_iter().map(Drive::new).collect(),
            request: new_job::request(),
            boots: new_job::cd_buttons(boot_mode),
        }
    }
}

impl AttachView {
    fn new(drives: &[Drive]) -> Option<Self> {
        let mut choices = vec![(String::new(), ANY.to_owned(), true)];
        for drive in drives {
            let kinds = if drive.kinds.is_empty() { String::new() } else { format!(" ({})", drive.kinds) };
            choices.push((drive.slot.clone(), format!("{}{kinds}", drive.slot), false));
        }
        (!drives.is_empty()).then(|| Self { url: String::new(), choices })
    }

    /// With what was sent; a URL only when nothing of it is secret.
    fn again(form: &MediaForm) -> Self {
        let image = form.url.trim().parse::<Image>().map(|image| image.to_string());
        let url = image.ok().filter(|shown| shown == form.url.trim()).unwrap_or_default();
        let mut choices = vec![(String::new(), ANY.to_owned(), form.slot.is_empty())];
        if !form.slot.is_empty() {
            choices.push((form.slot.clone(), form.slot.clone(), true));
        }
        Self { url, choices }
    }
}

impl RedfishPage {
    fn bare(shell: Shell, bmc: BmcDetail, seen: &Seen, read: &str) -> Self {
        let redfish = may_be_redfish(&bmc.summary);
        let bmc = bmc.summary;
        let took = human::duration(seen.ended.saturating_sub(seen.began));
        let address = bmc.address.unwrap_or_default();
        Self {
            shell,
            link: link(&address),
            address,
            read: format!("{read} {}, in {took}", human::absolute(seen.ended)),
            state: bmc.state,
            reason: bmc.reason,
            error: None,
            trouble: None,
            redfish,
            media: None,
            attach: None,
            hardware: None,
            firmware: None,
            hostname: if bmc.hostname.is_empty() { bmc.node.clone() } else { bmc.hostname },
            uuid: bmc.node,
        }
    }

    fn new(shell: Shell, bmc: BmcDetail, seen: Seen, read: std::result::Result<Overview, String>) -> Self {
        let Overview { media, hardware, firmware } = match read {
            Ok(overview) => overview,
            Err(why) => return Self { trouble: Some(why), ..Self::bare(shell, bmc, &seen, "Asked") },
        };
        let media = MediaView::new(media, &seen.boot_mode);
        Self {
            attach: AttachView::new(&media.drives),
            media: Some(media),
            hardware: Some(HardwareView::new(hardware)),
            firmware: Some(FirmwareView::new(firmware)),
            ..Self::bare(shell, bmc, &seen, "Read")
        }
    }

    /// After a form that was not done.
    fn with_error(shell: Shell, bmc: BmcDetail, seen: Seen, form: &MediaForm, error: String) -> Self {
        let attach = (form.action == "attach").then(|| AttachView::again(form));
        Self { error: Some(error), attach, ..Self::bare(shell, bmc, &seen, "Asked") }
    }
}

#[cfg(test)]
#[path = "bmc_redfish_tests.rs"]
mod tests;
