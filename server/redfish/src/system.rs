//! The systems of a service, and the one that is meant.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::wire::Answer;
use serde::Serialize;

/// Most systems of one service that are looked at.
const MOST: usize = 256;

/// One computer system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemEntry {
    /// Its path, which can be set as [`crate::Target::system`].
    pub path: String,
    /// `Id`.
    pub id: Option<String>,
    /// `Name`.
    pub name: Option<String>,
    /// SMBIOS UUID, in lower case.
    pub uuid: Option<String>,
}

impl SystemEntry {
    fn is(&self, wish: &str) -> bool {
        let path = Link::parse(&self.path).is_some_and(|path| path.same(wish));
        let uuid = self.uuid.as_ref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(wish));
        path || uuid || self.id.as_deref() == Some(wish)
    }
}

impl Client {
    /// All systems of this service.
    pub async fn systems(&self) -> Result<Vec<SystemEntry>, RedfishError> {
        self.within("the list of systems", async {
            let collection = json::link(&self.root, "Systems")
                .ok_or_else(|| RedfishError::NotSupported("systems (the service root has no link to them)".into()))?;
            // One that cannot be read may be the one that is meant: no choice is made among the others.
            let mut problems = Vec::new();
            let found = self.resources(&collection, MOST, &mut problems).await?;
            if let Some(problem) = problems.pop() {
                return Err(RedfishError::malformed(format!("GET {collection}"), problem));
            }
            let entry = |(link, value): &(Link, serde_json::Value)| SystemEntry {
                path: link.to_string(),
                id: json::text(value, "Id"),
                name: json::text(value, "Name"),
                uuid: json::text(value, "UUID").map(|uuid| uuid.to_ascii_lowercase()),
            };
            Ok(found.iter().map(entry).collect())
        })
        .await
    }

    /// The path of the one that is meant; looked for once.
    pub(crate) async fn system_link(&self) -> Result<&Link, RedfishError> {
        self.chosen.get_or_try_init(|| self.choose()).await
    }

    async fn choose(&self) -> Result<Link, RedfishError> {
        if let Some(link) = self.wish.as_deref().and_then(Link::parse) {
            return Ok(link);
        }
        let systems = self.systems().await?;
        let mut fit: Vec<&SystemEntry> =
            systems.iter().filter(|system| self.wish.as_ref().is_none_or(|wish| system.is(wish))).collect();
        let one = fit.pop().filter(|_| fit.is_empty()).and_then(|system| Link::parse(&system.path));
        if let Some(link) = one {
            return Ok(link);
        }
        if systems.is_empty() {
            return Err(RedfishError::NotSupported("systems (the list of them is empty)".into()));
        }
        let why = match &self.wish {
            Some(wish) => {
                format!("not exactly one of {} systems of the service is {:?}", systems.len(), json::clean(wish, 128))
            }
            None => format!("the service has {} systems and none is chosen", systems.len()),
        };
        let tell =
            |system: &SystemEntry| format!("{} (UUID {})", system.path, system.uuid.as_deref().unwrap_or("unknown"));
        Err(RedfishError::WhichSystem { why, found: systems.iter().take(32).map(tell).collect() })
    }

    /// The system that is meant, as it is now.
    pub(crate) async fn system(&self) -> Result<(&Link, Answer), RedfishError> {
        let link = self.system_link().await?;
        Ok((link, self.get(link).await?))
    }
}
