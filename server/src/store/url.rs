//! Where the database is, from its URL. Must never let a password out: not in an error, not in a log.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// The forms that [`parse`] takes, for messages.
const FORMS: &str =
    "sqlite:PATH (e.g. sqlite:/var/lib/higuma/higuma.db) or postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// Which database.
#[derive(Clone)]
pub(super) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PgUrl),
}

/// A URL that libpq understands, with what must be hidden of it. No `Debug`, on purpose.
#[derive(Clone)]
pub(super) struct PgUrl {
    url: String,
    secrets: Vec<String>,
}

impl PgUrl {
    /// For libpq alone.
    pub(super) fn reveal(&self) -> &str {
        &self.url
    }

    /// `text` (an error of libpq, say) without the password, in one line.
    pub(super) fn redact(&self, text: &str) -> String {
        let hidden = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        hidden.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Take a URL apart. Errors never repeat it.
pub(super) fn parse(url: &str) -> Result<Target> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        if path.is_empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('\0') {
            return Err(Error::BadRequest(format!(
                "database URL: expected {FORMS}, got no path of a file after sqlite:"
            )));
        }
        return Ok(Target::Sqlite(PathBuf::from(path)));
    }
    if let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) {
        return Ok(Target::Postgres(postgres(url, rest)?));
    }
    Err(Error::BadRequest(format!(
        "database URL: expected {FORMS}, got something else (not shown: it may hold a password)"
    )))
}

fn postgres(url: &str, rest: &str) -> Result<PgUrl> {
    // A raw '/', '?', '#' or '@' in a password makes libpq take a piece of it for a host or a port, and say it in its
    // error: so such a URL never gets there.
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    if tail.contains('@') || authority.matches('@').count() > 1 || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Error::BadRequest(
            "database URL: in a PostgreSQL URL write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23 and a space as %20 \
             within user name, password and parameters"
                .to_owned(),
        ));
    }
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    let in_authority =
        authority.split_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    let in_query =
        query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| key.ends_with("password"));
    let mut secrets = vec![];
    for raw in in_authority.into_iter().chain(in_query.map(|(_, value)| value)).filter(|raw| !raw.is_empty()) {
        secrets.push(raw.to_owned());
        secrets.push(percent_decoded(raw));
    }
    // The longest first, so that none leaves its rest behind.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));

    // Without these a dead network would hold a connection for minutes (libpq: seconds; milliseconds).
    let mut url = url.to_owned();
    for (key, value) in [("connect_timeout", "5"), ("tcp_user_timeout", "15000")] {
        if !query.split('&').any(|pair| pair.split('=').next() == Some(key)) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{key}={value}"));
        }
    }
    Ok(PgUrl { url, secrets })
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| hex::decode(pair).ok());
        match pair.as_deref() {
            Some([byte]) if bytes[at] == b'%' => {
                out.push(*byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn pg(url: &str) -> PgUrl {
        match parse(url) {
            Ok(Target::Postgres(pg)) => pg,
            Ok(Target::Sqlite(path)) => panic!("{path:?}"),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn forms() {
        for good in ["sqlite:a.db", "sqlite:/a/b.db", "postgres://h/d", "postgresql:///d?host=/tmp&port=5"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "a.db", "sqlite:", "sqlite::memory:", "sqlite:file:a", "mysql://u:hunter2@h/d", "postgres:u:hunter2@h"]
        {
            let err = parse(bad).err().unwrap().to_string();
            assert!(
                err.contains("sqlite:PATH") && err.contains("postgres://USER") && !err.contains("hunter2"),
                "{err}"
            );
        }
    }

    #[test]
    fn passwords_are_hidden() {
        let url = pg("postgres://u:hunter%402@h:5432/d?sslpassword=other");
        assert_eq!(url.redact("a hunter%402 b\n hunter@2 c other"), "a *** b *** c ***");
        for bad in [
            "postgres://u:hunter/2@h/d",
            "postgres://u:hunt@er@h/d",
            "postgres://u:hunter#@h/d",
            "postgres://u:hunter ?@h",
        ] {
            let err = parse(bad).err().unwrap().to_string();
            assert!(err.contains("%40") && !err.contains("hunt"), "{err}");
        }
    }

    #[test]
    fn every_connection_has_deadlines() {
        assert_eq!(pg("postgres://h/d").reveal(), "postgres://h/d?connect_timeout=5&tcp_user_timeout=15000");
        assert!(pg("postgres://h/d?connect_timeout=9").reveal().ends_with("?connect_timeout=9&tcp_user_timeout=15000"));
    }
}
