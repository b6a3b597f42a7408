//! One difference of plans, profiles or rules as lines for a terminal: what `diff -u` would say where there is that, else old
//! and new. What is cut says so.

use super::output::clean_lines;
use higuma_proto::api::PlanDifference;
use std::fmt::Write as _;

/// Lines of a value shown; a difference line by line comes bounded from the server.
const LINES: usize = 20;

/// The lines, each after `indent`; what differs is told by the caller.
pub(super) fn lines(difference: &PlanDifference, indent: &str) -> String {
    let mut text = String::new();
    if let Some(lines) = &difference.lines {
        for line in lines.split_terminator('\n') {
            let _ = writeln!(text, "{indent}{}", clean_lines(line));
        }
        return text;
    }
    for (sign, value) in [('-', &difference.old), ('+', &difference.new)] {
        let Some(value) = value else { continue };
        for line in value.lines().take(LINES) {
            let _ = writeln!(text, "{indent}{sign} {}", clean_lines(line));
        }
        let more = value.lines().count().saturating_sub(LINES);
        if more > 0 {
            let _ = writeln!(text, "{indent}{sign} … ({more} lines more: -o json)");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_where_there_are_some_else_old_and_new() {
        let lined = PlanDifference {
            what: "files /a content".into(),
            old: Some("not shown".into()),
            new: Some("not shown".into()),
            lines: Some("@@ -1 +1 @@\n-a\tb\u{1b}\n+c\r\n".into()),
        };
        assert_eq!(lines(&lined, "  "), "  @@ -1 +1 @@\n  -a\tb?\n  +c?\n");
        let plain = PlanDifference { what: "x".into(), old: None, new: Some("l\n".repeat(22)), lines: None };
        let told = lines(&plain, "");
        assert!(told.starts_with("+ l\n") && told.ends_with("+ l\n+ … (2 lines more: -o json)\n"), "{told}");
    }
}
