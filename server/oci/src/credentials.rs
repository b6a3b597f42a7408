//! Name and password for a registry: out of a file, standard input, or what `docker login` keeps. Never from a command
//! line; never printed.

use crate::error::{Error, Result};
use base64::Engine;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {:?}", self.user)
    }
}

/// `config.json` of Docker; other fields are nobody's business here.
#[derive(Deserialize)]
struct Docker {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default, deserialize_with = "secret")]
    auth: Zeroizing<String>,
}

/// For fields that are wiped.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl Credentials {
    /// `USER:PASSWORD` in the first line, or a `config.json` of Docker that has the host.
    ///
    /// # Errors
    /// [`Error::Usage`]; the text is not in it.
    pub fn read(text: &str, host: &str) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            return Self::docker(text, host)?.ok_or_else(|| {
                Error::Usage(format!(
                    "expected credentials of {host} in `auths` of the credentials' file, there are none"
                ))
            });
        }
        Self::pair(text.lines().next().unwrap_or_default())
            .ok_or_else(|| Error::Usage("expected USER:PASSWORD in the first line of the credentials' file".into()))
    }

    /// Those that `docker login` kept in this folder for a host; none where there is no such file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a file that is there and cannot be read.
    pub fn of_docker(folder: &Path, host: &str) -> Result<Option<Self>> {
        let path = folder.join("config.json");
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Self::docker(&text, host),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(Error::Usage(format!("could not read {}: {e}", path.display()))),
        }
    }

    fn docker(text: &str, host: &str) -> Result<Option<Self>> {
        let file: Docker = serde_json::from_str(text).map_err(|e| {
            // Its own words may quote what is in the file.
            let (line, column) = (e.line(), e.column());
            Error::Usage(format!(
                "expected Docker's config.json with `auths`, it breaks off at line {line}, column {column}"
            ))
        })?;
        let keys: &[&str] = match host {
            "docker.io" | "index.docker.io" => &["https://index.docker.io/v1/", "docker.io", "index.docker.io"],
            host => &[host],
        };
        for key in keys {
            let plain = [(*key).to_owned(), format!("https://{key}")];
            if let Some(entry) = plain.iter().find_map(|key| file.auths.get(key)).filter(|entry| !entry.auth.is_empty())
            {
                let bytes = base64::engine::general_purpose::STANDARD.decode(entry.auth.as_bytes()).map(Zeroizing::new);
                let text = bytes.ok().and_then(|b| String::from_utf8(b.to_vec()).ok()).map(Zeroizing::new);
                let pair = text.and_then(|text| Self::pair(text.trim_end_matches('\0')));
                return pair
                    .map(Some)
                    .ok_or_else(|| Error::Usage(format!("the credentials of {host} are not USER:PASSWORD in base64")));
            }
        }
        Ok(None)
    }

    fn pair(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':')?;
        let good = !user.is_empty() && !password.is_empty() && !text.contains(char::is_control);
        good.then(|| Self { user: user.into(), password: Zeroizing::new(password.into()) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn from_a_file() {
        let got = Credentials::read("me:se:cret\n", "r.example").unwrap();
        assert_eq!((got.user.as_str(), got.password.as_str()), ("me", "se:cret"));
        assert!(!format!("{got:?}").contains("cret"));
        for bad in ["", "me", ":x", "me:\n"] {
            assert!(Credentials::read(bad, "r.example").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn from_docker() {
        // "me:secret"
        let text = r#"{"auths":{"r.example:5000":{"auth":"bWU6c2VjcmV0"},"https://index.docker.io/v1/":{"auth":"bWU6c2VjcmV0"},
            "bad.example":{"auth":"bWU"},"empty.example":{}},"credsStore":"x"}"#;
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Credentials::of_docker(dir.path(), "r.example:5000").unwrap(), None);
        std::fs::write(dir.path().join("config.json"), text).unwrap();
        let of = |host| Credentials::of_docker(dir.path(), host);
        for host in ["r.example:5000", "docker.io"] {
            assert_eq!(of(host).unwrap().unwrap().password.as_str(), "secret", "{host}");
        }
        assert!(of("other.example").unwrap().is_none() && of("empty.example").unwrap().is_none());
        assert!(of("bad.example").unwrap_err().to_string().contains("base64"));
        assert!(Credentials::read(text, "other.example").is_err());
        let error = Credentials::read("{\"auths\":{\"x\":{\"auth\":\"bWU6c2VjcmV0\"", "x").unwrap_err();
        assert!(!error.to_string().contains("bWU6"), "{error}");
    }
}
