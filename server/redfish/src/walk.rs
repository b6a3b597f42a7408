//! Collections (DSP0266, 9.5): members page by page, references fetched one by one, or all in one answer where the
//! service offers `$expand`. Bounded in pages and members; a page that leads back to one seen is an error.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use serde_json::Value;
use std::collections::HashSet;

/// Members of a collection.
pub(crate) struct Members {
    /// References, or whole resources.
    pub(crate) items: Vec<Value>,
    /// Whether these are all.
    pub(crate) complete: bool,
    /// How many there are, where the service says so.
    pub(crate) count: Option<usize>,
}

impl Client {
    /// The members as they stand in the collection, at most `most`.
    pub(crate) async fn members(&self, collection: &Link, most: usize) -> Result<Members, RedfishError> {
        let most = most.min(self.limits.members);
        let (mut items, mut count) = (Vec::new(), None);
        let (mut seen, mut next) = (HashSet::new(), collection.clone());
        for _ in 0..self.limits.pages {
            if !seen.insert(next.clone()) {
                return Err(RedfishError::malformed(
                    format!("GET {collection}"),
                    "its pages (@odata.nextLink) lead in a circle",
                ));
            }
            let page = self.get(&next).await?.body;
            let Some(members) = page.get("Members").and_then(Value::as_array) else {
                return Err(RedfishError::malformed(
                    format!("GET {next}"),
                    "a collection was expected, \"Members\" is no array",
                ));
            };
            let told = json::whole(&page, "Members@odata.count").and_then(|count| usize::try_from(count).ok());
            count = count.or(told);
            let room = most.saturating_sub(items.len());
            items.extend(members.iter().take(room).cloned());
            if members.len() > room {
                return Ok(Members { items, complete: false, count });
            }
            let link = json::raw(&page, "Members@odata.nextLink").or_else(|| json::raw(&page, "@odata.nextLink"));
            next = match link {
                None => return Ok(Members { items, complete: true, count }),
                Some(text) => Link::parse(text).ok_or_else(|| {
                    RedfishError::malformed(
                        format!("GET {next}"),
                        "its next page is not a path below /redfish/ of this service",
                    )
                })?,
            };
            if items.len() >= most {
                break;
            }
        }
        Ok(Members { items, complete: false, count })
    }

    /// The members as whole resources. One that cannot be read is told in `problems`, and the others go on.
    pub(crate) async fn resources(
        &self,
        collection: &Link,
        most: usize,
        problems: &mut Vec<String>,
    ) -> Result<Vec<(Link, Value)>, RedfishError> {
        let members = self.expanded(collection, most).await?;
        if !members.complete {
            note(problems, format!("{collection} has more members than were read ({})", members.items.len()));
        }
        let mut found = Vec::new();
        for item in members.items {
            let Some(link) = json::own(&item) else {
                note(problems, format!("a member of {collection} has no link"));
                continue;
            };
            if is_whole(&item) {
                found.push((link, item));
                continue;
            }
            if let Some(value) = tolerate(self.get(&link).await, problems)? {
                found.push((link, value.body));
            }
        }
        Ok(found)
    }

    /// The last `most` of a collection with so many members (`read` of them are known, from the first on), where the service can leave the others out (`$skip`, DSP0266, 7.3);
    /// none: it cannot, and gave the first again.
    pub(crate) async fn tail(
        &self,
        collection: &Link,
        count: usize,
        most: usize,
        read: &[Value],
    ) -> Result<Option<Vec<Value>>, RedfishError> {
        let (skip, first) = (count.saturating_sub(most).max(read.len()), read.first());
        let expand = if self.expands { "$expand=.&" } else { "" };
        let found = self.members(&collection.query(&format!("{expand}$skip={skip}")), most).await;
        let found = tolerate(found, &mut Vec::new())?.map(|members| members.items).unwrap_or_default();
        let is_the_first = found.first().map(json::own) == first.map(json::own);
        Ok((!found.is_empty() && !is_the_first).then_some(found))
    }

    /// With `$expand` where the service says that it can; without, where that fails.
    pub(crate) async fn expanded(&self, collection: &Link, most: usize) -> Result<Members, RedfishError> {
        if self.expands {
            match self.members(&collection.query("$expand=."), most).await {
                Err(error) if error.ends_talk() => return Err(error),
                Err(_) => {}
                Ok(members) => return Ok(members),
            }
        }
        self.members(collection, most).await
    }
}

/// More than a reference.
pub(crate) fn is_whole(item: &Value) -> bool {
    item.get("Id").is_some() || item.get("Name").is_some()
}

/// The value, or `None` and a problem told; an error only when the service cannot be talked to any more.
pub(crate) fn tolerate<T>(
    result: Result<T, RedfishError>,
    problems: &mut Vec<String>,
) -> Result<Option<T>, RedfishError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.ends_talk() => Err(error),
        Err(error) => {
            note(problems, error.to_string());
            Ok(None)
        }
    }
}

/// Most problems that are told of one operation.
const MOST_PROBLEMS: usize = 50;

pub(crate) fn note(problems: &mut Vec<String>, text: String) {
    if problems.len() < MOST_PROBLEMS {
        problems.push(text);
    }
}
