//! From a request to a profile's own words. A request in the old form (image, command line, files, keys) tells what a
//! node shall get: only what differs from the present becomes a word, so that a client that knows no more never removes
//! what it does not know.

use crate::domain::Name;
use crate::domain::profile::{Profile, Spec, Words};
use crate::error::{Error, Result};
use higuma_proto::api::{NewProfile, ProfileFile};
use serde_json::{Map, Value, json};

/// Who the profile inherits from, and what it says.
pub(super) type Said = (Option<Name>, Words);

/// Of a request, over the present revision. Errors: both forms at once, a name that is none.
pub(super) fn said(new: &NewProfile, present: Option<&Profile>) -> Result<Said> {
    let NewProfile { name: _, image, cmdline, files, ssh_authorized_keys, words } = new;
    let Some(words) = words else { return old_form(new, present) };
    if !(image.is_empty() && cmdline.is_empty() && files.is_empty() && ssh_authorized_keys.is_empty()) {
        return Err(Error::BadRequest(
            "expected words alone, got image, cmdline, files or ssh_authorized_keys beside them: put these into words"
                .to_owned(),
        ));
    }
    let mut words = words.clone();
    let parent = match words.remove("parent") {
        None | Some(Value::Null) => None,
        Some(Value::String(parent)) => Some(parent.parse()?),
        Some(other) => return Err(Error::BadRequest(format!("parent: expected the name of a profile, got {other}"))),
    };
    Ok((parent, Words(words)))
}

fn old_form(new: &NewProfile, present: Option<&Profile>) -> Result<Said> {
    let nothing = Spec::default();
    let now = present.map_or(&nothing, |p| &p.spec);
    let parent = present.and_then(|p| p.parent.clone());
    let mut words = present.map(|p| p.words.0.clone()).unwrap_or_default();
    if new.image.is_empty() && present.is_none() {
        return Err(Error::BadRequest(
            "image: expected NAME:VERSION, or words in which a parent is named, got neither".into(),
        ));
    }
    if !new.image.is_empty() && now.image.as_ref().is_none_or(|i| i.to_string() != new.image) {
        words.insert("image".to_owned(), json!(new.image));
    }
    if now.cmdline.as_str() != new.cmdline.trim_matches(' ') {
        say(&mut words, "cmdline", Some(json!(new.cmdline)).filter(|_| !new.cmdline.is_empty()), parent.is_some());
    }
    if now.ssh_authorized_keys != new.ssh_authorized_keys {
        words.insert("ssh_authorized_keys".to_owned(), json!(new.ssh_authorized_keys));
    }
    files(&mut words, new, now, parent.is_some())?;
    Ok((parent, Words(words)))
}

/// Say a value; none: nothing, or that the parent's goes.
fn say(words: &mut Map<String, Value>, name: &str, value: Option<Value>, has_parent: bool) {
    match value {
        Some(value) => words.insert(name.to_owned(), value),
        None if has_parent => words.insert(name.to_owned(), Value::Null),
        None => words.remove(name),
    };
}

fn files(words: &mut Map<String, Value>, new: &NewProfile, now: &Spec, has_parent: bool) -> Result<()> {
    let same = |file: &ProfileFile| {
        let as_now = |now: &str, new: &str| new.is_empty() || now == new;
        now.files.iter().any(|f| {
            f.path == file.path
                && f.mode == file.mode
                && f.content == file.content
                && (file.secret.is_none() || f.secret.as_ref().map(Name::as_str) == file.secret.as_deref())
                && (f.template || !file.template)
                && as_now(&f.owner, &file.owner)
                && as_now(&f.group, &file.group)
        })
    };
    let changed: Vec<&ProfileFile> = new.files.iter().filter(|f| !same(f)).collect();
    let gone: Vec<&str> =
        now.files.iter().map(|f| f.path.as_str()).filter(|path| new.files.iter().all(|f| f.path != *path)).collect();
    if changed.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let said = words.entry("files").or_insert_with(|| json!({}));
    let Some(said) = said.as_object_mut() else {
        return Err(Error::BadRequest(
            "files: expected words, since this profile takes all files of its parent away: see `higuma profile set -f`"
                .to_owned(),
        ));
    };
    for file in changed {
        let word = said.entry(file.path.clone()).or_insert_with(|| json!({}));
        if !word.is_object() {
            *word = json!({});
        }
        let Some(word) = word.as_object_mut() else { continue };
        let sealed = now.files.iter().any(|f| f.path == file.path && f.secret.is_some());
        match &file.secret {
            Some(secret) => {
                word.insert("secret".to_owned(), json!(secret));
                say(word, "content", None, has_parent);
            }
            // One who does not know of secrets sends the empty content back.
            None if sealed && file.content.is_empty() => {}
            None => {
                word.insert("content".to_owned(), json!(file.content));
                if sealed {
                    say(word, "secret", None, has_parent);
                }
            }
        }
        word.insert("mode".to_owned(), json!(format!("{:04o}", file.mode)));
        for (field, id) in [("owner", &file.owner), ("group", &file.group)] {
            if !id.is_empty() {
                word.insert(field.to_owned(), json!(id));
            }
        }
        if file.template {
            word.insert("template".to_owned(), json!(true));
        }
    }
    for path in gone {
        say(said, path, None, has_parent);
    }
    if said.is_empty() {
        words.remove("files");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn profile(parent: Option<&Spec>, words: Value) -> Profile {
        let words: Words = serde_json::from_value(words).unwrap();
        Profile {
            name: "p".parse().unwrap(),
            revision: 1,
            parent: parent.map(|_| "base".parse().unwrap()),
            spec: Spec::of(parent, &words).unwrap(),
            words,
            created: 0,
            made_by: String::new(),
        }
    }

    #[test]
    fn the_old_form_changes_only_what_differs() {
        let base = profile(
            None,
            json!({"image": "a:1", "cmdline": "quiet", "files": {"/a": {"content": "a", "owner": "www"}}}),
        );
        let own = json!({"files": {"/b": {"content": "b"}}, "modules": ["kvm"]});
        let present = profile(Some(&base.spec), own.clone());
        // As an old client sends it back: what it does not know is not there.
        let mut back = super::super::wire::profile(&present, 1, 1, 0).spec;
        back.files.iter_mut().for_each(|f| f.owner.clear());
        assert_eq!(said(&back, Some(&present)).unwrap(), (present.parent.clone(), present.words.clone()));
        let file = |path: &str, content: &str| ProfileFile {
            path: path.into(),
            mode: 0o600,
            content: content.into(),
            ..ProfileFile::default()
        };
        let next = NewProfile { image: "a:2".into(), cmdline: String::new(), files: vec![file("/a", "other")], ..back };
        let (parent, words) = said(&next, Some(&present)).unwrap();
        assert_eq!(parent, present.parent);
        let expected = json!({"image": "a:2", "cmdline": null, "modules": ["kvm"],
            "files": {"/a": {"content": "other", "mode": "0600"}, "/b": null}});
        assert_eq!(Value::Object(words.0.clone()), expected);
        let spec = Spec::of(Some(&base.spec), &words).unwrap();
        assert_eq!((spec.files.len(), spec.files[0].owner.as_str(), spec.modules.len()), (1, "www", 1));
    }

    #[test]
    fn one_form_at_a_time() {
        let words = Some(json!({"parent": "base", "cmdline": null}).as_object().unwrap().clone());
        let new = NewProfile { name: "p".into(), words, ..NewProfile::default() };
        let (parent, words) = said(&new, None).unwrap();
        assert_eq!((parent.unwrap().as_str(), Value::Object(words.0)), ("base", json!({"cmdline": null})));
        assert!(said(&NewProfile { image: "a:1".into(), ..new }, None).is_err());
        let none = NewProfile { name: "p".into(), ..NewProfile::default() };
        assert!(said(&none, None).unwrap_err().to_string().contains("image"));
    }
}
