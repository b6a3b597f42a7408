//! Links of a list that is filtered by a state and goes on by a cursor. Addresses only: it reads nothing.

use super::human;
use higuma_proto::api::Page;

/// Of one page of a list.
pub(super) struct Links {
    /// Word, address, and whether it is the one that is shown.
    pub states: Vec<(&'static str, String, bool)>,
    /// Back to the beginning, when this is not it.
    pub first: Option<String>,
    /// What follows.
    pub next: Option<String>,
}

impl Links {
    /// `base`: the list's own address; `state`, `cursor`: what is shown, each perhaps empty.
    pub fn new<T>(
        base: &str,
        states: impl Iterator<Item = &'static str>,
        (state, cursor): (&str, &str),
        page: &Page<T>,
    ) -> Self {
        let at = |state: &str| if state.is_empty() { base.to_owned() } else { format!("{base}?state={state}") };
        let with = |cursor: &String| {
            let state = if state.is_empty() { String::new() } else { format!("state={state}&") };
            format!("{base}?{state}cursor={}", human::url_value(cursor))
        };
        let word = |one: &'static str| (if one.is_empty() { "all" } else { one }, at(one), one == state);
        Self {
            states: std::iter::once("").chain(states).map(word).collect(),
            first: (!cursor.is_empty()).then(|| at(state)),
            next: page.next.as_ref().map(with),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_from_page_to_page() {
        let page = |next: Option<&str>| Page::<u8> { items: vec![], next: next.map(str::to_owned) };
        let links = Links::new("/jobs", ["done"].into_iter(), ("", ""), &page(Some("a b")));
        assert_eq!(links.states, [("all", "/jobs".to_owned(), true), ("done", "/jobs?state=done".to_owned(), false)]);
        assert_eq!((links.first, links.next.as_deref()), (None, Some("/jobs?cursor=a%20b")));
        let links = Links::new("/jobs", ["done"].into_iter(), ("done", "x"), &page(None));
        assert_eq!((links.first.as_deref(), links.next), (Some("/jobs?state=done"), None));
        assert!(links.states[1].2);
    }
}
