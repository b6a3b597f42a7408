//! What is kept of an image beside what boots: notes, recipe, and labels, which are movable names of versions. None of it
//! is part of an image's digest; no rule here may let a name mean two things.

use super::ids::{Invalid, Micros, Name, Sha256};
use super::image::ImageRef;

/// Bytes of notes, at most.
pub const NOTES_MAX: usize = 4 * 1024;
/// Bytes of a recipe, at most.
pub const RECIPE_MAX: usize = 64 * 1024;
/// Labels of one image name, at most.
pub const LABELS_MAX: usize = 100;

/// What is known of an image that no node boots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The person that made it; empty: before this was written down.
    pub made_by: String,
    /// What people say of it; may change.
    pub notes: String,
    /// What it was built by; never changes.
    pub recipe: String,
    /// The listing of what is in it; none: of before there were any, or what cannot be listed.
    pub contents: Option<Listing>,
}

/// A blob with the names, sizes and packages of an image: for people, no node reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its name.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
}

/// A movable name of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The image's name and the label.
    pub label: ImageRef,
    /// What it means now.
    pub version: Name,
    /// Who moved it there.
    pub moved_by: String,
    /// And when.
    pub moved: Micros,
}

/// Notes as a person gave them. Errors: too long, control characters.
pub fn check_notes(text: &str) -> Result<String, Invalid> {
    check_text("notes", "at most 4 KiB of text without control characters", text, NOTES_MAX)
}

/// A recipe. Errors: too long, control characters.
pub fn check_recipe(text: &str) -> Result<String, Invalid> {
    check_text("recipe", "at most 64 KiB of text without control characters", text, RECIPE_MAX)
}

fn check_text(what: &'static str, form: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    let plain = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    match text.len() {
        n if n > max => Err(Invalid::new(what, form, &format!("{n} bytes"))),
        _ if !plain => Err(Invalid::new(what, form, text)),
        _ => Ok(text.to_owned()),
    }
}

/// May `label` become a name of a version? `is_version`: an image of that name and version is there; `others`: labels of
/// the same image name. The refusal is for a person.
pub fn may_label(label: &ImageRef, is_version: bool, others: usize) -> Result<(), String> {
    if is_version {
        return Err(format!("{label} is an image: a label must not be the name of a version, choose another"));
    }
    if others >= LABELS_MAX {
        let name = &label.name;
        return Err(format!(
            "{name} has {others} labels already, {LABELS_MAX} at most: remove one with `image unlabel`"
        ));
    }
    Ok(())
}

/// May an image of this name and version be made? `label`: what that name means already. The refusal is for a person.
pub fn may_make(image: &ImageRef, label: Option<&Label>) -> Result<(), String> {
    match label {
        None => Ok(()),
        Some(label) => {
            let (name, version) = (&image.name, &label.version);
            Err(format!(
                "{image} is a label of {name}:{version}: use another version, or remove it with `higuma image unlabel {image}`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_means_one_thing() {
        let stable: ImageRef = "debian:stable".parse().unwrap();
        assert_eq!(may_label(&stable, false, 0), Ok(()));
        assert!(may_label(&stable, true, 0).unwrap_err().contains("debian:stable is an image"));
        assert!(may_label(&stable, false, LABELS_MAX).is_err());
        assert_eq!(may_make(&stable, None), Ok(()));
        let label = Label { label: stable.clone(), version: "12".parse().unwrap(), moved_by: String::new(), moved: 0 };
        assert!(may_make(&stable, Some(&label)).unwrap_err().contains("a label of debian:12"));
    }

    #[test]
    fn texts_are_bounded_and_plain() {
        assert_eq!(check_notes("two\nlines\twith tabs").unwrap(), "two\nlines\twith tabs");
        assert!(check_notes(&"x".repeat(NOTES_MAX + 1)).is_err() && check_notes(&"x".repeat(NOTES_MAX)).is_ok());
        assert!(check_notes("\u{1b}[2J").is_err() && check_recipe("a\0b").is_err());
        assert!(check_recipe(&"x".repeat(RECIPE_MAX + 1)).is_err() && check_recipe(&"x".repeat(RECIPE_MAX)).is_ok());
    }
}
