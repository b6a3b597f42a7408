//! What differs between two texts, line by line, for people: bounded in what comes of it, and always the same for the same
//! texts. Nothing is ever patched by it.

use similar::TextDiff;
use std::borrow::Cow;
use std::fmt::{Display, Write as _};

/// Lines around a change.
const CONTEXT: usize = 2;
/// Lines told, at most.
pub const LINES_MAX: usize = 400;
/// Bytes of a line told, at most.
const LINE_MAX: usize = 1_000;
/// Bytes told; the last line may go over it.
pub const BYTES_MAX: usize = 16_384;

/// As `diff -u` tells it, without the names of files; empty: they are the same.
pub fn unified(old: &str, new: &str) -> String {
    let mut told = Told::default();
    if old == new {
        return told.text;
    }
    let diff = TextDiff::from_lines(old, new);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        told.line("", &hunk.header().to_string());
        for change in hunk.iter_changes() {
            let line = change.value();
            told.line(change.tag(), line.strip_suffix('\n').unwrap_or(line));
            if change.missing_newline() {
                told.line("", "\\ No newline at end of file");
            }
        }
    }
    if told.left_out > 0 {
        let _ = writeln!(told.text, "… (cut: {} lines more)", told.left_out);
    }
    told.text
}

/// The beginning of a text, with a word that says how much is left out.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (told, left) = text.split_at(end);
    Cow::Owned(format!("{told}… (cut: {} bytes more)", left.len()))
}

#[derive(Default)]
struct Told {
    text: String,
    lines: usize,
    left_out: usize,
}

impl Told {
    fn line(&mut self, sign: impl Display, line: &str) {
        if self.lines >= LINES_MAX || self.text.len() >= BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        let _ = writeln!(self.text, "{sign}{}", cut(line, LINE_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_change_far_down_is_told_with_what_is_around_it() {
        let lines = |n: usize| (1..=n).map(|n| format!("line {n}\n")).collect::<String>();
        let old = lines(5_000);
        let new = old.replace("line 4000\n", "line four thousand\nand more\n");
        assert_eq!(
            unified(&old, &new),
            "@@ -3998,5 +3998,6 @@\n line 3998\n line 3999\n-line 4000\n+line four thousand\n+and more\n line 4001\n \
             line 4002\n"
        );
        assert_eq!(unified("a\n", "a"), "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
        assert_eq!(unified(&old, &old), "");
    }

    #[test]
    fn what_is_told_is_bounded_and_says_so() {
        let many = |word: &str| (0..2_000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let told = unified(&many("a"), &many("b"));
        assert_eq!(told.lines().count(), LINES_MAX + 1, "{told}");
        assert!(told.ends_with("lines more)\n"), "{told}");
        let long = unified("x\n", &format!("{}\ny\n", "ä".repeat(100_000)));
        assert!(long.len() < BYTES_MAX && long.contains("… (cut: 199000 bytes more)\n+y\n"), "{long}");
        assert_eq!(cut("äb", 1), "… (cut: 3 bytes more)");
        assert_eq!(cut("äb", 3), "äb");
    }

    proptest! {
        #[test]
        fn lines_that_go_and_come_add_up(old in vec("[ab]{0,2}", 0..60), new in vec("[ab]{0,2}", 0..60)) {
            let (old, new) = (old.join("\n"), new.join("\n"));
            let told = unified(&old, &new);
            prop_assert_eq!(told.is_empty(), old == new);
            let count = |sign: char| told.lines().filter(|line| line.starts_with(sign)).count();
            let lines = |text: &str| text.split_inclusive('\n').count();
            prop_assert_eq!(lines(&old) + count('+'), lines(&new) + count('-'));
        }

        #[test]
        fn no_text_is_too_odd(old in ".{0,200}", new in "(.|\r|\n){0,200}") {
            prop_assert!(unified(&old, &new).len() <= BYTES_MAX + LINE_MAX + 200);
        }
    }
}
