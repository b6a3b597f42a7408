//! `/login`: the admin token is pasted once and becomes a session cookie; `/logout` ends it. The token is never shown
//! again, neither in the page nor in a URL.

use super::{PageError, SESSION_COOKIE, Shell, html, human, see_other, status_of};
use crate::error::Error;
use crate::service::{App, auth};
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    next: String,
    error: Option<String>,
}

/// `?next=`: the page that was asked for.
#[derive(Deserialize)]
pub(super) struct LoginQuery {
    #[serde(default)]
    next: String,
}

/// The pasted token.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    token: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub(super) async fn page(query: web::Query<LoginQuery>) -> HttpResponse {
    let page = LoginPage { shell: Shell::bare("Log in"), next: own_path(&query.next).to_owned(), error: None };
    html(StatusCode::OK, &page)
}

/// `POST /login`. A wrong token: the same page with the error, 401.
pub(super) async fn submit(app: web::Data<App>, req: HttpRequest, form: web::Form<LoginForm>) -> HttpResponse {
    let next = own_path(&form.next).to_owned();
    let outcome = match same_origin(&req) {
        // Without this, another site could log a person in with its own token.
        false => Err(Error::Forbidden("the form was sent from another site: open this server's own page".into())),
        true => auth::login(&app, form.token.trim()).await,
    };
    match outcome {
        Ok(secret) => {
            let mut response = see_other(&next);
            if response.add_cookie(&cookie(secret.reveal(), auth::SESSION_TTL / 1_000_000)).is_err() {
                return html(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &login_error(next, "the cookie could not be set".into()),
                );
            }
            response
        }
        Err(Error::Unauthorized(_)) => {
            tracing::warn!(peer = ?req.peer_addr(), "a login with a wrong token was refused");
            let message = "This token is not known. Paste the 64 characters of admin.token as they are.";
            html(StatusCode::UNAUTHORIZED, &login_error(next, message.to_owned()))
        }
        Err(error) => {
            if let Error::Internal(source) = &error {
                tracing::error!(error = %source, "a login failed: {source}");
            }
            html(status_of(&error), &login_error(next, error.to_string()))
        }
    }
}

fn login_error(next: String, message: String) -> LoginPage {
    LoginPage { shell: Shell::bare("Log in"), next, error: Some(message) }
}

/// `POST /logout`: ends the session in the database and in the browser.
pub(super) async fn logout(app: web::Data<App>, req: HttpRequest) -> Result<HttpResponse, PageError> {
    if !same_origin(&req) {
        return Err(Error::Forbidden("the form was sent from another site: open this server's own page".into()).into());
    }
    if let Some(session) = session_cookie(&req) {
        auth::logout(&app, &session).await?;
    }
    let mut response = see_other("/login");
    response.add_cookie(&cookie("", 0)).map_err(Error::internal)?;
    Ok(response)
}

/// The browser session that a request carries, if any.
pub fn session_cookie(req: &HttpRequest) -> Option<String> {
    req.cookie(SESSION_COOKIE).map(|cookie| cookie.value().to_owned())
}

/// Where to send a browser that has to log in first and then see `path_and_query`.
pub fn login_location(path_and_query: &str) -> String {
    match own_path(path_and_query) {
        "/" => "/login".to_owned(),
        path => format!("/login?next={}", human::url_value(path)),
    }
}

fn cookie(value: &str, max_age_seconds: i64) -> Cookie<'_> {
    Cookie::build(SESSION_COOKIE, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(max_age_seconds))
        .finish()
}

/// A path of ours, never another site's address (`//host`, `/\host`).
fn own_path(next: &str) -> &str {
    let good = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 500
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if good { next } else { "/" }
}

/// Browsers say where a form comes from; programs without that header carry no cookie of a person.
fn same_origin(req: &HttpRequest) -> bool {
    let text = |name: &str| req.headers().get(name).map(|v| v.to_str().unwrap_or("?").to_owned());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match (text(header::ORIGIN.as_str()), req.uri().authority().map(ToString::to_string).or_else(|| text("host"))) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn after_login_a_person_stays_here() {
        for (next, stays) in [
            ("/nodes/x?a=b", "/nodes/x?a=b"),
            ("//evil.example", "/"),
            ("/\\evil", "/"),
            ("https://evil", "/"),
            ("/a\r\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_path(next), stays, "{next:?}");
        }
        assert_eq!(login_location("/nodes/x?a=b&c=d"), "/login?next=%2Fnodes%2Fx%3Fa%3Db%26c%3Dd");
        assert_eq!(login_location("/"), "/login");
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let with = |headers: &[(&'static str, &str)]| {
            let mut req = TestRequest::post().uri("/login").insert_header(("host", "higuma:8443"));
            for header in headers {
                req = req.insert_header(*header);
            }
            same_origin(&req.to_http_request())
        };
        assert!(with(&[]));
        assert!(with(&[("sec-fetch-site", "same-origin")]));
        assert!(with(&[("origin", "https://higuma:8443")]));
        assert!(!with(&[("sec-fetch-site", "cross-site"), ("origin", "https://higuma:8443")]));
        assert!(!with(&[("sec-fetch-site", "same-site")]));
        assert!(!with(&[("origin", "https://evil.example")]));
        assert!(!with(&[("origin", "null")]));
    }

    #[test]
    fn the_cookie_is_for_this_server_and_not_for_scripts() {
        let text = cookie("abc", 60).to_string();
        for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=60"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("Domain"), "{text}");
    }

    #[test]
    fn the_page_keeps_the_way_back_and_never_the_token() {
        let page = login_error("/nodes/\"><script>".into(), "no".into());
        let body = page.render().unwrap_or_default();
        assert!(body.contains("name=\"token\"") && !body.contains("<script>"), "{body}");
        assert!(body.contains("autocomplete=\"off\"") && body.contains("role=\"alert\""));
    }
}
