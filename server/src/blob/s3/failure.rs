//! What an S3 store said, in words that tell what to do. Codes are those of the S3 API's error responses.

use crate::blob::cache::{Failure, Reason};
use std::error::Error as _;

/// The store's words are shown up to so many characters.
const LONGEST: usize = 200;

/// `name`: where; `what`: what was not done, "read blob 12ab...".
pub(super) fn failure(name: &str, what: &str, error: &object_store::Error) -> Failure {
    let text = chain(error);
    let code = element(&text, "Code").unwrap_or_default();
    let todo = match code {
        "NoSuchBucket" => "there is no such bucket: make it, or mend blob-s3",
        "InvalidAccessKeyId" => "it does not know the access key: check blob-s3-credentials",
        "SignatureDoesNotMatch" => {
            "the secret key is not that of the access key: check blob-s3-credentials, and blob-s3-region"
        }
        "AccessDenied" => "the key pair may not do this: it needs to read, write, delete and list the bucket",
        "RequestTimeTooSkewed" => "its clock and ours differ by more than 15 minutes: set the clocks (NTP)",
        "SlowDown" | "ServiceUnavailable" | "Busy" => "it is overloaded: asked again in a moment",
        "QuotaExceeded" => "the quota of the bucket or of its user is used up: raise it, or remove images",
        _ => "",
    };
    let reason = match error {
        object_store::Error::NotFound { .. } if code != "NoSuchBucket" => Reason::NotFound,
        _ if !code.is_empty() || text.contains("status code") => Reason::Refused,
        _ => Reason::Unreachable,
    };
    let said = match (todo, element(&text, "Message")) {
        ("", Some(message)) if !code.is_empty() => format!("{code}: {message}"),
        ("", _) if !code.is_empty() => code.to_owned(),
        ("", _) => text,
        (todo, _) => format!("{code}: {todo}"),
    };
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    Failure::new(reason, format!("{name}: could not {what}: {said}"))
}

/// The error and what is behind it, each text once.
fn chain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let why = cause.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        next = cause.source();
    }
    text
}

/// Of the XML that S3 answers with.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Failure {
        failure("s3", "read", &object_store::Error::Generic { store: "S3", source: text.into() })
    }

    #[test]
    fn codes_are_explained() {
        let skewed = of("status code: 403: <Error><Code>RequestTimeTooSkewed</Code><Message>x</Message></Error>");
        assert!(skewed.message.contains("NTP") && skewed.reason == Reason::Refused, "{skewed}");
        let other = of("<Error><Code>Strange</Code><Message>of\nlate</Message></Error>");
        assert!(other.message.ends_with("could not read: Strange: of late"), "{other}");
        assert_eq!(of("error sending request: connection refused").reason, Reason::Unreachable);
        let cut = of(&format!("<Code>A</Code><Message>{}", "x".repeat(5_000)));
        assert!(cut.message.len() < 300, "{cut}");
        let missing = |code: &str| object_store::Error::NotFound {
            path: "p".into(),
            source: format!("404: <Code>{code}</Code>").into(),
        };
        assert_eq!(failure("s3", "read", &missing("NoSuchKey")).reason, Reason::NotFound);
        assert_eq!(failure("s3", "read", &missing("NoSuchBucket")).reason, Reason::Refused);
    }
}
