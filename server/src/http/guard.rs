//! The one place where every HTTP request passes: is there such a route, and may this caller use it? A request comes to
//! a handler only after the table says so. Loopback and forwarded headers grant nothing.

use super::bounds::Bounds;
use super::failure::{Failure, wrong_method};
use super::identity::{bearer, session_cookie};
use super::routes::{Access, Listener, Table, nothing};
use super::{State, host};
use crate::domain::NodeUuid;
use crate::domain::boot::Boot;
use crate::error::{Error, Result};
use crate::service::auth::{self, Person};
use crate::service::identity;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};

/// The middleware.
pub async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match check(&request).await {
        Ok(Pass::Handler(bounds)) => Ok(bounds.hold(next.call(request)).await?.map_into_left_body()),
        Ok(Pass::Answer(answer)) => Ok(request.into_response(answer).map_into_right_body()),
        Err(failure) => Ok(request.into_response(failure.error_response()).map_into_right_body()),
    }
}

enum Pass {
    /// To its handler, within these bounds.
    Handler(Bounds),
    /// Answered already.
    Answer(HttpResponse),
}

async fn check(request: &ServiceRequest) -> std::result::Result<Pass, Failure> {
    let (Some(table), Some(state)) = (request.app_data::<web::Data<Table>>(), request.app_data::<web::Data<State>>())
    else {
        return Err(Failure(Error::internal("the guard has no table")));
    };
    let Some(pattern) = request.match_pattern() else { return Err(nothing()) };
    let Some(route) = table.at(&pattern).find(|route| route.method == request.method()) else {
        let allowed: Vec<String> = table.at(&pattern).map(|r| r.method.to_string()).collect();
        return if allowed.is_empty() { Err(nothing()) } else { Ok(Pass::Answer(wrong_method(&allowed))) };
    };
    match route.access {
        Access::Public => {}
        Access::Node => {
            let boot = node(state, request.request(), &pattern).await?;
            request.extensions_mut().insert(boot);
        }
        Access::Admin => match admin(state, request.request()).await {
            Ok(person) => {
                request.extensions_mut().insert(person);
            }
            Err(Error::Unauthorized(_)) if wants_page(request, table.listener) => {
                let asked = request.uri().path_and_query().map_or("/", |p| p.as_str());
                let login = crate::web::login_location(asked);
                let answer = HttpResponse::SeeOther().insert_header((header::LOCATION, login)).finish();
                return Ok(Pass::Answer(answer));
            }
            Err(error) => return Err(Failure(error)),
        },
    }
    // What firmware says to the plain listener may hold anything; the handlers there clean it.
    if table.listener == Listener::Https && has_controls(request.uri().path_and_query().map_or("", |p| p.as_str())) {
        return Err(Failure(Error::BadRequest("expected an address without control characters".to_owned())));
    }
    Ok(Pass::Handler(Bounds::new(route.streams, table.places(route))))
}

/// Percent-encoded control characters (no other form of them is an address). No name of ours has them, and PostgreSQL
/// takes no NUL.
fn has_controls(address: &str) -> bool {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = address.as_bytes().windows(3).filter(|w| w[0] == b'%').filter_map(|w| digits(&w[1..]));
    bytes.into_iter().any(|byte| byte.is_ascii_control())
}

/// A browser that asks for a page is sent to log in.
fn wants_page(request: &ServiceRequest, listener: Listener) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    listener == Listener::Https
        && request.method() == Method::GET
        && !request.path().starts_with("/api/")
        && accepts.contains("text/html")
}

/// The boot of the credential; only for its own node.
async fn node(state: &State, request: &HttpRequest, pattern: &str) -> Result<Boot> {
    let credential = bearer(request)
        .ok_or_else(|| Error::Unauthorized("expected `Authorization: Bearer CREDENTIAL` of this boot".to_owned()))?;
    let boot = auth::session(&state.app, credential).await?;
    let names = pattern.split('/').zip(request.path().split('/'));
    let named = names.filter(|(part, _)| *part == "{uuid}").map(|(_, text)| text).next().unwrap_or_default();
    let named = named.parse::<NodeUuid>()?;
    // The credential is whose it is; the address may be what the machine's firmware calls it.
    if named != boot.node && !identity::is_also_called(&state.app, boot.node.clone(), named).await? {
        return Err(Error::Forbidden("this credential is of another node".to_owned()));
    }
    Ok(boot)
}

async fn admin(state: &State, request: &HttpRequest) -> Result<Person> {
    if let Some(token) = bearer(request) {
        return auth::person(&state.app, token).await;
    }
    let Some(cookie) = session_cookie(request) else {
        return Err(Error::Unauthorized(
            "expected `Authorization: Bearer TOKEN` (the file admin.token in the server's data folder), or a login"
                .to_owned(),
        ));
    };
    let person = auth::browser(&state.app, &cookie).await?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) && !same_origin(request) {
        return Err(Error::Forbidden("a browser may change things only from Higuma's own pages".to_owned()));
    }
    Ok(person)
}

/// Did a page of ours send this? A browser sets these headers itself; a page elsewhere cannot.
pub fn same_origin(request: &HttpRequest) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), host(request)) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Ok(host)) => origin == format!("https://{host}"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn control_characters_are_seen() {
        for bad in ["/a?q=%00", "/a?q=x%0a", "/a%7F", "/%1f"] {
            assert!(has_controls(bad), "{bad}");
        }
        for good in ["/a?q=%20%C3%BC", "/a%", "/a?q=%0", "/a?q=%zz", "/"] {
            assert!(!has_controls(good), "{good}");
        }
    }

    #[test]
    fn only_our_own_pages_change_things_by_cookie() {
        let with = |headers: &[(&'static str, &'static str)]| {
            let request = headers.iter().fold(TestRequest::post(), |r, (name, value)| r.insert_header((*name, *value)));
            same_origin(&request.insert_header(("host", "h.example:8443")).to_http_request())
        };
        assert!(with(&[("sec-fetch-site", "same-origin")]));
        assert!(with(&[("origin", "https://h.example:8443")]));
        assert!(!with(&[]));
        assert!(!with(&[("sec-fetch-site", "cross-site"), ("origin", "https://h.example:8443")]));
        assert!(!with(&[("sec-fetch-site", "same-site")]));
        assert!(!with(&[("origin", "http://h.example:8443")]));
        assert!(!with(&[("origin", "https://evil.example")]));
        assert!(!with(&[("origin", "https://h.example:8443.evil"), ("x-forwarded-host", "h.example:8443.evil")]));
    }
}
