//! The one place where every gRPC call passes: the method's line in the table, then the credential. The boot that it
//! names goes with the request; no field of a message says who is calling.

use super::{Access, PERMISSIONS, status};
use crate::error::Error;
use crate::service::{App, auth};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::codegen::http::{Request, Response, header};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

/// A service behind the guard.
#[derive(Clone)]
pub struct Guarded<S> {
    /// The service itself.
    pub inner: S,
    /// To look credentials up.
    pub app: App,
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<S::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that was polled ready serves this call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let app = self.app.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let method = path.strip_prefix('/').and_then(|p| p.strip_prefix(S::NAME)).and_then(|p| p.strip_prefix('/'));
            let line = PERMISSIONS.iter().find(|(name, _)| Some(*name) == method);
            let Some((method, access)) = line else {
                return Ok(refuse("none", Status::unimplemented("there is no such method")));
            };
            match authorise(&app, *access, &mut request).await {
                Err(error) => Ok(refuse(method, status(error))),
                Ok(()) => {
                    let response = inner.call(request).await?;
                    let code = Status::from_header_map(response.headers()).map_or(tonic::Code::Ok, |s| s.code());
                    count(method, code);
                    Ok(response)
                }
            }
        })
    }
}

fn refuse(method: &'static str, status: Status) -> Response<tonic::body::Body> {
    count(method, status.code());
    status.into_http()
}

fn count(method: &'static str, code: tonic::Code) {
    metrics::counter!("higuma_grpc_requests_total", "method" => method, "code" => format!("{code:?}")).increment(1);
}

async fn authorise<B>(app: &App, access: Access, request: &mut Request<B>) -> Result<(), Error> {
    if access == Access::Public {
        return Ok(());
    }
    let credential = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(str::to_owned)
        .ok_or_else(|| Error::Unauthorized("expected the metadata `authorization: Bearer CREDENTIAL`".to_owned()))?;
    let boot = match access {
        Access::Session => auth::session(app, &credential).await?,
        _ => auth::callback(app, &credential).await?,
    };
    request.extensions_mut().insert(boot);
    Ok(())
}
