//! Virtual media: an image that the BMC fetches from a URL and shows to its system as a drive (DSP2046, VirtualMedia).
//! The image is only named here, never sent.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::wire::Answer;
use serde::Serialize;
use serde_json::{Value, json};

/// Most drives that are looked at.
const MOST: usize = 32;

/// Which drive an image goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// The first that takes a CD or DVD.
    Cd,
    /// The first that takes a USB stick.
    Usb,
    /// The one with this `Id`.
    Slot(String),
}

/// One virtual drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Media {
    /// Its path.
    pub path: String,
    /// `Id`.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// `CD`, `DVD`, `USBStick`, `Floppy`.
    pub kinds: Vec<String>,
    /// URL of the image, as the service tells it.
    pub image: Option<String>,
    /// Whether one is in it.
    pub inserted: bool,
    /// Whether it is read-only.
    pub write_protected: Option<bool>,
}

impl Media {
    fn of(link: &Link, value: &Value) -> Self {
        let kinds = json::words(value, "MediaTypes").unwrap_or_default();
        let image = json::text(value, "Image");
        Self {
            path: link.to_string(),
            id: json::text(value, "Id"),
            name: json::text(value, "Name"),
            kinds: kinds.into_iter().take(16).map(|kind| json::clean(kind, 32)).collect(),
            inserted: json::flag(value, "Inserted").unwrap_or(image.is_some()),
            image,
            write_protected: json::flag(value, "WriteProtected"),
        }
    }

    fn takes(&self, medium: &Medium) -> bool {
        let any = |words: &[&str]| self.kinds.iter().any(|kind| words.contains(&kind.as_str()));
        match medium {
            Medium::Cd => any(&["CD", "DVD"]),
            Medium::Usb => any(&["USBStick"]),
            Medium::Slot(id) => self.id.as_ref() == Some(id),
        }
    }
}

impl Client {
    /// All virtual drives: the system's, else its manager's.
    pub async fn virtual_media(&self) -> Result<Vec<Media>, RedfishError> {
        let found = self.within("virtual media", self.drives_of_media()).await?;
        Ok(found.iter().map(|(link, value)| Media::of(link, value)).collect())
    }

    /// Inserts an image, read-only. The same image already in it: nothing is done; another: it is ejected first. The
    /// answer is the drive's `Id` or path.
    pub async fn insert(&self, url: &str, medium: &Medium) -> Result<String, RedfishError> {
        let drives = self.virtual_media().await?;
        let drive = drives.iter().find(|drive| drive.takes(medium)).ok_or_else(|| {
            let have: Vec<String> =
                drives.iter().map(|drive| format!("{} ({})", drive.path, drive.kinds.join("/"))).collect();
            RedfishError::NotSupported(format!("a virtual drive for {medium:?} (it has: {})", have.join(", ")))
        })?;
        let name = drive.id.clone().unwrap_or_else(|| drive.path.clone());
        let (link, mut now) = self.drive(&drive.path).await?;
        if Media::of(&link, &now.body).inserted {
            if json::raw(&now.body, "Image") == Some(url) {
                return Ok(name);
            }
            self.eject_from(&link, &now).await?;
            now = self.get(&link).await?;
        }
        match action(&now.body, "#VirtualMedia.InsertMedia") {
            Some(target) => {
                let full = json!({"Image": url, "Inserted": true, "WriteProtected": true});
                let answer = match self.post(&target, &full).await {
                    // Only Image is required, and some take nothing else.
                    Err(RedfishError::Status { status: 400, .. }) => self.post(&target, &json!({"Image": url})).await?,
                    other => other?,
                };
                self.settle(answer).await?;
            }
            // Before the action existed, the properties were written.
            None => self.patch(&link, &now, &json!({"Image": url, "Inserted": true})).await?,
        }
        Ok(name)
    }

    /// Ejects what is in this drive (its `Id`), or in all of them. Nothing in it: nothing is done. The answer is how many
    /// were ejected.
    pub async fn eject(&self, slot: Option<&str>) -> Result<usize, RedfishError> {
        let drives = self.virtual_media().await?;
        let meant: Vec<_> = drives.iter().filter(|drive| slot.is_none() || drive.id.as_deref() == slot).collect();
        if let (true, Some(slot)) = (meant.is_empty(), slot) {
            return Err(RedfishError::NotSupported(format!("a virtual drive {:?}", json::clean(slot, 64))));
        }
        let mut ejected = 0;
        for drive in meant.into_iter().filter(|drive| drive.inserted) {
            let (link, now) = self.drive(&drive.path).await?;
            self.eject_from(&link, &now).await?;
            ejected += 1;
        }
        Ok(ejected)
    }

    async fn eject_from(&self, link: &Link, now: &Answer) -> Result<(), RedfishError> {
        match action(&now.body, "#VirtualMedia.EjectMedia") {
            Some(target) => {
                let answer = self.post(&target, &json!({})).await?;
                self.settle(answer).await
            }
            None => self.patch(link, now, &json!({"Image": null, "Inserted": false})).await,
        }
    }

    async fn drive(&self, path: &str) -> Result<(Link, Answer), RedfishError> {
        let link =
            Link::parse(path).ok_or_else(|| RedfishError::malformed("virtual media", "a drive has no usable path"))?;
        let answer = self.get(&link).await?;
        Ok((link, answer))
    }

    async fn drives_of_media(&self) -> Result<Vec<(Link, Value)>, RedfishError> {
        let (_, system) = self.system().await?;
        let collection = match json::link(&system.body, "VirtualMedia") {
            Some(link) => Some(link),
            None => json::link(&self.manager().await?.1.body, "VirtualMedia"),
        };
        let collection = collection
            .ok_or_else(|| RedfishError::NotSupported("virtual media (neither system nor manager has any)".into()))?;
        let mut problems = Vec::new();
        let found = self.resources(&collection, MOST, &mut problems).await?;
        match problems.pop() {
            Some(problem) if found.is_empty() => Err(RedfishError::malformed(format!("GET {collection}"), problem)),
            _ => Ok(found),
        }
    }
}

fn action(value: &Value, name: &str) -> Option<Link> {
    json::raw(json::at(value, &["Actions", name]), "target").and_then(Link::parse)
}
