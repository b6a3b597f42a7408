//! A span, a line and a measurement for each request. Never the query, a header or a body: they could hold secrets.

use super::routes::Table;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use std::time::{Duration, Instant};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// Spans of requests.
pub struct Spans;

impl RootSpanBuilder for Spans {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        tracing::info_span!("http", method = %request.method(), path = told(request.path()), request_id = id)
    }

    fn on_request_end<B: MessageBody>(_span: Span, _outcome: &Result<ServiceResponse<B>, Error>) {}
}

/// A path as it may stand in a log: an installer's holds its token.
fn told(path: &str) -> &str {
    if path.starts_with("/install/") { "/install/..." } else { path }
}

/// The middleware that counts and logs.
pub async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let begun = Instant::now();
    let listener = request.app_data::<web::Data<Table>>().map_or("", |t| t.listener.as_str());
    // The pattern, not the path: few values.
    let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
    let outcome = next.call(request).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    count(listener, &route, status.as_u16(), begun.elapsed());
    outcome
}

/// Counts and logs one request; `took`: until the head of its answer.
pub fn count(listener: &'static str, route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    let labels = [("listener", listener.to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("higuma_http_requests_total", &labels).increment(1);
    metrics::histogram!("higuma_http_request_seconds", "listener" => listener, "route" => route)
        .record(took.as_secs_f64());
    let ms = took.as_millis();
    if status >= 500 {
        tracing::warn!(status, ms, "answered {status} in {ms} ms");
    } else {
        tracing::debug!(status, ms, "answered {status} in {ms} ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_told() {
        assert_eq!(told("/install/0123/answer"), "/install/...");
        assert_eq!(told("/blobs/0123"), "/blobs/0123");
    }
}
