//! The few static files, embedded in the binary. The URL carries a hash of the content, so browsers may keep them for
//! ever and never show an old one; a hash that is not ours is not found.

use crate::domain::Sha256;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "higuma.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../static/higuma.css"),
    },
    Asset {
        name: "live.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/live.js"),
    },
    Asset {
        name: "console.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/console.js"),
    },
    Asset { name: "bear.svg", content_type: "image/svg+xml", body: include_str!("../../static/bear.svg") },
];

static URLS: LazyLock<[String; 4]> = LazyLock::new(|| {
    ASSETS.map(|asset| {
        let hash = Sha256::of(asset.body);
        format!("/static/{}-{}", hash.as_str().get(..16).unwrap_or_default(), asset.name)
    })
});

/// URLs of the style sheet, the script and the bear.
pub(super) fn urls() -> [&'static str; 3] {
    let [css, js, _, bear] = &*URLS;
    [css, js, bear]
}

/// URL of the script of the console's page.
pub(super) fn console_script() -> &'static str {
    let [_, _, console, _] = &*URLS;
    console
}

/// `GET /static/{file}`, where the file is `HASH-NAME`.
pub(super) async fn get(file: web::Path<String>) -> HttpResponse {
    let wanted = format!("/static/{file}");
    match ASSETS.iter().zip(URLS.iter()).find(|(_, url)| **url == wanted) {
        None => HttpResponse::NotFound().content_type("text/plain").body("no such file: reload the page"),
        Some((asset, _)) => HttpResponse::Ok()
            .content_type(asset.content_type)
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(asset.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn only_the_present_content_is_served_and_for_long() {
        for url in urls().into_iter().chain([console_script()]) {
            let file = url.strip_prefix("/static/").unwrap_or_default();
            let (_, name) = file.split_once('-').unwrap_or_default();
            let response = get(web::Path::from(file.to_owned())).await;
            assert_eq!(response.status(), 200);
            assert!(response.headers().get("cache-control").is_some_and(|v| v.as_bytes().ends_with(b"immutable")));
            let stale = get(web::Path::from(format!("{}-{name}", "0".repeat(16)))).await;
            assert_eq!(stale.status(), 404);
        }
    }

    #[test]
    fn the_style_sheet_and_the_script_name_nothing_elsewhere() {
        for asset in ASSETS.iter().filter(|a| a.name != "bear.svg") {
            assert!(!asset.body.contains("http://") && !asset.body.contains("https://"), "{}", asset.name);
        }
    }
}
