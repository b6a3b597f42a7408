//! What a template may hold, told from its text before it is compiled. The interpreter counts steps, not bytes: a template
//! that doubles a text forty times takes few steps and all memory. So everything by which a text could grow from step to
//! step is refused: binding names but by `for`, multiplying, joining texts with `~`, lists made in a `for`.

/// Tags that a template may hold.
const TAGS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// `+` in one tag or expression, at most: of numbers nobody needs more, of texts more could be too much.
const PLUS_MAX: usize = 8;

/// Check a template's text. Errors: the line, and what is wrong with it.
pub fn guard(source: &str) -> Result<(), (usize, String)> {
    let mut rest = source;
    loop {
        let Some(begin) = rest.find('{') else { return Ok(()) };
        let after = rest.get(begin + 1..).unwrap_or_default();
        let line = source[..source.len() - rest.len() + begin].matches('\n').count() + 1;
        let wrong = |text: String| Err((line, text));
        rest = match after.chars().next() {
            Some('#') => match after.find("#}") {
                Some(end) => &after[end + 2..],
                None => return wrong("a comment {# without its end #}".to_owned()),
            },
            Some(kind @ ('{' | '%')) => {
                let (inside, following) = match split(&after[1..], if kind == '{' { "}}" } else { "%}" }) {
                    Some(found) => found,
                    None => return wrong(format!("{{{kind} without its end")),
                };
                check(inside, kind == '%').or_else(wrong)?;
                following
            }
            _ => after,
        };
    }
}

/// The inside up to `end`, which does not count within quotes; and what follows it.
fn split<'s>(text: &'s str, end: &str) -> Option<(&'s str, &'s str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if text[at..].starts_with(end) => return Some((&text[..at], &text[at + end.len()..])),
            None => {}
        }
    }
    None
}

fn check(inside: &str, tag: bool) -> Result<(), String> {
    let code = without_quoted(inside);
    let words = code.trim_start_matches(['-', '+']).trim_start();
    let word: String = words.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if tag && !TAGS.contains(&word.as_str()) {
        return Err(format!("the tag {word:?}: a template may hold {} alone", TAGS.join(", ")));
    }
    if let Some(c) = words.chars().find(|c| matches!(c, '*' | '~' | '{' | '}')) {
        return Err(format!(
            "{c:?}: a template may not multiply, join with '~' (write {{{{ a }}}}{{{{ b }}}}), or make maps"
        ));
    }
    let pluses = words.matches('+').count();
    if pluses > PLUS_MAX {
        return Err(format!("over {PLUS_MAX} times '+' in one expression"));
    }
    if tag && word == "for" {
        let over = words.split_once(" in ").map_or(words, |(_, over)| over);
        // A '+' at the end belongs to the tag: it keeps white space.
        if over.trim_end_matches('+').contains(['+', ',']) {
            return Err("'+' and ',' after the `in` of a `for`".to_owned());
        }
    }
    Ok(())
}

/// The code with quoted texts left out.
fn without_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut escaped = false;
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_grows_is_refused_and_plain_text_is_not() {
        for good in [
            "",
            "{",
            "a { b } ${x} {% if a.b[0] == 'x*{{' %}y{%- endif -%}",
            "{# set * #}{{ a | default('~') }}",
            "{% for k, v in a|items %}{{ k }}{{ loop.index + 1 }}{% endfor %}",
            "{% for a in b -%}{% endfor +%}",
            "a * b ~ {c}",
        ] {
            assert_eq!(guard(good), Ok(()), "{good:?}");
        }
        for (bad, line) in [
            ("\n{% set a = 1 %}", 2),
            ("{%- set a %}x{% endset %}", 1),
            ("{%+ with a = 1 %}{% endwith %}", 1),
            ("{% raw %}{% endraw %}", 1),
            ("{% include 'x' %}", 1),
            ("{% macro m() %}{% endmacro %}", 1),
            ("{% filter upper %}{% endfilter %}", 1),
            ("{% %}", 1),
            ("a\nb\n{{ 'x' * 9 }}", 3),
            ("{{ a ~ a }}", 1),
            ("{# ' #}{{ 'x' * 9 }}{# ' #}", 1),
            ("{{ 'a\\'' * 9 }}", 1),
            ("{% for a in [b, b] %}{% endfor %}", 1),
            ("{% for a in b + b %}{% endfor %}", 1),
            ("{{ a", 1),
            ("{# a", 1),
            ("{{ 'a }}", 1),
            ("{{ 1+1+1+1+1+1+1+1+1+1 }}", 1),
        ] {
            assert_eq!(guard(bad).map_err(|(line, _)| line), Err(line), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[{}%#'\"\\\\ü\n*a ]{0,60}") {
            let _ = guard(&text);
        }
    }
}
