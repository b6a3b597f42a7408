//! `/profiles`: every profile with its active revision, its image and how many nodes have it. It changes nothing: profiles are
//! made and changed by the command line or the API.

use super::human::{ago, url_value};
use super::{PageError, Shell, html};
use crate::domain::{Micros, Name};
use crate::http::State;
use crate::service::profiles;
use crate::store::ProfileBrief;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::Page;
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
    let page = profiles::briefs(&state.app, cursor, Some(ROWS)).await?;
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
    fn new(shell: Shell, page: Page<ProfileBrief>, now: Micros) -> Self {
        let next = page.next.map(|cursor| format!("/profiles?cursor={}", url_value(&cursor)));
        Self { shell, rows: page.items.into_iter().map(|brief| Row::new(brief, now)).collect(), next }
    }
}

impl Row {
    fn new(brief: ProfileBrief, now: Micros) -> Self {
        let address = |name: &Name| format!("/profiles/{}", url_value(name.as_str()));
        let ProfileBrief { name, active, newest, image, parent, created, made_by, nodes } = brief;
        let href = address(&name);
        Self {
            parent: parent.map(|name| (address(&name), name.to_string())),
            image: image.map(|image| (format!("/images/{}/{}", image.name, image.version), image.to_string())),
            active,
            newest: (newest != active).then(|| (newest, format!("{href}?from={active}&to={newest}"))),
            nodes: nodes.to_string(),
            fleet: format!("/?where={}", url_value(&format!("node.profile == \"{name}\""))),
            made: ago(created, now),
            by: made_by,
            href,
            name: name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn brief(name: &str, image: Option<&str>, active: u32) -> ProfileBrief {
        ProfileBrief {
            name: name.parse().unwrap(),
            active,
            newest: 3,
            image: image.map(|image| image.parse().unwrap()),
            parent: (name != "base").then(|| "base".parse().unwrap()),
            created: 0,
            made_by: "person <ann>".into(),
            nodes: 12_345,
        }
    }

    #[test]
    fn each_profile_leads_to_its_revisions_image_parent_and_nodes() {
        let items = vec![brief("web", Some("debian:12"), 2), brief("base", None, 3)];
        let page = Page { items, next: Some("web".into()) };
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
