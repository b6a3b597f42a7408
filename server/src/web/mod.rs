//! Pages for people, rendered on the server: they read and their forms work without JavaScript and on a phone. A page is
//! a struct of ready text, its handler and its tests in one file; templates only loop over what is prepared. Nothing here
//! decides or writes but through `service`, and nothing here checks who is calling: the HTTPS listener's guard does that
//! for every line of [`routes`] before a handler runs.

mod addresses;
mod asked;
mod assets;
mod bmc;
mod bmc_now;
mod bmc_parts;
mod bmc_redfish;
mod bmcs;
mod cabling;
mod change;
mod console;
mod devices;
mod enrolments;
mod events;
mod firmware;
mod fleet;
mod history;
mod human;
mod identity;
mod images;
mod inventory;
mod jobs;
mod listing;
mod login;
mod new_job;
mod node;
mod node_cabling;
mod node_disk;
mod profile_list;
mod profiles;
mod rack;
mod rollouts;
mod rules;
mod timeline;

use crate::error::Error;
use crate::http::failure::{Failure, log_internal};
use crate::http::routes::{Access, Route, route};
use crate::service::auth::Person;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError, web};
use askama::Template;

pub use login::login_location;

/// The pages: appended to the HTTPS listener's table, and guarded like everything in it.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    use Access::{Admin, Public};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let mut table = vec![
        route(GET,  "/login",         Public, || web::to(login::page)),
        route(POST, "/login",         Public, || web::to(login::submit)),
        route(POST, "/logout",        Admin,  || web::to(login::logout)),
        route(GET,  "/static/{file}", Public, || web::to(assets::get)),
        route(GET,  "/",              Admin,  || web::to(fleet::page)),
        route(GET,  "/firmware",      Admin,  || web::to(firmware::page)),
        route(GET,  "/events",        Admin,  || web::to(events::page)),
        route(POST, "/events",        Admin,  || web::to(events::submit)),
        route(GET,  "/enrolments",    Admin,  || web::to(enrolments::page)),
        route(POST, "/enrolments",    Admin,  || web::to(enrolments::submit)),
        route(POST, "/enrolments/{id}", Admin, || web::to(enrolments::act)),
        route(GET,  "/images",        Admin,  || web::to(images::list)),
        route(GET,  "/images/{name}/{version}", Admin, || web::to(images::page)),
        route(GET,  "/jobs",          Admin,  || web::to(jobs::list)),
        route(GET,  "/jobs/new",      Admin,  || web::to(new_job::page)),
        route(POST, "/jobs",          Admin,  || web::to(new_job::submit)),
        route(GET,  "/jobs/{id}",     Admin,  || web::to(jobs::page)),
        route(POST, "/jobs/{id}/cancel", Admin, || web::to(jobs::cancel)),
        route(GET,  "/profiles",      Admin,  || web::to(profile_list::page)),
        route(GET,  "/profiles/{name}", Admin, || web::to(profiles::page)),
        route(GET,  "/rollouts",      Admin,  || web::to(rollouts::list)),
        route(GET,  "/rollouts/{id}", Admin,  || web::to(rollouts::page)),
        route(POST, "/rollouts/{id}/{word}", Admin, || web::to(rollouts::act)),
        route(GET,  "/rules",         Admin,  || web::to(rules::page)),
        route(GET,  "/nodes/{uuid}",  Admin,  || web::to(node::page)),
        route(POST, "/nodes/{uuid}",  Admin,  || web::to(change::submit)),
        route(GET,  "/bmcs",          Admin,  || web::to(bmcs::page)),
        // BMCs are slow; these have deadlines of their own.
        Route { streams: true, ..route(GET,  "/nodes/{uuid}/bmc", Admin, || web::to(bmc_now::page)) },
        Route { streams: true, ..route(POST, "/nodes/{uuid}/bmc", Admin, || web::to(bmc::check)) },
        Route { streams: true, ..route(GET,  "/nodes/{uuid}/bmc/redfish", Admin, || web::to(bmc_redfish::page)) },
        Route { streams: true, ..route(POST, "/nodes/{uuid}/bmc/redfish", Admin, || web::to(bmc_redfish::submit)) },
        route(GET,  "/nodes/{uuid}/console", Admin, || web::to(console::page)),
        Route { streams: true, ..route(POST, "/nodes/{uuid}/console", Admin, || web::to(console::submit)) },
        route(POST, "/nodes/{uuid}/cabling", Admin, || web::to(node_cabling::accept)),
        route(GET,  "/addresses",     Admin,  || web::to(addresses::page)),
        route(GET,  "/cabling",       Admin,  || web::to(cabling::page)),
        route(GET,  "/nodes/{uuid}/inventory", Admin, || web::to(history::page)),
    ];
    for line in &mut table {
        line.limit = if line.path == "/enrolments" { enrolments::FORM_LIMIT } else { FORM_LIMIT };
    }
    table
}

/// Largest form, bytes.
const FORM_LIMIT: usize = 16 * 1024;

/// Links at the top of each page, in this order.
const PAGES: [(&str, &str); 12] = [
    ("/", "Fleet"),
    ("/events", "Events"),
    ("/bmcs", "BMCs"),
    ("/cabling", "Cabling"),
    ("/addresses", "Addresses"),
    ("/images", "Images"),
    ("/profiles", "Profiles"),
    ("/firmware", "Firmware"),
    ("/jobs", "Jobs"),
    ("/rollouts", "Rollouts"),
    ("/enrolments", "Enrol"),
    ("/rules", "Rules"),
];

/// What stands around each page.
struct Shell {
    /// Path of the page, to mark its link.
    at: String,
    title: String,
    css: &'static str,
    js: &'static str,
    bear: &'static str,
    person: Option<String>,
    done: Option<&'static str>,
}

impl Shell {
    fn bare(title: impl Into<String>) -> Self {
        let [css, js, bear] = assets::urls();
        Self { title: title.into(), at: String::new(), css, js, bear, person: None, done: None }
    }

    /// With the person's name, and the message of the form that led here (`?done=`: a word, never text from the URL).
    fn new(title: impl Into<String>, req: &HttpRequest, done: Option<&str>) -> Self {
        let person = req.extensions().get::<Person>().map(|p| p.name.clone());
        Self { at: req.path().to_owned(), person, done: done.and_then(change::done_text), ..Self::bare(title) }
    }

    fn pages(&self) -> &'static [(&'static str, &'static str)] {
        &PAGES
    }
}

/// No inline script or style, nothing from elsewhere, no frames.
const CSP: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

fn with_headers(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, CSP))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(body) => with_headers(status).content_type("text/html; charset=utf-8").body(body),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered: {error}");
            with_headers(StatusCode::INTERNAL_SERVER_ERROR).content_type("text/plain").body("internal error")
        }
    }
}

/// After a form: the browser gets the page anew, so that a reload does not send the form again.
fn see_other(location: &str) -> HttpResponse {
    with_headers(StatusCode::SEE_OTHER).insert_header((header::LOCATION, location)).finish()
}

/// An error as a page.
#[derive(Debug)]
struct PageError(Failure);

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self(Failure(error))
    }
}

impl From<crate::domain::Invalid> for PageError {
    fn from(invalid: crate::domain::Invalid) -> Self {
        Self(Failure(invalid.into()))
    }
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    message: String,
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        log_internal(&self.0.0);
        let status = self.status_code();
        let title = status.canonical_reason().unwrap_or("Error");
        html(status, &ErrorPage { shell: Shell::bare(title), message: self.0.to_string() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn an_error_page_says_what_to_do_and_escapes_what_came() {
        let error = PageError::from(Error::NotFound("there is no node <b>x</b>: see `higuma node list`".into()));
        let response = error.error_response();
        assert_eq!(response.status(), 404);
        let headers = response.headers();
        assert!(headers.get("content-security-policy").unwrap().to_str().unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
        let body = to_bytes(response.into_body()).await.unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("higuma node list") && !body.contains("<b>x"), "{body}");
    }

    #[actix_web::test]
    async fn an_internal_error_tells_the_page_nothing() {
        let response = PageError::from(Error::internal("password is hunter2")).error_response();
        let body = to_bytes(response.into_body()).await.unwrap();
        assert!(!std::str::from_utf8(&body).unwrap().contains("hunter2"));
    }
}
