//! `/images`: the images, newest state of each name and version; and one image with its parts, labels, notes and who uses it.
//! It changes nothing: images are made, labelled and deleted by the command line or the API.

use super::human::{absolute, ago, binary_size, url_value};
use super::{PageError, Shell, html};
use crate::domain::Micros;
use crate::domain::image::ImageRef;
use crate::http::State;
use crate::service::images;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Image, Page};
use serde::Deserialize;

/// Images on a page.
const ROWS: usize = 100;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImagesQuery {
    cursor: String,
}

/// The list.
pub(super) async fn list(
    state: web::Data<State>,
    query: web::Query<ImagesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let cursor = (!query.cursor.is_empty()).then_some(query.cursor.as_str());
    let page = images::list(&state.app, cursor, Some(ROWS)).await?;
    Ok(html(StatusCode::OK, &ListPage::new(Shell::new("Images", &req, None), page, state.app.now())))
}

/// One, by version or label.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<(String, String)>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let named = ImageRef { name: path.0.parse()?, version: path.1.parse()? };
    let (image, uses) = images::with_uses(&state.app, named).await?;
    let shell = Shell::new(format!("{}:{}", image.name, image.version), &req, None);
    Ok(html(StatusCode::OK, &ImagePage::new(shell, image, uses, state.app.now())))
}

#[derive(Template)]
#[template(path = "images.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    href: String,
    name: String,
    labels: String,
    arch: String,
    kernel: String,
    size: String,
    digest: String,
    made: String,
    notes: String,
}

impl ListPage {
    fn new(shell: Shell, page: Page<Image>, now: Micros) -> Self {
        let row = |image: &Image| Row {
            href: format!("/images/{}/{}", image.name, image.version),
            name: format!("{}:{}", image.name, image.version),
            labels: image.labels.join(", "),
            arch: image.arch.clone(),
            kernel: image.kernel_release.clone(),
            size: size(image),
            digest: image.digest.chars().take(12).collect(),
            made: ago(image.created_us, now),
            notes: image.notes.lines().next().unwrap_or_default().chars().take(100).collect(),
        };
        let next = page.next.map(|cursor| format!("/images?cursor={}", url_value(&cursor)));
        Self { shell, rows: page.items.iter().map(row).collect(), next }
    }
}

fn size(image: &Image) -> String {
    binary_size(image.parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.size)))
}

#[derive(Template)]
#[template(path = "image.html")]
struct ImagePage {
    shell: Shell,
    name: String,
    size: String,
    made: String,
    image: Image,
    uses: Vec<String>,
    /// Role, size and sha256.
    parts: Vec<(String, String, String)>,
    /// Address and size of the listing.
    contents: Option<(String, String)>,
}

impl ImagePage {
    fn new(shell: Shell, image: Image, uses: Vec<String>, now: Micros) -> Self {
        let by = match image.made_by.as_str() {
            "" => String::new(),
            who => format!(" by {who}"),
        };
        Self {
            shell,
            name: format!("{}:{}", image.name, image.version),
            size: size(&image),
            made: format!("{} ({}){by}", absolute(image.created_us), ago(image.created_us, now)),
            parts: image.parts.iter().map(|p| (p.role.clone(), binary_size(p.size), p.sha256.clone())).collect(),
            contents: image.contents.as_ref().map(|listing| {
                let href = format!("/api/v1/images/{}/{}/contents", image.name, image.version);
                (href, binary_size(listing.size))
            }),
            uses,
            image,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use higuma_proto::api::ImagePart;

    fn image(notes: &str, recipe: &str) -> Image {
        Image {
            name: "debian".into(),
            version: "12".into(),
            arch: "x86_64".into(),
            cmdline: "quiet".into(),
            kernel_release: "6.1".into(),
            parts: vec![ImagePart { role: "kernel".into(), sha256: "ab".repeat(32), size: 2 << 20 }],
            created_us: 0,
            digest: "cd".repeat(32),
            labels: vec!["stable".into()],
            made_by: "ann".into(),
            notes: notes.into(),
            recipe: recipe.into(),
            contents: None,
        }
    }

    #[test]
    fn the_list_links_each_image_and_goes_on() {
        let page = Page { items: vec![image("<b>first</b>\nsecond", "")], next: Some("debian:12".into()) };
        let text = ListPage::new(Shell::bare("Images"), page, 60_000_000).render().unwrap();
        for part in ["href=\"/images/debian/12\"", "stable", ">2 MiB<", "cdcdcdcdcdcd", "cursor=debian%3A12"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<b>first") && text.contains("first") && !text.contains("second"), "{text}");
        let none = Page { items: vec![], next: None };
        assert!(ListPage::new(Shell::bare("Images"), none, 0).render().unwrap().contains("higuma image build"));
    }

    #[test]
    fn one_image_says_what_it_is_of_and_who_uses_it() {
        let uses = vec!["used by profiles: web".to_owned()];
        let page = ImagePage::new(Shell::bare("x"), image("see <there>", "suite = 'x'"), uses, 60_000_000);
        let text = page.render().unwrap();
        for part in ["debian:12", &"cd".repeat(32), &"ab".repeat(32), "by ann", "suite = ", "used by profiles: web"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<there>"), "{text}");
        let page = ImagePage::new(Shell::bare("x"), image("", ""), vec![], 0).render().unwrap();
        assert!(page.contains("id=\"unused\"") && !page.contains("id=\"recipe\""), "{page}");
        assert!(page.contains("No listing"), "{page}");
        let mut listed = image("", "");
        listed.contents = Some(ImagePart { role: "contents".into(), sha256: "ef".repeat(32), size: 2048 });
        let page = ImagePage::new(Shell::bare("x"), listed, vec![], 0).render().unwrap();
        for part in ["href=\"/api/v1/images/debian/12/contents\"", "2 KiB", "higuma image diff debian:12"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
