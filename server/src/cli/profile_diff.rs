//! `higuma profile diff`: what differs between two revisions, as the server compared them.

use super::client::{Client, encode};
use super::error::Result;
use super::output::{self, answer};
use super::{Global, difference};
use higuma_proto::api::{DiffedRevision, PlanDifference, ProfileDiff};
use std::fmt::Write as _;

pub(super) fn show(global: &Global, name: &str, from: Option<&str>, to: Option<&str>) -> Result<()> {
    let given = [("from", from), ("to", to)].into_iter().filter_map(|(key, value)| Some((key, value?)));
    let query: Vec<String> = given.map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let value = Client::new(global)?.get(&format!("/api/v1/profiles/{}/diff{query}", encode(name)))?;
    answer(global.format, value, |diff: ProfileDiff| text(&diff, output::now_us()))
}

fn text(diff: &ProfileDiff, now: i64) -> String {
    let (from, to) = (&diff.from, &diff.to);
    let mut text =
        output::fields(&[("Profile", diff.profile.clone()), ("From", revision(from, now)), ("To", revision(to, now))]);
    let beyond = diff.beyond_words();
    if from.revision == to.revision {
        let (name, number) = (output::clean(&diff.profile), to.revision);
        let _ = match number.checked_sub(1).filter(|before| *before > 0) {
            Some(before) => writeln!(
                text,
                "\nThat is one and the same. To compare it with the one before: higuma profile diff {name} {before} {number}"
            ),
            None => writeln!(text, "\nThat is one and the same, and the first of all."),
        };
    } else if diff.words.is_empty() && beyond.is_empty() {
        text += "\nNothing differs.\n";
    }
    section(&mut text, "Its own words", diff.words.iter());
    section(&mut text, "The whole, with what its parents said then, beyond that", beyond.into_iter());
    if diff.more {
        text += "\nThere are more differences than are told.\n";
    }
    text
}

fn section<'a>(text: &mut String, title: &str, differences: impl Iterator<Item = &'a PlanDifference>) {
    for (n, one) in differences.enumerate() {
        if n == 0 {
            let _ = writeln!(text, "\n{title}:");
        }
        let _ = writeln!(text, "\n  {}", output::clean(&one.what));
        text.push_str(&difference::lines(one, "    "));
    }
}

fn revision(revision: &DiffedRevision, now: i64) -> String {
    let active = if revision.active { " (active)" } else { "" };
    let by = if revision.made_by.is_empty() { String::new() } else { format!(" by {}", revision.made_by) };
    format!("revision {}{active}, made {}{by}", revision.revision, output::ago(revision.created_us, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(revision: u32, parent: Option<&str>) -> DiffedRevision {
        DiffedRevision {
            revision,
            active: revision == 1,
            image: String::new(),
            parent: parent.map(str::to_owned),
            created_us: 0,
            made_by: "person ann".into(),
        }
    }

    fn change(what: &str, old: &str, new: &str) -> PlanDifference {
        PlanDifference { what: what.into(), old: Some(old.into()), new: Some(new.into()), lines: None }
    }

    #[test]
    fn own_words_and_the_whole_are_told_apart() {
        let own = change("cmdline", "quiet", "debug");
        let mut diff = ProfileDiff {
            profile: "web".into(),
            from: of(1, Some("base")),
            to: of(2, Some("base")),
            words: vec![own.clone()],
            whole: vec![own, change("params ntp", "a", "b")],
            more: false,
        };
        assert_eq!(
            text(&diff, 0),
            "Profile:  web\nFrom:     revision 1 (active), made now by person ann\nTo:       revision 2, made now by person ann\n\
             \nIts own words:\n\n  cmdline\n    - quiet\n    + debug\n\
             \nThe whole, with what its parents said then, beyond that:\n\n  params ntp\n    - a\n    + b\n"
        );
        (diff.from.parent, diff.to.parent) = (None, None);
        assert!(!text(&diff, 0).contains("The whole"), "it is its words");
        diff.words.clear();
        assert!(text(&diff, 0).ends_with("\nNothing differs.\n"));
        diff.from = of(2, None);
        assert!(text(&diff, 0).contains("higuma profile diff web 1 2"));
    }
}
