//! Where a request carries who is calling: a Bearer credential, or the browser's session cookie.

use crate::domain::secret::Secret;
use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header;

/// The cookie's name; by `__Host-` browsers insist that it is Secure and of this host alone.
pub const COOKIE: &str = "__Host-higuma";

/// The credential of `Authorization: Bearer`.
pub fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

/// The browser's session.
pub fn session_cookie(request: &HttpRequest) -> Option<String> {
    Some(request.cookie(COOKIE)?.value().to_owned())
}

/// The cookie to set after a login.
pub fn login_cookie(session: &Secret) -> Cookie<'static> {
    let seconds = crate::service::auth::SESSION_TTL / 1_000_000;
    Cookie::build(COOKIE, session.reveal().to_owned())
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// The cookie to set after a logout.
pub fn logout_cookie() -> Cookie<'static> {
    let mut cookie =
        Cookie::build(COOKIE, "").path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish();
    cookie.make_removal();
    cookie
}
