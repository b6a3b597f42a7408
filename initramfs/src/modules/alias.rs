//! Patterns of modules.alias, found fast: a machine asks some hundred times in tens of thousands of patterns. They are
//! kept by their literal start (`pci:v00008086`), so that a question looks at one vendor's patterns. Never fails: a
//! pattern that makes no sense matches only itself.

use std::collections::HashMap;

/// Length of the literal start that patterns are kept by: `pci:v00008086` has 13 bytes.
const KEY: usize = 13;

/// The patterns with the module each names.
#[derive(Debug, Default)]
pub(super) struct AliasTable {
    by_start: HashMap<String, Vec<usize>>,
    all: Vec<(String, String)>,
}

impl AliasTable {
    pub(super) fn insert(&mut self, pattern: &str, module: &str) {
        let pattern = normalise(pattern);
        let literal = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
        let key = start(&pattern, literal.min(KEY)).to_owned();
        self.by_start.entry(key).or_default().push(self.all.len());
        self.all.push((pattern, module.to_owned()));
    }

    pub(super) fn matching(&self, modalias: &str) -> Vec<&str> {
        let modalias = normalise(modalias);
        let mut found = Vec::new();
        for length in (0..=KEY.min(modalias.len())).filter(|length| modalias.is_char_boundary(*length)) {
            for at in self.by_start.get(&modalias[..length]).map(Vec::as_slice).unwrap_or_default() {
                let (pattern, module) = &self.all[*at];
                if glob(pattern, &modalias) {
                    found.push(module.as_str());
                }
            }
        }
        found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|(pattern, module)| (pattern.as_str(), module.as_str()))
    }
}

/// The first `length` bytes, less if that would cut a character.
fn start(text: &str, mut length: usize) -> &str {
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

/// As kmod does it: `-` is `_`, but not inside brackets, where it makes a range.
fn normalise(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|c| match c {
            '[' => {
                inside = true;
                c
            }
            ']' => {
                inside = false;
                c
            }
            '-' if !inside => '_',
            _ => c,
        })
        .collect()
}

/// fnmatch(3) without flags or escapes: `*`, `?`, `[a-z]`, `[!a]`. Takes time in proportion to the product of the lengths
/// at worst.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and how much of the text it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => match bracket(&pattern[p..], text[t]) {
                Some((true, length)) => Some(p + length),
                Some((false, _)) => None,
                None => (text[t] == b'[').then_some(p + 1),
            },
            Some(c) if *c == text[t] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((at, swallowed))) => {
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Does the byte belong to the set at the start of the pattern, and how long is the set? None without a closing bracket.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    // A closing bracket in first place is a member.
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|c| *c == b']')?;
    let set = &pattern[first..end];
    let (mut at, mut found) = (0, false);
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= set[at] == byte;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}
