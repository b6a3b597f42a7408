//! Images by JSON: parse, call the use case, answer.

use super::api::{PageQuery, S, created, ok};
use super::failure::{Answer, Failure};
use crate::blob::cache::Upstream;
use crate::domain::image::ImageRef;
use crate::service::auth::Person;
use crate::service::image_gc as gc_cases;
use crate::service::image_labels as label_cases;
use crate::service::images as image_cases;
use crate::service::scrub as scrub_cases;
use actix_web::web::{Json, Path, Query, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use higuma_proto::api::{ImageGc, ImagePatch, NewImage, NewScrub, SetLabel};
use std::sync::Arc;

pub async fn list(s: S, page: Query<PageQuery>) -> Answer {
    ok(image_cases::list(&s.app, page.cursor.as_deref(), page.limit).await?)
}

pub async fn create(s: S, new: Json<NewImage>, person: ReqData<Person>) -> Answer {
    created(image_cases::create_by(&s.app, new.into_inner(), &person.name).await?)
}

pub async fn gc(s: S, asked: Json<ImageGc>, person: ReqData<Person>) -> Answer {
    ok(gc_cases::run(&s.app, asked.into_inner(), &person.name).await?)
}

pub async fn scrub(s: S) -> Answer {
    ok(s.app.scrub.status())
}

pub async fn start_scrub(s: S, asked: Json<NewScrub>, person: ReqData<Person>) -> Answer {
    let store = s.home.store().map(|store| Arc::new(store.clone()) as Arc<dyn Upstream>);
    let places = scrub_cases::Places { blobs: s.blobs.clone(), cache: s.cache.clone(), store };
    let status = scrub_cases::start(&s.app, places, asked.into_inner(), &person.name)?;
    Ok(HttpResponse::Accepted().json(status))
}

pub async fn cancel_scrub(s: S) -> Answer {
    ok(scrub_cases::cancel(&s.app))
}

fn reference(path: &(String, String)) -> Result<ImageRef, Failure> {
    Ok(ImageRef { name: path.0.parse()?, version: path.1.parse()? })
}

pub async fn show(s: S, path: Path<(String, String)>) -> Answer {
    ok(image_cases::show(&s.app, reference(&path)?).await?)
}

/// The listing of what is in it, as it was uploaded.
pub async fn contents(s: S, path: Path<(String, String)>, request: HttpRequest) -> Answer {
    let sha256 = image_cases::contents(&s.app, reference(&path)?).await?;
    super::blobs::serve(&s, &request, sha256).await
}

pub async fn patch(s: S, path: Path<(String, String)>, patch: Json<ImagePatch>) -> Answer {
    ok(image_cases::patch(&s.app, reference(&path)?, patch.into_inner()).await?)
}

pub async fn delete(s: S, path: Path<(String, String)>) -> Answer {
    image_cases::delete(&s.app, reference(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn label(s: S, path: Path<(String, String)>, to: Json<SetLabel>, person: ReqData<Person>) -> Answer {
    ok(label_cases::set(&s.app, reference(&path)?, to.into_inner(), &person.name).await?)
}

pub async fn unlabel(s: S, path: Path<(String, String)>) -> Answer {
    label_cases::remove(&s.app, reference(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
