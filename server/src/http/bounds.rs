//! How long a request may take, and how many bodies of strangers may be in memory at once: a body that does not come
//! must not hold memory for ever.

use super::failure::Failure;
use crate::error::Error;
use actix_web::ResponseError;
use actix_web::error::InternalError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A request, from its head to the head of its answer, its body included.
const REQUEST: Duration = Duration::from_secs(30);
/// For a free place.
const QUEUE: Duration = Duration::from_secs(5);

/// What holds for one request.
pub struct Bounds {
    /// None: the handler has a deadline of its own.
    request: Option<Duration>,
    /// For a free place.
    queue: Duration,
    /// None: not counted.
    places: Option<Arc<Semaphore>>,
}

impl Bounds {
    /// The usual ones.
    pub fn new(streams: bool, places: Option<Arc<Semaphore>>) -> Self {
        Self { request: (!streams).then_some(REQUEST), queue: QUEUE, places }
    }

    /// Let the handler run within the bounds.
    pub async fn hold<T>(
        self,
        handler: impl Future<Output = Result<T, actix_web::Error>>,
    ) -> Result<T, actix_web::Error> {
        let _place = match self.places {
            None => None,
            Some(places) => match timeout(self.queue, places.acquire_owned()).await {
                Ok(Ok(place)) => Some(place),
                _ => return Err(too_late("the server is busy with others: send it again in a while".to_owned())),
            },
        };
        let Some(limit) = self.request else { return handler.await };
        match timeout(limit, handler).await {
            Ok(answer) => answer,
            Err(_) => {
                let seconds = limit.as_secs();
                Err(too_late(format!("expected the whole request and its answer within {seconds} s: send it again")))
            }
        }
    }
}

/// 503, and the connection ends: the rest of its body is not wanted.
fn too_late(message: String) -> actix_web::Error {
    let failure = Failure(Error::Unavailable(message));
    let mut answer = failure.error_response();
    answer.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    InternalError::from_response(failure, answer).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);

    fn bounds(request: Option<Duration>, places: &Arc<Semaphore>) -> Bounds {
        Bounds { request, queue: SHORT, places: Some(places.clone()) }
    }

    #[tokio::test]
    async fn slow_bodies_are_cut_off_and_too_many_wait_in_vain() {
        let places = Arc::new(Semaphore::new(1));
        let never = std::future::pending::<Result<(), actix_web::Error>>;
        let error = bounds(Some(SHORT), &places).hold(never()).await.unwrap_err();
        let answer = error.error_response();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.head().connection_type(), actix_web::http::ConnectionType::Close);
        assert_eq!(places.available_permits(), 1, "its place is free again");

        let first = tokio::spawn({
            let held = bounds(None, &places);
            async move {
                let slow = async {
                    tokio::time::sleep(SHORT * 10).await;
                    Ok(())
                };
                held.hold(slow).await.is_ok()
            }
        });
        while places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = bounds(None, &places).hold(async { Ok(()) }).await.unwrap_err();
        assert_eq!(refused.error_response().status(), 503);
        assert!(first.await.unwrap());
        bounds(None, &places).hold(async { Ok(()) }).await.unwrap();
    }
}
