//! Names of images in registries: `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, with the defaults that people know from
//! Docker (`debian:12` is docker.io/library/debian:12). Source: distribution-spec, "Pulling manifests".

use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use std::fmt;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// With a port, if one was given.
    pub host: String,
    /// E.g. `library/debian`.
    pub repository: String,
    /// `latest` when neither tag nor digest was given.
    pub tag: Option<String>,
    /// Of the manifest or index.
    pub digest: Option<Digest>,
}

impl Reference {
    /// # Errors
    /// [`Error::Usage`].
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::Usage(format!(
                "expected an image like debian:12, registry.example:5000/team/os:7 or NAME@sha256:..., got {:?}",
                shown(text.as_bytes())
            ))
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).map_err(|_| bad())?)),
            None => (text, None),
        };
        let (host, rest) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => ("docker.io", name),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let host_ok = !host.is_empty()
            && host.len() <= 255
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        let part_ok = |part: &str| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
                && !part.contains("..")
        };
        let tag_ok = |tag: &str| {
            (1..=128).contains(&tag.len())
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
                && !tag.starts_with(['.', '-'])
        };
        if !host_ok || repository.len() > 255 || !repository.split('/').all(part_ok) || !tag.is_none_or(tag_ok) {
            return Err(bad());
        }
        let repository = match host == "docker.io" && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository.into(),
        };
        let tag = tag.map(String::from).or_else(|| digest.is_none().then(|| "latest".into()));
        Ok(Self { host: host.into(), repository, tag, digest })
    }

    /// What the registry is asked for: the digest, which cannot be moved, before the tag.
    pub(crate) fn wanted(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self.tag.clone().unwrap_or_default(),
        }
    }

    /// Host and port that are spoken to: Docker's own registry has another name than its images.
    pub(crate) fn endpoint(&self) -> &str {
        match self.host.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            host => host,
        }
    }

    /// Is it this machine itself?
    pub(crate) fn is_loopback(&self) -> bool {
        let host = match self.host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, whole) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("debian:12", "docker.io/library/debian:12".into()),
            ("team/os", "docker.io/team/os:latest".into()),
            ("localhost/os:1", "localhost/os:1".into()),
            ("registry.example:5000/a/b_c:V1.2", "registry.example:5000/a/b_c:V1.2".into()),
            (&format!("quay.io/x/y@{digest}"), format!("quay.io/x/y@{digest}")),
            (&format!("quay.io/x/y:3@{digest}"), format!("quay.io/x/y:3@{digest}")),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), whole);
        }
        for bad in [
            "",
            "Debian",
            "a b",
            "a/../b",
            "x:",
            "x:.t",
            "h.example/",
            "x@sha256:12",
            "http://x/y",
            "u:p@h.example/x",
            "-x",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        for (text, loopback) in
            [("localhost:5000/x", true), ("127.0.0.1/x", true), ("[::1]:5000/x", true), ("10.0.0.1:5000/x", false)]
        {
            assert_eq!(Reference::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
