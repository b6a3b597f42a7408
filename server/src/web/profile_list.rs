//! `/profiles`: every profile with its active revision, its image and how many nodes have it. It changes nothing: profiles are
//! made and changed by the command line or the API.

use super::human::{ago, url_value};
use super::{PageError, Shell, html};
use crate::domain::Micros;
use crate::http::State;
use crate::service::profiles;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Page, Profile};
use serde::Deserialize;

/// Profiles on a page.
const ROWS: usize = 100;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProfilesQuery {
    cursor: String,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<ProfilesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let cursor = (!query.cursor.is_empty()).then_some(query.cursor.as_str());
    let page = profiles::list(&state.app, cursor, Some(ROWS)).await?;
    Ok(html(StatusCode::OK, &ListPage::new(Shell::new("Profiles", &req, None), page, state.app.now())))
}

#[derive(Template)]
#[template(path = "profiles.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    href: String,
    name: String,
    parent: Option<(String, String)>,
    image: Option<(String, String)>,
    active: u32,
    /// The newest revision, when it is another one.
    newest: Option<(u32, String)>,
    nodes: String,
    fleet: String,
    made: String,
    by: String,
}

impl ListPage {
    fn new(shell: Shell, page: Page<Profile>, now: Micros) -> Self {
        let next = page.next.map(|cursor| format!("/profiles?cursor={}", url_value(&cursor)));
        Self { shell, rows: page.items.into_iter().map(|profile| Row::new(profile, now)).collect(), next }
    }
}

impl Row {
    fn new(profile: Profile, now: Micros) -> Self {
        let address = |name: &str| format!("/profiles/{}", url_value(name));
        let Profile { spec, active, newest, created_us, nodes, parent, made_by, .. } = profile;
        let href = address(&spec.name);
        let image = spec.image.split_once(':').map(|(name, version)| format!("/images/{name}/{version}"));
        Self {
            parent: parent.map(|name| (address(&name), name)),
            image: image.map(|image| (image, spec.image)),
            active,
            newest: (newest != active).then(|| (newest, format!("{href}?from={active}&to={newest}"))),
            nodes: nodes.to_string(),
            fleet: format!("/?where={}", url_value(&format!("node.profile == \"{}\"", spec.name))),
            made: ago(created_us, now),
            by: made_by,
            href,
            name: spec.name,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::api::NewProfile;

    fn profile(name: &str, image: &str, active: u32) -> Profile {
        Profile {
            spec: NewProfile { name: name.into(), image: image.into(), ..NewProfile::default() },
            revision: active,
            active,
            newest: 3,
            created_us: 0,
            nodes: 12_345,
            image_digest: None,
            parent: (name != "base").then(|| "base".into()),
            made_by: "person <ann>".into(),
            words: None,
            resolved: None,
        }
    }

    #[test]
    fn each_profile_leads_to_its_revisions_image_parent_and_nodes() {
        let page =
            Page { items: vec![profile("web", "debian:12", 2), profile("base", "", 3)], next: Some("web".into()) };
        let text = ListPage::new(Shell::bare("Profiles"), page, 60_000_000).render().unwrap();
        for part in [
            "href=\"/profiles/web\"",
            "href=\"/profiles/base\"",
            "href=\"/images/debian/12\"",
            "href=\"/profiles/web?from=2&#38;to=3\"",
            "href=\"/?where=node.profile%20%3D%3D%20%22web%22\"",
            ">12345<",
            "&#60;ann&#62;",
            "cursor=web",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<ann>") && text.matches("3 is newer, not active").count() == 1, "{text}");
    }

    #[test]
    fn without_any_it_says_how_one_is_made() {
        let none = Page { items: vec![], next: None };
        assert!(ListPage::new(Shell::bare("x"), none, 0).render().unwrap().contains("higuma profile create"));
    }
}
