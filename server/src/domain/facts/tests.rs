#![allow(clippy::unwrap_used)]
//! The table of fields is what the values are, and what the book says.

use super::*;

#[test]
fn the_book_has_every_field() {
    let page = include_str!("../../../../docs/src/search.md");
    let table = markdown();
    assert!(page.contains(&table), "docs/src/search.md: expected this table\n{table}");
}

#[test]
fn every_field_of_the_table_has_a_value() {
    fn walk(path: &str, kind: &Kind, record: &dyn Record) {
        for field in kind.fields() {
            assert!(record.get(field.name).is_some(), "{path}.{}", field.name);
            assert!(field.doc.trim().len() > 3, "{path}.{}", field.name);
        }
        assert!(record.get("no such field").is_none());
    }
    walk("node", &NODE, &Facts::default());
    walk("node.nics[]", &Nic::KIND, &Nic::default());
    walk("node.memory", &Memory::KIND, &Memory::default());
    let names: Vec<_> = NODE.fields().map(|f| f.name).collect();
    assert!(names.iter().all(|name| names.iter().filter(|n| *n == name).count() == 1), "{names:?}");
}

#[test]
fn stored_facts_are_small_and_may_lack_fields() {
    assert_eq!(serde_json::to_string(&Hardware::default()).unwrap(), "{}");
    let old: Hardware = serde_json::from_str(r#"{"nics":[{"name":"eth0"}],"gone":1}"#).unwrap();
    assert_eq!((old.nics[0].name.as_str(), old.nics[0].max_speed), ("eth0", 0));
}
