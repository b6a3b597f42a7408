//! Every address of both listeners, with who may use it. What is not in a table does not exist; [`super::guard`] checks
//! each request against the table before any handler runs.

use super::failure::{Answer, Failure};
use super::{
    agent, api, blobs, bmc, cabling, console, dhcp, enrol, exchanges, firmware, health, images, installs, inventory,
    ipam, ipxe_files, jobs, profiles, rollouts, scripts, secrets, vault,
};
use crate::error::Error;
use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The node that the path's `{uuid}` names, by the credential of its present boot.
    Node,
    /// A person: API token, or browser session.
    Admin,
}
use Access::{Admin, Node, Public};

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Plain HTTP.
    Plain,
    /// HTTPS.
    Https,
}

impl Listener {
    /// For metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Https => "https",
        }
    }
}

/// One line of a table.
pub struct Route {
    /// Method.
    pub method: Method,
    /// Pattern.
    pub path: &'static str,
    /// Who.
    pub access: Access,
    /// Largest JSON or form body, bytes.
    pub limit: usize,
    /// Its body may take as long as it moves: the handler has a deadline of its own.
    pub streams: bool,
    /// Makes the handler.
    pub handler: fn() -> actix_web::Route,
}

/// JSON bodies.
pub const JSON_LIMIT: usize = 1 << 20;
/// Expected cabling is a file in a JSON string.
pub const CSV_LIMIT: usize = 20 << 20;
/// Register carries an inventory.
pub const REGISTER_LIMIT: usize = 6 << 20;

/// A line with the usual limit. The web pages use it too.
pub fn route(method: Method, path: &'static str, access: Access, handler: fn() -> actix_web::Route) -> Route {
    Route { method, path, access, limit: JSON_LIMIT, streams: false, handler }
}

/// A listener's table.
pub struct Table {
    /// Which.
    pub listener: Listener,
    /// Its lines.
    pub routes: Vec<Route>,
    /// For each address where strangers send bodies: how many of these may be in memory at once.
    places: BTreeMap<&'static str, Arc<Semaphore>>,
}

/// Bodies of strangers in memory at once, of one address.
const STRANGERS: usize = 64;

/// The table of a listener.
pub fn of(listener: Listener) -> Vec<Route> {
    match listener {
        Listener::Plain => plain(),
        Listener::Https => https(),
    }
}

#[rustfmt::skip]
fn plain() -> Vec<Route> {
    const GET: Method = Method::GET;
    const HEAD: Method = Method::HEAD;
    const POST: Method = Method::POST;
    vec![
        route(GET,  "/boot.ipxe",      Public, || web::to(scripts::boot)),
        route(GET,  "/ipxe/{uuid}",    Public, || web::to(scripts::script)),
        route(GET,  "/ipxe/{uuid}/detail", Public, || web::to(scripts::detail)),
        // By the token of one boot, in the address: an installer has nothing else.
        route(POST, "/install/{token}/installed", Public, || web::to(installs::installed)),
        route(GET,  "/install/{token}/{file}", Public, || web::to(installs::document)),
        route(GET,  "/boot/{file}",    Public, || web::to(ipxe_files::get)),
        route(HEAD, "/boot/{file}",    Public, || web::to(ipxe_files::get)),
        route(GET,  "/blobs/{sha256}", Public, || web::to(blobs::get)),
        route(HEAD, "/blobs/{sha256}", Public, || web::to(blobs::get)),
        route(GET,  "/healthz",        Public, || web::to(health::live)),
        route(GET,  "/readyz",         Public, || web::to(health::ready)),
    ]
}

#[rustfmt::skip]
fn https() -> Vec<Route> {
    const GET: Method = Method::GET;
    const HEAD: Method = Method::HEAD;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    let mut table = vec![
        route(GET,    "/api/v1/nodes",                   Admin,  || web::to(api::nodes)),
        route(GET,    "/api/v1/nodes/{uuid}",            Admin,  || web::to(api::node)),
        route(PUT,    "/api/v1/nodes/{uuid}",            Admin,  || web::to(api::add_node)),
        route(PATCH,  "/api/v1/nodes/{uuid}",            Admin,  || web::to(api::patch_node)),
        route(POST,   "/api/v1/nodes/{uuid}/merge",      Admin,  || web::to(api::merge_node)),
        route(POST,   "/api/v1/nodes/{uuid}/not-same",   Admin,  || web::to(api::not_same)),
        route(GET,    "/api/v1/nodes/{uuid}/boots",      Admin,  || web::to(api::boots)),
        route(GET,    "/api/v1/nodes/{uuid}/exchanges",  Admin,  || web::to(exchanges::of_node)),
        route(GET,    "/api/v1/nodes/{uuid}/script",     Admin,  || web::to(scripts::preview)),
        route(GET,    "/api/v1/nodes/{uuid}/drift",      Admin,  || web::to(api::drift)),
        route(GET,    "/api/v1/nodes/{uuid}/firmware",       Admin, || web::to(firmware::node)),
        route(POST,   "/api/v1/nodes/{uuid}/firmware/retry", Admin, || web::to(firmware::retry)),
        route(POST,   "/api/v1/nodes/{uuid}/bmc/password/reveal", Admin, || web::to(vault::reveal)),
        route(POST,   "/api/v1/nodes/{uuid}/reinstall",  Admin,  || web::to(installs::again)),
        route(POST,   "/api/v1/nodes/{uuid}/retry",      Admin,  || web::to(api::retry)),
        route(GET,    "/api/v1/pools",                   Admin,  || web::to(ipam::pools)),
        route(POST,   "/api/v1/pools",                   Admin,  || web::to(ipam::create_pool)),
        Route { limit: CSV_LIMIT, ..route(PUT, "/api/v1/pools", Admin, || web::to(ipam::import_pools)) },
        route(GET,    "/api/v1/pools/{name}",            Admin,  || web::to(ipam::pool)),
        route(PUT,    "/api/v1/pools/{name}",            Admin,  || web::to(ipam::update_pool)),
        route(DELETE, "/api/v1/pools/{name}",            Admin,  || web::to(ipam::delete_pool)),
        route(GET,    "/api/v1/addresses",               Admin,  || web::to(ipam::addresses)),
        Route { limit: CSV_LIMIT, ..route(PUT, "/api/v1/addresses", Admin, || web::to(ipam::import_addresses)) },
        route(POST,   "/api/v1/addresses/reserve",       Admin,  || web::to(ipam::reserve)),
        route(POST,   "/api/v1/addresses/release",       Admin,  || web::to(ipam::release)),
        route(GET,    "/api/v1/addresses/conflicts",     Admin,  || web::to(ipam::conflicts)),
        route(GET,    "/api/v1/nodes/{uuid}/dhcp",       Admin,  || web::to(dhcp::options)),
        route(PUT,    "/api/v1/nodes/{uuid}/dhcp",       Admin,  || web::to(dhcp::set_options)),
        route(GET,    "/api/v1/dhcp/leases",             Admin,  || web::to(dhcp::leases)),
        route(DELETE, "/api/v1/dhcp/leases/{address}",   Admin,  || web::to(dhcp::release)),
        route(GET,    "/api/v1/master-key",              Admin,  || web::to(vault::master_key)),
        route(POST,   "/api/v1/master-key/rotate",       Admin,  || web::to(vault::rotate)),
        route(GET,    "/api/v1/firmware/rules",              Admin, || web::to(firmware::rules)),
        route(POST,   "/api/v1/firmware/rules",              Admin, || web::to(firmware::create_rule)),
        route(PUT,    "/api/v1/firmware/rules/{name}",       Admin, || web::to(firmware::update_rule)),
        route(DELETE, "/api/v1/firmware/rules/{name}",       Admin, || web::to(firmware::delete_rule)),
        route(POST,   "/api/v1/firmware/rules/{name}/move",  Admin, || web::to(firmware::move_rule)),
        route(GET,    "/api/v1/firmware/compliance",         Admin, || web::to(firmware::compliance)),
        route(GET,    "/api/v1/firmware/nodes",              Admin, || web::to(firmware::nodes)),
        route(GET,    "/api/v1/nodes/{uuid}/inventory/versions", Admin, || web::to(inventory::versions)),
        route(GET,    "/api/v1/nodes/{uuid}/inventory/versions/{number}", Admin, || web::to(inventory::version)),
        route(GET,    "/api/v1/nodes/{uuid}/inventory/diff", Admin, || web::to(inventory::diff)),
        route(GET,    "/api/v1/events",                  Admin,  || web::to(api::node_events)),
        route(POST,   "/api/v1/events/acknowledge",      Admin,  || web::to(api::acknowledge_all)),
        route(POST,   "/api/v1/events/{id}/acknowledge", Admin,  || web::to(api::acknowledge)),
        route(GET,    "/api/v1/switches",                Admin,  || web::to(cabling::switches)),
        route(GET,    "/api/v1/switches/{chassis}/ports", Admin, || web::to(cabling::ports)),
        route(GET,    "/api/v1/cabling/links",           Admin,  || web::to(cabling::links)),
        route(GET,    "/api/v1/cabling/expected",        Admin,  || web::to(cabling::expected)),
        Route { limit: CSV_LIMIT, ..route(PUT, "/api/v1/cabling/expected", Admin, || web::to(cabling::import)) },
        route(GET,    "/api/v1/cabling/check",           Admin,  || web::to(cabling::check)),
        route(POST,   "/api/v1/nodes/{uuid}/cabling/accept", Admin, || web::to(cabling::accept)),
        route(GET,    "/api/v1/rules",                   Admin,  || web::to(api::rules)),
        route(PUT,    "/api/v1/rules",                   Admin,  || web::to(api::put_rules)),
        route(POST,   "/api/v1/rules/test",              Admin,  || web::to(api::test_rules)),
        route(GET,    "/api/v1/bmcs",                    Admin,  || web::to(bmc::list)),
        route(GET,    "/api/v1/nodes/{uuid}/bmc",        Admin,  || web::to(bmc::show)),
        Route { streams: true, ..route(PUT, "/api/v1/nodes/{uuid}/bmc", Admin, || web::to(bmc::set)) },
        Route { streams: true, ..route(POST, "/api/v1/nodes/{uuid}/bmc/check", Admin, || web::to(bmc::check)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/info", Admin, || web::to(bmc::info)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/sensors", Admin, || web::to(bmc::sensors)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/log", Admin, || web::to(bmc::log)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/hardware", Admin, || web::to(bmc::hardware)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/firmware", Admin, || web::to(bmc::firmware)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/media", Admin, || web::to(bmc::media)) },
        Route { streams: true, ..route(PUT, "/api/v1/nodes/{uuid}/bmc/media", Admin, || web::to(bmc::attach)) },
        Route { streams: true, ..route(DELETE, "/api/v1/nodes/{uuid}/bmc/media", Admin, || web::to(bmc::detach)) },
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/console", Admin, || web::to(console::screen)) },
        Route { streams: true, ..route(POST, "/api/v1/nodes/{uuid}/bmc/console", Admin, || web::to(console::open)) },
        route(DELETE, "/api/v1/nodes/{uuid}/bmc/console", Admin, || web::to(console::close)),
        Route { streams: true, ..route(GET, "/api/v1/nodes/{uuid}/bmc/console/output", Admin, || web::to(console::output)) },
        route(POST,   "/api/v1/nodes/{uuid}/bmc/console/input", Admin, || web::to(console::input)),
        route(GET,    "/api/v1/enrolments",              Admin,  || web::to(enrol::list)),
        Route { limit: CSV_LIMIT, ..route(POST, "/api/v1/enrolments", Admin, || web::to(enrol::import)) },
        route(GET,    "/api/v1/enrolments/counts",       Admin,  || web::to(enrol::counts)),
        route(POST,   "/api/v1/enrolments/{id}/retry",   Admin,  || web::to(enrol::retry)),
        route(POST,   "/api/v1/enrolments/{id}/cancel",  Admin,  || web::to(enrol::cancel)),
        route(GET,    "/api/v1/jobs",                    Admin,  || web::to(jobs::list)),
        route(POST,   "/api/v1/jobs",                    Admin,  || web::to(jobs::create)),
        route(GET,    "/api/v1/jobs/{id}",               Admin,  || web::to(jobs::job)),
        route(GET,    "/api/v1/jobs/{id}/items",         Admin,  || web::to(jobs::items)),
        route(POST,   "/api/v1/jobs/{id}/cancel",        Admin,  || web::to(jobs::cancel)),
        route(GET,    "/api/v1/rollouts",                Admin,  || web::to(rollouts::list)),
        route(POST,   "/api/v1/rollouts",                Admin,  || web::to(rollouts::create)),
        route(POST,   "/api/v1/rollouts/plan",           Admin,  || web::to(rollouts::plan)),
        route(GET,    "/api/v1/rollouts/{id}",           Admin,  || web::to(rollouts::rollout)),
        route(GET,    "/api/v1/rollouts/{id}/members",   Admin,  || web::to(rollouts::members)),
        route(POST,   "/api/v1/rollouts/{id}/pause",     Admin,  || web::to(rollouts::pause)),
        route(POST,   "/api/v1/rollouts/{id}/resume",    Admin,  || web::to(rollouts::resume)),
        route(POST,   "/api/v1/rollouts/{id}/abort",     Admin,  || web::to(rollouts::abort)),
        route(GET,    "/api/v1/boots/{boot_id}",         Admin,  || web::to(api::boot)),
        Route { streams: true, ..route(GET, "/api/v1/boot-exchanges", Admin, || web::to(exchanges::list)) },
        route(GET,    "/api/v1/images",                  Admin,  || web::to(images::list)),
        route(POST,   "/api/v1/images",                  Admin,  || web::to(images::create)),
        route(POST,   "/api/v1/images/gc",               Admin,  || web::to(images::gc)),
        route(GET,    "/api/v1/images/scrub",            Admin,  || web::to(images::scrub)),
        route(POST,   "/api/v1/images/scrub",            Admin,  || web::to(images::start_scrub)),
        route(DELETE, "/api/v1/images/scrub",            Admin,  || web::to(images::cancel_scrub)),
        route(GET,    "/api/v1/images/{name}/{version}", Admin,  || web::to(images::show)),
        route(PATCH,  "/api/v1/images/{name}/{version}", Admin,  || web::to(images::patch)),
        route(DELETE, "/api/v1/images/{name}/{version}", Admin,  || web::to(images::delete)),
        route(GET,    "/api/v1/images/{name}/{version}/contents", Admin, || web::to(images::contents)),
        route(PUT,    "/api/v1/images/{name}/labels/{label}", Admin, || web::to(images::label)),
        route(DELETE, "/api/v1/images/{name}/labels/{label}", Admin, || web::to(images::unlabel)),
        route(GET,    "/api/v1/profiles",                Admin,  || web::to(api::profiles)),
        route(POST,   "/api/v1/profiles",                Admin,  || web::to(api::create_profile)),
        route(GET,    "/api/v1/profiles/{name}",         Admin,  || web::to(api::profile)),
        route(PUT,    "/api/v1/profiles/{name}",         Admin,  || web::to(api::update_profile)),
        route(DELETE, "/api/v1/profiles/{name}",         Admin,  || web::to(api::delete_profile)),
        route(GET,    "/api/v1/profiles/{name}/preview", Admin,  || web::to(profiles::preview)),
        route(GET,    "/api/v1/profiles/{name}/diff",    Admin,  || web::to(profiles::diff)),
        route(GET,    "/api/v1/profiles/{name}/revisions", Admin, || web::to(api::profile_revisions)),
        route(POST,   "/api/v1/profiles/{name}/activate", Admin, || web::to(api::activate_profile)),
        Route { limit: CSV_LIMIT, ..route(POST, "/api/v1/apply", Admin, || web::to(profiles::apply)) },
        route(GET,    "/api/v1/secrets",                 Admin,  || web::to(secrets::list)),
        route(GET,    "/api/v1/secrets/{name}",          Admin,  || web::to(secrets::show)),
        route(PUT,    "/api/v1/secrets/{name}",          Admin,  || web::to(secrets::set)),
        route(DELETE, "/api/v1/secrets/{name}",          Admin,  || web::to(secrets::delete)),
        route(HEAD,   "/api/v1/blobs/{sha256}",          Admin,  || web::to(blobs::recorded)),
        Route { streams: true, ..route(PUT, "/api/v1/blobs/{sha256}", Admin, || web::to(blobs::put)) },
        route(GET,    "/api/v1/first-stage",             Admin,  || web::to(api::first_stage)),
        route(PUT,    "/api/v1/first-stage",             Admin,  || web::to(api::put_first_stage)),
        route(GET,    "/api/v1/status",                  Admin,  || web::to(health::status)),
        // By the boot nonce, single-use, in the body.
        Route { limit: REGISTER_LIMIT, ..route(POST, "/ipxe/{uuid}/register", Public, || web::to(agent::register)) },
        route(GET,    "/ipxe/{uuid}/profile",            Node,   || web::to(agent::profile)),
        route(GET,    "/ipxe/{uuid}/detail",             Node,   || web::to(agent::detail)),
        route(POST,   "/ipxe/{uuid}/installed",          Node,   || web::to(agent::installed)),
        route(GET,    "/metrics",                        Admin,  || web::to(health::metrics)),
        route(GET,    "/healthz",                        Public, || web::to(health::live)),
        route(GET,    "/readyz",                         Public, || web::to(health::ready)),
    ];
    table.extend(crate::web::routes());
    table
}

impl Table {
    /// The table of a listener.
    pub fn new(listener: Listener) -> Self {
        let routes = of(listener);
        let bodies = routes.iter().filter(|r| r.access == Public && !matches!(r.method, Method::GET | Method::HEAD));
        let places = bodies.map(|route| (route.path, Arc::new(Semaphore::new(STRANGERS)))).collect();
        Self { listener, routes, places }
    }

    /// Where a stranger's body for this line waits for its turn; none: no need.
    pub fn places(&self, route: &Route) -> Option<Arc<Semaphore>> {
        if route.access == Public { self.places.get(route.path).cloned() } else { None }
    }

    /// Lines of one pattern.
    pub fn at<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Route> {
        self.routes.iter().filter(move |route| route.path == path)
    }
}

/// Give actix the table; nothing else is ever mounted.
pub fn mount(table: &Table, config: &mut ServiceConfig) {
    config.default_service(web::to(nothing_here));
    config.app_data(web::QueryConfig::default().error_handler(|error, _| query_error(&error).into()));
    config.app_data(web::PathConfig::default().error_handler(|error, _| path_error(&error).into()));
    let mut done: Vec<&str> = Vec::new();
    for route in &table.routes {
        if done.contains(&route.path) {
            continue;
        }
        done.push(route.path);
        let limit = table.at(route.path).map(|r| r.limit).max().unwrap_or(JSON_LIMIT);
        let json = web::JsonConfig::default().limit(limit).error_handler(move |e, _| json_error(&e, limit).into());
        let mut resource = web::resource(route.path).app_data(json).app_data(web::FormConfig::default().limit(limit));
        for line in table.at(route.path) {
            resource = resource.route((line.handler)().method(line.method.clone()));
        }
        config.service(resource.default_service(web::to(nothing_here)));
    }
}

async fn nothing_here() -> Answer {
    Err(nothing())
}

/// 404.
pub(super) fn nothing() -> Failure {
    Failure(Error::NotFound("there is nothing at this address".to_owned()))
}

fn json_error(error: &JsonPayloadError, limit: usize) -> Failure {
    Failure(match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            Error::TooLarge(format!("expected a body of at most {limit} bytes"))
        }
        JsonPayloadError::ContentType => {
            Error::BadRequest("expected a JSON body with the header content-type: application/json".to_owned())
        }
        JsonPayloadError::Deserialize(error) => Error::BadRequest(format!("the body does not fit: {error}")),
        other => Error::BadRequest(format!("the body cannot be read: {other}")),
    })
}

fn query_error(error: &QueryPayloadError) -> Failure {
    Failure(Error::BadRequest(format!("the query does not fit: {error}")))
}

fn path_error(error: &PathError) -> Failure {
    Failure(Error::BadRequest(format!("the path does not fit: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_on_this_list() {
        let public = |listener| -> Vec<String> {
            of(listener).iter().filter(|r| r.access == Public).map(|r| format!("{} {}", r.method, r.path)).collect()
        };
        assert_eq!(
            public(Listener::Plain),
            [
                "GET /boot.ipxe",
                "GET /ipxe/{uuid}",
                "GET /ipxe/{uuid}/detail",
                "POST /install/{token}/installed",
                "GET /install/{token}/{file}",
                "GET /boot/{file}",
                "HEAD /boot/{file}",
                "GET /blobs/{sha256}",
                "HEAD /blobs/{sha256}",
                "GET /healthz",
                "GET /readyz"
            ]
        );
        let of_api: Vec<String> = public(Listener::Https);
        let expected = ["POST /ipxe/{uuid}/register", "GET /healthz", "GET /readyz"];
        // The pages that log in are the web's own; everything else of theirs is for people who did.
        let pages = ["GET /login", "POST /login", "GET /static/{file}"];
        let unexpected: Vec<_> =
            of_api.iter().filter(|r| !expected.contains(&r.as_str()) && !pages.contains(&r.as_str())).collect();
        assert!(unexpected.is_empty() && expected.iter().all(|e| of_api.iter().any(|r| r == e)), "{unexpected:?}");
    }

    #[test]
    fn bodies_of_strangers_are_counted_and_only_uploads_have_no_deadline() {
        let table = Table::new(Listener::Https);
        let counted: Vec<_> = table.routes.iter().filter(|r| table.places(r).is_some()).map(|r| r.path).collect();
        for route in table.routes.iter().filter(|r| r.access == Public && r.method == Method::POST) {
            assert!(counted.contains(&route.path), "{}", route.path);
        }
        assert!(counted.contains(&"/ipxe/{uuid}/register"));
        let streams: Vec<_> = table.routes.iter().filter(|r| r.streams).map(|r| (r.method.as_str(), r.path)).collect();
        // These ask a BMC, and have its deadlines.
        let of_a_bmc = |path: &str| path.contains("/nodes/{uuid}/bmc") || path == "/nodes/{uuid}/console";
        let asking = streams.iter().filter(|(_, path)| of_a_bmc(path)).count();
        assert_eq!((asking, streams.len()), (18, 20), "{streams:?}");
        assert!(streams.contains(&("PUT", "/api/v1/blobs/{sha256}")));
        let plain = Table::new(Listener::Plain);
        assert_eq!(plain.places.keys().collect::<Vec<_>>(), [&"/install/{token}/installed"]);
    }

    #[test]
    fn the_plain_listener_has_nothing_for_people_or_nodes() {
        assert!(of(Listener::Plain).iter().all(|r| r.access == Public));
    }

    #[test]
    fn every_line_of_the_api_s_documentation_is_in_the_table() {
        let table = of(Listener::Https);
        let lines = include_str!("../../proto/src/api.rs").lines();
        let mut seen = 0;
        for line in lines.filter_map(|l| l.strip_prefix("//! | ")).filter(|l| l.contains("/api/v1/")) {
            let cell = line.split('|').next().unwrap_or_default().trim();
            let (methods, path) = cell.split_once(" /").unwrap_or_default();
            let path = format!("/{}", path.split('?').next().unwrap_or_default());
            for method in methods.split(", ") {
                seen += 1;
                assert!(
                    table.iter().any(|r| r.path == path && r.method == method && r.access == Admin),
                    "{method} {path}"
                );
            }
        }
        assert_eq!(seen, table.iter().filter(|r| r.path.starts_with("/api/v1/")).count());
    }
}
