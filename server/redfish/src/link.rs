//! Paths of resources on the service. A link out of an answer becomes one only when it stays below `/redfish/` of the
//! same service: never another host, however it is written.

use reqwest::Url;
use std::fmt;

/// A path (with a query, perhaps) below `/redfish/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Link(String);

/// Longest path that is followed.
const LONGEST: usize = 1024;

impl Link {
    /// Where every service starts (DSP0266, 6.2).
    pub(crate) fn root() -> Self {
        Self("/redfish/v1/".into())
    }

    /// A path as it stands in `@odata.id`. A fragment (a place inside of the resource) is cut off.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let path = text.split('#').next().unwrap_or_default();
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
        let (before, _) = path.split_once('?').unwrap_or((path, ""));
        let mut steps = before.split('/').skip(1);
        let climbs =
            steps.clone().any(|step| matches!(step.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
        (path.len() <= LONGEST && plain && path.starts_with('/') && steps.next() == Some("redfish") && !climbs)
            .then(|| Self(path.to_owned()))
    }

    /// A `Location` header: a path, or a whole URL of the same service.
    pub(crate) fn location(text: &str, origin: &Url) -> Option<Self> {
        if text.starts_with('/') {
            return Self::parse(text);
        }
        let url = Url::parse(text).ok()?;
        if url.origin() != origin.origin() {
            return None;
        }
        match url.query() {
            Some(query) => Self::parse(&format!("{}?{query}", url.path())),
            None => Self::parse(url.path()),
        }
    }

    /// With a query, unless it has one.
    pub(crate) fn query(&self, query: &str) -> Self {
        if self.0.contains('?') { self.clone() } else { Self(format!("{}?{query}", self.0)) }
    }

    /// As a URL of that service.
    pub(crate) fn url(&self, origin: &Url) -> Option<Url> {
        origin.join(&self.0).ok().filter(|url| url.origin() == origin.origin())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same resource, slash at the end or not.
    pub(crate) fn same(&self, other: &str) -> bool {
        self.0.trim_end_matches('/') == other.trim_end_matches('/')
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_paths_of_this_service() {
        for good in ["/redfish/v1", "/redfish/v1/Systems/1?$skip=50", "/redfish/v1/Chassis/1/Sensors/a%20b"] {
            assert_eq!(Link::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(
            Link::parse("/redfish/v1/Chassis/1/Thermal#/Fans/0").unwrap().as_str(),
            "/redfish/v1/Chassis/1/Thermal"
        );
        for bad in [
            "",
            "redfish/v1",
            "//evil/redfish/v1",
            "/\\evil/redfish",
            "/\t/evil",
            "https://evil/redfish/v1",
            "/redfish/../secret",
            "/redfish/v1/%2E%2e/%2e./x",
            "/other",
            "/redfishes/x",
            "/redfish/v1/a b",
            "/redfish/v1/\r\nHost: evil",
            &format!("/redfish/{}", "x".repeat(2000)),
        ] {
            assert_eq!(Link::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_location_is_of_the_same_service() {
        let origin = Url::parse("https://bmc:8443").unwrap();
        let location = |text| Link::location(text, &origin).map(|link| link.0);
        assert_eq!(location("https://bmc:8443/redfish/v1/x?y=1").unwrap(), "/redfish/v1/x?y=1");
        assert_eq!(location("/redfish/v1/x").unwrap(), "/redfish/v1/x");
        for bad in [
            "https://bmc/redfish/v1/x",
            "http://bmc:8443/redfish/v1/x",
            "https://evil:8443/redfish/v1",
            "x",
            "file:///redfish",
        ] {
            assert_eq!(location(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_taken_stays_below_redfish(text in "(/|//|https://)?(redfish|evil)?[/.%2e\\\\?#a@:\\t\\PC]{0,40}") {
            let origin = Url::parse("https://bmc:8443").unwrap();
            for link in [Link::parse(&text), Link::location(&text, &origin), Link::parse(&format!("/redfish/{text}"))] {
                let Some(link) = link else { continue };
                let url = link.query("a=b").url(&origin).unwrap();
                assert_eq!(url.origin(), origin.origin());
                assert!(url.path().starts_with("/redfish"), "{url}");
            }
        }
    }
}
