//! `higuma image label, unlabel, note, gc, scrub`: what is kept of images, and for how long. The server decides.

use super::super::Global;
use super::super::client::{Client, encode};
use super::super::error::{Failure, Result};
use super::super::output::{self, answer};
use super::{path_of, scrub, show, split};
use higuma_proto::api::{Image as Stored, ImageGc, ImageGcAnswer, ImagePatch, SetLabel};
use ureq::http::Method;

/// What is kept of images
#[derive(Debug, clap::Subcommand)]
pub enum Kept {
    /// Give a version a movable name, or move that name to it
    #[command(
        after_help = "Example:\n  higuma image label debian:20261122 stable\n  higuma profile update web --image debian:stable\n\nA profile keeps the version that the label means when the profile is changed."
    )]
    Label {
        /// NAME:VERSION
        image: String,
        /// The label, e.g. stable
        label: String,
    },
    /// Remove a label; the version stays
    #[command(after_help = "Example:\n  higuma image unlabel debian:stable")]
    Unlabel {
        /// NAME:LABEL
        label: String,
    },
    /// Write down what is to be known of an image; it replaces what was there
    #[command(after_help = "Example:\n  higuma image note debian:20261122 'first with the new NIC driver'")]
    Note {
        /// NAME:VERSION
        image: String,
        /// Text, at most 4 KiB; '' removes it
        text: String,
    },
    /// Write what an image was built by to standard output
    #[command(
        after_help = "Example:\n  higuma image recipe web:7 > web.toml\n  higuma image build recipe web.toml --version 8"
    )]
    Recipe {
        /// NAME:VERSION or NAME:LABEL
        image: String,
    },
    /// Delete images that no profile, label or node names
    #[command(
        after_help = "Examples:\n  higuma image gc --dry-run\n  higuma image gc --keep 3 --older-than 30\n\nThe bytes follow when the grace of their blobs (the setting blob-grace) is over."
    )]
    Gc {
        /// Keep so many of the newest versions of each name in any case
        #[arg(long, value_name = "N", default_value_t = 1)]
        keep: u32,
        /// Keep what is not older than so many days in any case
        #[arg(long, value_name = "DAYS", default_value_t = 1)]
        older_than: u32,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Read all blobs of the server again and compare them with their names; ends with 1 when one is damaged
    #[command(
        after_help = "Examples:\n  higuma image scrub --rate 50\n  higuma image scrub --status\n\nA damaged blob is moved to blobs/bad and served no more; uploading it again mends it."
    )]
    Scrub(scrub::Scrub),
}

pub(super) fn run(global: &Global, command: Kept) -> Result<()> {
    match command {
        Kept::Label { image, label } => {
            let (name, version) = split(&image)?;
            let body = SetLabel { version: version.into() };
            let value = Client::new(global)?.call(Method::PUT, &label_path(name, &label), Some(&body))?;
            answer(global.format, value, |image: Stored| show(&image, output::now_us()))
        }
        Kept::Unlabel { label } => {
            let (name, label) = split(&label)?;
            Client::new(global)?.call(Method::DELETE, &label_path(name, label), None::<&()>)?;
            Ok(())
        }
        Kept::Recipe { image } => {
            let value = Client::new(global)?.get(&path_of(&image)?)?;
            let stored: Stored = output::typed(value)?;
            if stored.recipe.is_empty() {
                let text = format!("{image} has no recipe: only images that were built by `image build` have one");
                return Err(Failure::not_found(text));
            }
            output::print(&stored.recipe)
        }
        Kept::Scrub(args) => scrub::run(global, &args),
        Kept::Gc { keep, older_than, dry_run } => {
            let older_than_seconds = u64::from(older_than) * 86_400;
            let body = ImageGc { keep: keep.into(), older_than_seconds, dry_run };
            let value = Client::new(global)?.call(Method::POST, "/api/v1/images/gc", Some(&body))?;
            answer(global.format, value, |gc: ImageGcAnswer| gc_table(&gc))
        }
        Kept::Note { image, text } => {
            let body = ImagePatch { notes: Some(text) };
            let value = Client::new(global)?.call(Method::PATCH, &path_of(&image)?, Some(&body))?;
            answer(global.format, value, |image: Stored| show(&image, output::now_us()))
        }
    }
}

fn label_path(name: &str, label: &str) -> String {
    format!("/api/v1/images/{}/labels/{}", encode(name), encode(label))
}

fn gc_table(gc: &ImageGcAnswer) -> String {
    let goes = if gc.dry_run { "would go" } else { "gone" };
    let mut rows: Vec<[String; 3]> = Vec::new();
    rows.extend(gc.removed.iter().map(|line| [line.image.clone(), output::size(line.size), goes.to_owned()]));
    rows.extend(
        gc.kept.iter().map(|l| [l.image.clone(), output::size(l.size), format!("stays: {}", l.stays.join("; "))]),
    );
    let mut text = output::table(["IMAGE", "SIZE", ""], &rows);
    if gc.kept_more > 0 {
        text.push_str(&format!("and {} more that stay\n", gc.kept_more));
    }
    let bytes = output::size(gc.freed_bytes);
    text.push_str(&match (gc.removed.len(), gc.dry_run) {
        (0, _) => "nothing to remove\n".to_owned(),
        (n, true) => format!("{n} would go, and {bytes} with them\n"),
        (n, false) => format!("{n} went; {bytes} follow when their time of grace (blob-grace) is over\n"),
    });
    if gc.more {
        text.push_str("there is more to remove: run it again\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use higuma_proto::api::ImageGcLine;

    #[test]
    fn the_table_says_what_goes_and_why_the_rest_stays() {
        let line = |image: &str, stays: &[&str]| ImageGcLine {
            image: image.into(),
            size: 2048,
            stays: stays.iter().map(ToString::to_string).collect(),
        };
        let gc = ImageGcAnswer {
            dry_run: true,
            removed: vec![line("d:1", &[])],
            freed_bytes: 1024,
            more: false,
            kept: vec![line("d:2", &["has labels: stable", "the newest of its name"])],
            kept_more: 0,
        };
        let text = "IMAGE  SIZE\nd:1    2.0 KiB  would go\nd:2    2.0 KiB  stays: has labels: stable; the newest of its name\n1 would go, and 1.0 KiB with them\n";
        assert_eq!(gc_table(&gc).replace("SIZE     -", "SIZE"), text);
        let none = ImageGcAnswer { removed: vec![], kept: vec![], more: true, kept_more: 3, ..gc };
        assert!(
            gc_table(&none)
                .ends_with("and 3 more that stay\nnothing to remove\nthere is more to remove: run it again\n")
        );
    }
}
