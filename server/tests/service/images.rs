//! Images over SQLite, without any listener: what a name means, and who is told what.

use crate::common::lab;
use higuma::error::Error;
use higuma::service::{App, image_labels, images, profiles};
use higuma_proto::api::{ImagePatch, NewImage, NewProfile, SetLabel};
use serde_json::json;

fn new_image(app_image: &higuma_proto::api::Image, version: &str, more: serde_json::Value) -> NewImage {
    let mut image = json!({"name": app_image.name, "version": version, "arch": app_image.arch,
        "parts": app_image.parts.iter().map(|p| json!({"role": p.role, "sha256": p.sha256})).collect::<Vec<_>>()});
    image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(image).unwrap()
}

async fn make(app: &App, version: &str, more: serde_json::Value) -> Result<higuma_proto::api::Image, Error> {
    let first = images::show(app, "i:1".parse().unwrap()).await.unwrap();
    images::create_by(app, new_image(&first, version, more), "ann").await
}

async fn label(app: &App, label: &str, version: &str) -> Result<higuma_proto::api::Image, Error> {
    image_labels::set(app, label.parse().unwrap(), SetLabel { version: version.into() }, "bob").await
}

fn profile(name: &str, image: &str) -> NewProfile {
    serde_json::from_value(json!({"name": name, "image": image})).unwrap()
}

#[tokio::test]
async fn a_profile_keeps_the_version_that_a_label_meant() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let made = make(app, "2", json!({"notes": "new", "recipe": "suite = 'sid'"})).await.unwrap();
    assert_eq!((made.made_by.as_str(), made.notes.as_str(), made.recipe.as_str()), ("ann", "new", "suite = 'sid'"));

    assert_eq!(label(app, "i:stable", "1").await.unwrap().labels, ["stable"]);
    let web = profiles::create(app, profile("web", "i:stable")).await.unwrap();
    assert_eq!((web.spec.image.as_str(), web.image_digest.as_deref()), ("i:1", Some(made.digest.as_str())));
    // Moved: the revision says what it said; changed to the label again, it is a new one.
    assert_eq!(label(app, "i:stable", "2").await.unwrap().version, "2");
    assert_eq!(profiles::show(app, "web".parse().unwrap(), None).await.unwrap().spec.image, "i:1");
    let web = profiles::update(app, "web".parse().unwrap(), profile("web", "i:stable")).await.unwrap();
    assert_eq!((web.spec.image.as_str(), web.revision), ("i:2", 2));
    let again = profiles::update(app, "web".parse().unwrap(), profile("web", "i:stable")).await.unwrap();
    assert_eq!(again.revision, 2, "the same");

    // A label may be made of a label, and means the version.
    assert_eq!(label(app, "i:best", "stable").await.unwrap().version, "2");
    assert_eq!(images::show(app, "i:best".parse().unwrap()).await.unwrap().labels, ["best", "stable"]);
    let list = images::list(app, None, None).await.unwrap().items;
    let labels: Vec<_> = list.iter().map(|i| (i.version.as_str(), i.labels.len(), i.recipe.as_str())).collect();
    assert_eq!(labels, [("1", 0, ""), ("2", 2, "")], "no recipes in lists");

    let patch = ImagePatch { notes: Some("seen".into()) };
    assert_eq!(images::patch(app, "i:best".parse().unwrap(), patch).await.unwrap().notes, "seen");
    let long = ImagePatch { notes: Some("x".repeat(5000)) };
    assert!(matches!(images::patch(app, "i:2".parse().unwrap(), long).await, Err(Error::BadRequest(_))));
}

#[tokio::test]
async fn a_name_is_a_version_or_a_label() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    label(app, "i:stable", "1").await.unwrap();
    let conflict = |result: Result<_, Error>| match result {
        Err(Error::Conflict(words)) => words,
        other => panic!("{other:?}"),
    };
    assert!(conflict(make(app, "stable", json!({})).await).contains("a label of i:1"));
    assert!(conflict(label(app, "i:1", "1").await).contains("i:1 is an image"));
    assert!(matches!(label(app, "i:x", "9").await, Err(Error::NotFound(_))));

    let delete = async |name: &str| images::delete(app, name.parse().unwrap()).await;
    assert!(matches!(delete("i:stable").await, Err(Error::Conflict(words)) if words.contains("a label of version 1")));
    profiles::delete(app, "p".parse().unwrap()).await.unwrap();
    assert!(matches!(delete("i:1").await, Err(Error::Conflict(words)) if words.contains("labels: stable")));
    image_labels::remove(app, "i:stable".parse().unwrap()).await.unwrap();
    assert!(matches!(image_labels::remove(app, "i:stable".parse().unwrap()).await, Err(Error::NotFound(_))));
    delete("i:1").await.unwrap();
}

#[tokio::test]
async fn a_listing_is_kept_with_its_image_and_goes_with_it() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let listing = higuma::domain::Sha256::of("a listing");
    let contents = json!({"contents": {"role": "contents", "sha256": listing.to_string()}});
    let early = make(app, "2", contents.clone()).await.unwrap_err();
    assert!(matches!(&early, Error::BadRequest(words) if words.contains("upload it first")), "{early}");
    let blob = listing.clone();
    app.store.write(move |tx| tx.put_blob(&blob, 9, 1)).await.unwrap();
    let wrong = json!({"contents": {"role": "rootfs", "sha256": listing.to_string()}});
    assert!(matches!(make(app, "2", wrong).await, Err(Error::BadRequest(_))));
    let made = make(app, "2", contents).await.unwrap();
    let kept = made.contents.unwrap();
    assert_eq!((kept.role.as_str(), kept.sha256.as_str(), kept.size), ("contents", listing.as_str(), 9));
    let first = images::show(app, "i:1".parse().unwrap()).await.unwrap();
    assert_eq!((made.digest, first.contents), (first.digest, None), "it is no part of the digest");
    let listed = images::list(app, None, None).await.unwrap().items;
    let sizes: Vec<_> = listed.iter().map(|image| image.contents.as_ref().map(|c| c.size)).collect();
    assert_eq!(sizes, [None, Some(9)]);
    assert_eq!(images::contents(app, "i:2".parse().unwrap()).await.unwrap(), listing);
    let none = images::contents(app, "i:1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&none, Error::NotFound(words) if words.contains("no listing")), "{none}");

    // It is held as long as its image is there, and for the grace after that.
    let forget = |before| app.store.write(move |tx| tx.forget_unused_blobs(before, 100));
    assert!(!forget(i64::MAX).await.unwrap().contains(&listing));
    images::delete(app, "i:2".parse().unwrap()).await.unwrap();
    assert!(!forget(2).await.unwrap().contains(&listing), "its grace begins with the deletion");
    assert!(forget(i64::MAX).await.unwrap().contains(&listing));
}
