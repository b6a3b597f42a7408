//! `/profiles/{name}`: the revisions of a profile, who made them and when, and what differs between one and the one before it,
//! or any other. It changes nothing: profiles are changed by the command line or the API.

use super::human::{ago, url_value};
use super::{PageError, Shell, html};
use crate::domain::profile::Revision;
use crate::domain::{Invalid, Micros, Name};
use crate::http::State;
use crate::service::profiles::diff::{self, Since};
use crate::service::profiles::revisions;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{DiffedRevision, Page, PlanDifference, ProfileDiff, ProfileRevision};
use serde::Deserialize;

/// Revisions on a page.
const ROWS: usize = 50;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProfileQuery {
    from: String,
    to: String,
    cursor: String,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<String>,
    query: web::Query<ProfileQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let name: Name = path.parse()?;
    let query = query.into_inner();
    let (from, to) = (wanted(&query.from)?, wanted(&query.to)?);
    let app = &state.app;
    let cursor = (!query.cursor.is_empty()).then_some(query.cursor.as_str());
    let page = revisions(app, name.clone(), cursor, Some(ROWS)).await?;
    let diff = diff::show(app, name, from.map_or(Since::Before, Since::Of), to).await?;
    let shell = Shell::new(format!("Profile {}", diff.profile), &req, None);
    Ok(html(StatusCode::OK, &ProfilePage::new(shell, page, diff, app.now())))
}

fn wanted(text: &str) -> Result<Option<Revision>, Invalid> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some),
    }
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    shell: Shell,
    name: String,
    from: u32,
    to: u32,
    summary: String,
    groups: Vec<Group>,
    more: bool,
    rows: Vec<Row>,
    next: Option<String>,
}

/// Differences of one kind.
struct Group {
    title: &'static str,
    differences: Vec<PlanDifference>,
}

struct Row {
    revision: u32,
    href: String,
    active: bool,
    image: String,
    pinned: u64,
    made: String,
    by: String,
}

impl ProfilePage {
    fn new(shell: Shell, page: Page<ProfileRevision>, diff: ProfileDiff, now: Micros) -> Self {
        let beyond: Vec<PlanDifference> = diff.beyond_words().into_iter().cloned().collect();
        let summary = summary(&diff, beyond.is_empty(), now);
        let ProfileDiff { profile: name, from, to, words, whole: _, more } = diff;
        let address = format!("/profiles/{}", url_value(&name));
        let row = |r: ProfileRevision| Row {
            revision: r.revision,
            href: format!("{address}?to={}", r.revision),
            active: r.active,
            image: r.image,
            pinned: r.pinned,
            made: ago(r.created_us, now),
            by: r.made_by,
        };
        let groups = [
            Group { title: "Its own words", differences: words },
            Group { title: "The whole, with what its parents said then, beyond that", differences: beyond },
        ];
        Self {
            shell,
            from: from.revision,
            to: to.revision,
            summary,
            groups: groups.into_iter().filter(|group| !group.differences.is_empty()).collect(),
            more,
            next: page.next.map(|cursor| format!("{address}?to={}&cursor={}", to.revision, url_value(&cursor))),
            rows: page.items.into_iter().map(row).collect(),
            name,
        }
    }
}

fn summary(diff: &ProfileDiff, no_more: bool, now: Micros) -> String {
    let told = |r: &DiffedRevision| {
        let active = if r.active { ", active" } else { "" };
        let by = if r.made_by.is_empty() { String::new() } else { format!(" by {}", r.made_by) };
        format!("revision {} (made {}{by}{active})", r.revision, ago(r.created_us, now))
    };
    let (from, to) = (&diff.from, &diff.to);
    match (from.revision == to.revision, diff.words.is_empty() && no_more) {
        (true, _) if to.revision == 1 => "Revision 1 is the first: there is nothing before it.".to_owned(),
        (true, _) => format!("Revision {} is compared with itself.", to.revision),
        (false, true) => format!("Nothing differs between {} and {}.", told(from), told(to)),
        (false, false) => format!("From {} to {}.", told(from), told(to)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(revision: u32) -> DiffedRevision {
        DiffedRevision {
            revision,
            active: revision == 2,
            image: String::new(),
            parent: Some("base".into()),
            created_us: 0,
            made_by: "person <ann>".into(),
        }
    }

    fn view(from: u32, to: u32, words: Vec<PlanDifference>, whole: Vec<PlanDifference>) -> String {
        let diff = ProfileDiff { profile: "web".into(), from: of(from), to: of(to), words, whole, more: false };
        let row = |n: u32| ProfileRevision {
            revision: n,
            active: n == 2,
            pinned: 0,
            image: "debian:12".into(),
            created_us: 0,
            made_by: "person <ann>".into(),
        };
        let page = Page { items: vec![row(2), row(1)], next: Some("1".into()) };
        ProfilePage::new(Shell::bare("x"), page, diff, 60_000_000).render().unwrap()
    }

    #[test]
    fn a_revision_stands_beside_the_one_before_it() {
        let lined = PlanDifference {
            what: "files /etc/motd content".into(),
            lines: Some("@@ -1 +1 @@\n-<a>\n+b\n".into()),
            ..PlanDifference::default()
        };
        let plain = PlanDifference { what: "cmdline".into(), new: Some("debug".into()), ..PlanDifference::default() };
        let body = view(1, 2, vec![lined.clone()], vec![lined, plain]);
        for part in [
            "From revision 1 (made 1 min ago by person &#60;ann&#62;) to revision 2",
            "Its own words",
            "with what its parents said",
            "+b",
            "debug",
            "href=\"/profiles/web?to=1\"",
            "cursor=1",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
        assert!(!body.contains("<a>\n") && !body.contains("<ann>"), "{body}");
    }

    #[test]
    fn where_nothing_differs_it_says_so() {
        assert!(view(1, 2, vec![], vec![]).contains("Nothing differs between revision 1"));
        assert!(view(1, 1, vec![], vec![]).contains("is the first"));
        assert!(view(2, 2, vec![], vec![]).contains("compared with itself"));
        assert!(wanted("x").is_err() && wanted(" ").unwrap().is_none());
    }
}
