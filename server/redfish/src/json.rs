//! Reading JSON that nobody promised anything about: a wrong type is the same as a missing one, texts are cut and
//! stripped of control characters. Nothing here fails.

use crate::link::Link;
use serde_json::Value;

/// Longest text that is taken over, in characters.
const LONGEST: usize = 256;
const LONGEST_MESSAGE: usize = 600;

/// The value below these keys; `Null` where there is none.
pub(crate) fn at<'a>(value: &'a Value, keys: &[&str]) -> &'a Value {
    keys.iter().fold(value, |value, key| value.get(*key).unwrap_or(&Value::Null))
}

/// A text that is not empty, cut and cleaned.
pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    let clean = clean(value.get(key)?.as_str()?, LONGEST);
    (!clean.is_empty()).then_some(clean)
}

/// A text as it is: to compare with, or to send back. Not to show.
pub(crate) fn raw<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

pub(crate) fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

pub(crate) fn whole(value: &Value, key: &str) -> Option<u64> {
    let value = value.get(key)?;
    // A few services write whole numbers as 16.0.
    value.as_u64().or_else(|| value.as_f64().filter(|n| (0.0..9e15).contains(n)).map(|n| n as u64))
}

pub(crate) fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.as_bool()
}

/// The elements of an array.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of an array; `None` where there is no array.
pub(crate) fn words<'a>(value: &'a Value, key: &str) -> Option<Vec<&'a str>> {
    Some(value.get(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The link that a property is.
pub(crate) fn link(value: &Value, key: &str) -> Option<Link> {
    own(value.get(key)?)
}

/// The links that an array is.
pub(crate) fn links(value: &Value, key: &str) -> Vec<Link> {
    list(value, key).iter().filter_map(own).collect()
}

/// The link to a resource itself.
pub(crate) fn own(value: &Value) -> Option<Link> {
    Link::parse(raw(value, "@odata.id")?)
}

/// What a service says in words: `@Message.ExtendedInfo` (DSP0266, 8.6), else its `message`, else a short plain body.
/// `secrets` are taken out before anything is cut: services repeat refused values.
pub(crate) fn message(body: &Value, secrets: &[&str]) -> String {
    let error = at(body, &["error"]);
    let infos = [at(error, &["@Message.ExtendedInfo"]), at(body, &["@Message.ExtendedInfo"])];
    let mut said: Vec<String> = Vec::new();
    let mut worded = false;
    for info in infos.into_iter().flat_map(|info| info.as_array().map_or(&[][..], Vec::as_slice)).take(4) {
        let own = raw(info, "Message").filter(|words| !words.is_empty());
        worded |= own.is_some();
        let Some(words) = own.or_else(|| raw(info, "MessageId")) else { continue };
        let mut words = scrub(words, secrets);
        if let Some(advice) = raw(info, "Resolution").filter(|advice| !advice.is_empty() && *advice != "None") {
            words = format!("{words} ({})", scrub(advice, secrets));
        }
        said.push(clean(&words, LONGEST_MESSAGE));
    }
    // "See @Message.ExtendedInfo" says nothing; a bare MessageId says less than a message.
    if let (false, Some(general)) = (worded, raw(error, "message")) {
        said.insert(0, clean(&scrub(general, secrets), LONGEST_MESSAGE));
    }
    if let (true, Some(plain)) = (said.is_empty(), body.as_str()) {
        said.push(clean(&scrub(plain, secrets), LONGEST));
    }
    if said.is_empty() { "the service gives no reason".into() } else { clean(&said.join("; "), LONGEST_MESSAGE) }
}

fn scrub(text: &str, secrets: &[&str]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

pub(crate) fn clean(text: &str, longest: usize) -> String {
    let mut chars = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clean: String = chars.by_ref().take(longest).collect();
    if chars.next().is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_types_are_missing() {
        let odd =
            json!({"a": 1, "b": "x\u{1b}[2J", "c": {"@odata.id": 7}, "d": "16", "e": -1, "f": 16.0, "g": ["x", 1]});
        assert_eq!(text(&odd, "a"), None);
        assert_eq!(text(&odd, "b").unwrap(), "x [2J");
        assert_eq!((link(&odd, "c"), links(&odd, "a"), whole(&odd, "d"), whole(&odd, "e")), (None, vec![], None, None));
        assert_eq!((whole(&odd, "f"), words(&odd, "g"), words(&odd, "a")), (Some(16), Some(vec!["x"]), None));
        for value in [json!(null), json!([]), json!("x"), json!(1)] {
            assert_eq!((text(&value, "a"), list(&value, "a").len(), own(&value)), (None, 0, None));
            assert!(!message(&value, &[]).is_empty());
        }
        assert_eq!(text(&json!({"a": "y".repeat(9000)}), "a").unwrap().chars().count(), LONGEST + 1);
    }

    #[test]
    fn messages_in_words_without_secrets() {
        let body = json!({"error": {"code": "x", "message": "See @Message.ExtendedInfo", "@Message.ExtendedInfo": [
            {"MessageId": "Base.1.0.PropertyValueFormatError", "Message": "The value hunter2 is too short", "Resolution": "None"},
            {"Message": "Second", "Resolution": "Do it again"}]}});
        assert_eq!(message(&body, &["hunter2", ""]), "The value *** is too short; Second (Do it again)");
        let bare = json!({"error": {"message": "It broke", "@Message.ExtendedInfo": [{"MessageId": "Base.1.0.GeneralError"}]}});
        assert_eq!(message(&bare, &[]), "It broke; Base.1.0.GeneralError");
        assert_eq!(message(&json!("Bad hunter2"), &["hunter2"]), "Bad ***");
        assert_eq!(message(&json!({}), &[]), "the service gives no reason");
    }
}
