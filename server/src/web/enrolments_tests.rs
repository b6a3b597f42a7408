//! The page of enrolments as it is rendered: what can be done with each, and that nothing is taken for markup.
#![allow(clippy::unwrap_used)]

use super::*;

fn enrolment(state: &str) -> Enrolment {
    let json = serde_json::json!({ "id": "e1", "batch": "b", "address": "10.0.8.1", "port": null, "protocol": "auto",
        "driver": "ipmi", "user": "ADMIN", "name": "<b>web", "cluster": "", "profile": "hv", "uefi": false,
        "restart": false, "state": state, "held": false, "reason": "<i>why", "system_uuids": [], "mac": "",
        "firmware": "", "power": "on", "node": null, "attempts": 0, "next_us": null, "who": "ana", "made_us": 1,
        "changed_us": 1 });
    serde_json::from_value(json).unwrap()
}

fn render(items: Vec<Enrolment>, outcome: Outcome) -> String {
    let counts = EnrolmentCounts { total: 7, failed: 2, ..EnrolmentCounts::default() };
    let query = EnrolmentsQuery { state: "failed".into(), ..EnrolmentsQuery::default() };
    let page = Page { items, next: Some("e1".into()) };
    EnrolmentsPage::new(Shell::bare("E"), &query, &counts, page, outcome, 1).render().unwrap()
}

#[test]
fn a_list_with_states_and_what_can_be_done() {
    let body = render(vec![enrolment("failed"), enrolment("matched")], Outcome::default());
    for text in ["failed 2", "all 7", "10.0.8.1", "&#60;i&#62;why", "cursor=e1", "value=\"retry\"", "aria-current"] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert_eq!(body.matches("value=\"retry\"").count(), 1, "a matched one is done");
    assert_eq!(body.matches("<form method=\"post\" action=\"/enrolments/").count(), 1, "nothing to press, no form");
    assert!(!body.contains("<b>web") && !body.contains("<i>why") && !body.contains("style="), "{body}");
}

#[test]
fn one_that_waits_for_a_person_says_so_and_the_list_is_kept_up_to_date_without_the_form() {
    let held = Enrolment { held: true, ..enrolment("identified") };
    let counts = EnrolmentCounts { total: 2, identified: 1, held: 1, ..EnrolmentCounts::default() };
    let list = Page { items: vec![held, enrolment("contacting")], next: None };
    let shell = Shell { at: "/enrolments".into(), person: Some("ana".into()), ..Shell::bare("E") };
    let page = EnrolmentsPage::new(shell, &EnrolmentsQuery::default(), &counts, list, Outcome::default(), 1);
    let body = page.render().unwrap();
    for text in [
        "identified 2 (1 for a person)",
        "identified, for a person",
        "value=\"restart\"",
        "<a href=\"/enrolments\" aria-current=\"page\">Enrol</a> <a href=\"/rules\">Rules</a>",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert_eq!(body.matches("aria-current=\"page\"").count(), 1, "{body}");
    let live = page.as_live().render().unwrap();
    assert!(live.contains("10.0.8.1") && !live.contains("<html") && !live.contains("<textarea"), "{live}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_line() {
    let errors = vec!["line 3: <x>".to_owned(), "line 4: no".to_owned()];
    let body = render(vec![], Outcome { errors, ..Outcome::default() });
    assert!(
        body.contains("line 3: &#60;x&#62;") && body.contains("line 4: no") && body.contains("role=\"alert\""),
        "{body}"
    );
    let body = render(vec![], Outcome { checked: Some("The file fits".into()), ..Outcome::default() });
    assert!(body.contains("The file fits"), "{body}");
}

#[test]
fn what_a_button_did_not_do_is_said_above_the_list() {
    let why = "a server works on it now, until <x>".to_owned();
    let body = render(vec![enrolment("booting")], Outcome { refused: Some(why), ..Outcome::default() });
    let (said, list) = (body.find("until &#60;x&#62;").unwrap(), body.find("10.0.8.1").unwrap());
    assert!(said < list && body.contains("role=\"alert\""), "{body}");
    assert!(!body.contains("data-live"), "its address gives no page of its own");
    assert!(render(vec![], Outcome::default()).contains("data-live"));
}
