//! `/login`: the admin token is pasted once and becomes a session cookie; `/logout` ends it. The token is never shown
//! again, neither in the page nor in a URL.

use super::{PageError, Shell, html, human, see_other};
use crate::error::Error;
use crate::http::State;
use crate::http::failure::{Failure, log_internal};
use crate::http::identity::{login_cookie, logout_cookie, session_cookie};
use crate::http::same_origin;
use crate::service::auth;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
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
pub(super) async fn submit(state: web::Data<State>, req: HttpRequest, form: web::Form<LoginForm>) -> HttpResponse {
    let next = own_path(&form.next).to_owned();
    let outcome = match same_origin(&req) {
        // Without this, another site could log a person in with its own token.
        false => Err(Error::Forbidden("the form was sent from another site: open this server's own page".into())),
        true => auth::login(&state.app, form.token.trim()).await,
    };
    match outcome {
        Ok(secret) => {
            let mut response = see_other(&next);
            if response.add_cookie(&login_cookie(&secret)).is_err() {
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
            let failure = Failure(error);
            log_internal(&failure.0);
            html(failure.status_code(), &login_error(next, failure.to_string()))
        }
    }
}

fn login_error(next: String, message: String) -> LoginPage {
    LoginPage { shell: Shell::bare("Log in"), next, error: Some(message) }
}

/// `POST /logout`: ends the session in the database and in the browser.
pub(super) async fn logout(state: web::Data<State>, req: HttpRequest) -> Result<HttpResponse, PageError> {
    if let Some(session) = session_cookie(&req) {
        auth::logout(&state.app, &session).await?;
    }
    let mut response = see_other("/login");
    response.add_cookie(&logout_cookie()).map_err(Error::internal)?;
    Ok(response)
}

/// Where to send a browser that has to log in first and then see `path_and_query`.
pub fn login_location(path_and_query: &str) -> String {
    match own_path(path_and_query) {
        "/" => "/login".to_owned(),
        path => format!("/login?next={}", human::url_value(path)),
    }
}

/// A path of ours, never another site's address (`//host`, `/\host`).
fn own_path(next: &str) -> &str {
    let good = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 500
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if good { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_page_keeps_the_way_back_and_never_the_token() {
        let page = login_error("/nodes/\"><script>".into(), "no".into());
        let body = page.render().unwrap_or_default();
        assert!(body.contains("name=\"token\"") && !body.contains("<script>"), "{body}");
        assert!(body.contains("autocomplete=\"off\"") && body.contains("role=\"alert\""));
    }
}
