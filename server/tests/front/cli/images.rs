//! What is kept of images, by the command line: what is asked of the server, and what is told.

use super::*;

fn image(labels: &[&str], notes: &str) -> Value {
    json!({ "name": "d", "version": "1", "arch": "x86_64", "cmdline": "", "kernel_release": "6.1", "parts": [],
            "created_us": 0, "digest": "ab".repeat(32), "labels": labels, "made_by": "ann", "notes": notes,
            "recipe": "suite = 'x'\npackages = []" })
}

#[test]
fn labels_and_notes() {
    let home = Home::new(|r| match (r.method.as_str(), r.path.as_str()) {
        ("PUT", "/api/v1/images/d/labels/stable") => (200, image(&["stable"], "").to_string()),
        ("DELETE", "/api/v1/images/d/labels/stable") => (204, String::new()),
        ("PATCH", "/api/v1/images/d/1") => (200, image(&[], "good\nreally").to_string()),
        _ => (404, error("not_found", "no")),
    });
    let out = home.run(&["image", "label", "d:1", "stable"]);
    let shown = text(&out.stdout);
    assert!(shown.contains("stable") && shown.contains("ann") && shown.contains("packages = []"), "{shown}");
    assert!(home.run(&["image", "unlabel", "d:stable"]).status.success());
    let out = home.run(&["image", "note", "d:1", "good\nreally"]);
    assert!(text(&out.stdout).contains("good") && text(&out.stdout).contains("really"), "{}", text(&out.stdout));
    let bodies: Vec<String> = home.fake.requests().iter().map(|r| text(&r.body).to_owned()).collect();
    assert_eq!(bodies, [r#"{"version":"1"}"#, "", r#"{"notes":"good\nreally"}"#]);
    assert_eq!(home.run(&["image", "label", "d", "stable"]).status.code(), Some(2), "no version");
}

#[test]
fn a_recipe_is_written_back_as_it_was() {
    let home = Home::new(|r| match r.path.as_str() {
        "/api/v1/images/d/1" => (200, image(&[], "").to_string()),
        "/api/v1/images/d/2" => {
            let mut imported = image(&[], "");
            imported["recipe"] = json!("");
            (200, imported.to_string())
        }
        _ => (404, error("not_found", "no")),
    });
    assert_eq!(text(&home.run(&["image", "recipe", "d:1"]).stdout), "suite = 'x'\npackages = []");
    let none = home.run(&["image", "recipe", "d:2"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(text(&none.stderr).contains("has no recipe"), "{}", text(&none.stderr));
}

#[test]
fn a_recipe_that_cannot_be_used_is_told_before_anything_is_asked_or_built() {
    let home = Home::new(|_| (200, "{}".into()));
    let file = home.dir.path().join("web.toml");
    std::fs::write(&file, "name = 'web'\nsuite = 'bookworm'\npackage = ['vim']\n").unwrap();
    let out = home.run(&["image", "build", "recipe", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    let said = text(&out.stderr);
    assert!(said.contains("web.toml: TOML parse error at line 3") && said.contains("`packages`"), "{said}");
    assert!(home.fake.lines().is_empty());
}

#[test]
fn a_collection_is_asked_for_in_days_and_told_in_words() {
    let home = Home::new(|_| {
        let line = |image: &str, stays: &[&str]| json!({ "image": image, "size": 1024, "stays": stays });
        let answer = json!({ "dry_run": false, "removed": [line("d:1", &[])], "freed_bytes": 1024, "more": false,
                             "kept": [line("d:2", &["used by profiles: web"])], "kept_more": 0 });
        (200, answer.to_string())
    });
    let out = home.run(&["image", "gc", "--keep", "3", "--older-than", "2"]);
    let shown = text(&out.stdout);
    assert!(shown.contains("d:1") && shown.contains("stays: used by profiles: web"), "{shown}");
    assert!(shown.contains("1 went; 1.0 KiB follow"), "{shown}");
    assert!(home.run(&["image", "gc", "--dry-run"]).status.success());
    let bodies: Vec<Value> = home.fake.requests().iter().map(|r| serde_json::from_slice(&r.body).unwrap()).collect();
    assert_eq!(bodies[0], json!({ "keep": 3, "older_than_seconds": 172_800, "dry_run": false }));
    assert_eq!(bodies[1], json!({ "keep": 1, "older_than_seconds": 86_400, "dry_run": true }));
}

#[test]
fn a_scrub_is_followed_and_damage_is_an_exit_code() {
    let scrub = |state: &str, damaged: Value| {
        json!({ "state": state, "by": "ann", "started_us": 1, "ended_us": null, "error": null, "blobs_done": 2,
                "bytes_done": 10, "bytes": 20, "damaged": damaged })
        .to_string()
    };
    let home = Home::new(move |r| match r.method.as_str() {
        "POST" => (202, scrub("running", json!([]))),
        _ => (200, scrub("done", json!([{ "sha256": "ab".repeat(32), "missing": false, "images": ["d:1"] }]))),
    });
    let out = home.run(&["image", "scrub", "--rate", "5"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("is damaged, of d:1"), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("1 blobs are damaged"), "{}", text(&out.stderr));
    let sent: Vec<(String, String)> =
        home.fake.requests().iter().map(|r| (r.method.clone(), text(&r.body).to_owned())).collect();
    assert_eq!(sent[0], ("POST".to_owned(), r#"{"bytes_per_second":5242880}"#.to_owned()));
    assert_eq!(sent[1].0, "GET");
    assert_eq!(home.run(&["image", "scrub", "--detach"]).status.code(), Some(0));
    assert_eq!(home.run(&["image", "scrub", "--status", "--cancel"]).status.code(), Some(2));
}
