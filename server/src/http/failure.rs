//! An error as an HTTP answer: always JSON of [`ApiError`], with the status that fits. What is our fault is logged here,
//! once, and not shown.

use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use higuma_proto::api::ApiError;
use std::fmt;

/// Answer of a handler.
pub type Answer = Result<HttpResponse, Failure>;

/// [`Error`] for actix.
#[derive(Debug)]
pub struct Failure(pub Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match &self.0 {
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        log_internal(&self.0);
        let mut answer = HttpResponse::build(self.status_code());
        if matches!(self.0, Error::Unauthorized(_)) {
            answer.insert_header(("www-authenticate", "Bearer realm=\"higuma\""));
        }
        answer.json(ApiError { code: self.0.code().to_owned(), message: self.0.to_string() })
    }
}

/// The chain of causes of what is our fault, to the log.
pub fn log_internal(error: &Error) {
    if let Error::Internal(source) = error {
        let mut chain = source.to_string();
        let mut next = source.source();
        while let Some(cause) = next {
            chain = format!("{chain}: {cause}");
            next = cause.source();
        }
        tracing::error!(cause = chain, "internal error: {chain}");
    }
}

/// A wrong method, with those that there are.
pub fn wrong_method(allowed: &[String]) -> HttpResponse {
    let allow = allowed.join(", ");
    let message = format!("this address takes {allow}");
    HttpResponse::MethodNotAllowed()
        .insert_header(("allow", allow))
        .json(ApiError { code: "bad_request".to_owned(), message })
}
