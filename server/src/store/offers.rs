//! Offered boots: single-use nonces, by hash.

use super::schema::{boots, offers};
use super::tx::{Row, Tx, limit_of};
use crate::domain::boot::Phase;
use crate::domain::identity::Told;
use crate::domain::offer::Offer;
use crate::domain::{Micros, Sha256};
use crate::error::{Error, Result};
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = offers)]
struct OfferRec {
    nonce_hash: String,
    node: Option<String>,
    mac: Option<String>,
    http_base: String,
    created: i64,
    expires: i64,
    bound_credential: Option<String>,
    bound_boot: Option<String>,
    told_uuid: Option<String>,
    told_manufacturer: String,
    told_product: String,
    told_serial: String,
}

impl From<&Offer> for OfferRec {
    fn from(offer: &Offer) -> Self {
        Self {
            nonce_hash: offer.nonce_hash.to_string(),
            node: offer.node.as_ref().map(ToString::to_string),
            mac: offer.mac.as_ref().map(ToString::to_string),
            http_base: offer.http_base.clone(),
            created: offer.created,
            expires: offer.expires,
            bound_credential: offer.bound.as_ref().map(|(credential, _)| credential.to_string()),
            bound_boot: offer.bound.as_ref().map(|(_, boot)| boot.to_string()),
            told_uuid: offer.told.uuid.as_ref().map(ToString::to_string),
            told_manufacturer: offer.told.manufacturer.clone(),
            told_product: offer.told.product.clone(),
            told_serial: offer.told.serial.clone(),
        }
    }
}

impl OfferRec {
    fn into_offer(self) -> Result<Offer> {
        let row = Row { table: "offers", key: &self.nonce_hash };
        let credential = row.parse_opt("bound_credential", self.bound_credential.as_deref())?;
        let boot = row.parse_opt("bound_boot", self.bound_boot.as_deref())?;
        Ok(Offer {
            nonce_hash: row.parse("nonce_hash", &self.nonce_hash)?,
            node: row.parse_opt("node", self.node.as_deref())?,
            mac: row.parse_opt("mac", self.mac.as_deref())?,
            http_base: self.http_base,
            created: self.created,
            expires: self.expires,
            bound: credential.zip(boot),
            told: Told {
                uuid: row.parse_opt("told_uuid", self.told_uuid.as_deref())?,
                manufacturer: self.told_manufacturer,
                product: self.told_product,
                serial: self.told_serial,
            },
        })
    }
}

impl Tx<'_> {
    /// Insert, and keep only the newest `keep` unbound ones of the same node (or of the same MAC when it has no node).
    /// This one is kept in any case; `Error::Conflict` when its nonce is there already.
    pub fn put_offer(&mut self, offer: &Offer, keep: usize) -> Result<()> {
        let rec = OfferRec::from(offer);
        let others = keep.saturating_sub(1);
        self.run("this boot nonce", |c| {
            let mut query = offers::table
                .filter(offers::bound_boot.is_null())
                .order((offers::created.desc(), offers::nonce_hash.desc()))
                .select(offers::nonce_hash)
                .into_boxed();
            query = match (&rec.node, &rec.mac) {
                (Some(node), _) => query.filter(offers::node.eq(node)),
                (None, Some(mac)) => query.filter(offers::node.is_null()).filter(offers::mac.eq(mac)),
                (None, None) => query.filter(offers::node.is_null()).filter(offers::mac.is_null()),
            };
            let unbound: Vec<String> = query.load(c)?;
            for old in unbound.iter().filter(|hash| **hash != rec.nonce_hash).skip(others) {
                diesel::delete(offers::table.find(old)).execute(c)?;
            }
            diesel::insert_into(offers::table).values(&rec).execute(c)?;
            Ok(())
        })
    }

    /// By hash of the nonce.
    pub fn offer(&mut self, nonce_hash: &Sha256) -> Result<Option<Offer>> {
        let rec = self.run("offer of a boot nonce", |c| {
            offers::table.find(nonce_hash.as_str()).select(OfferRec::as_select()).first(c).optional()
        })?;
        rec.map(OfferRec::into_offer).transpose()
    }

    /// Bind to a credential and a boot. `Error::NotFound` when there is no such offer, `Error::Conflict` when it is bound
    /// already (to the same pair: no error).
    pub fn bind_offer(&mut self, nonce_hash: &Sha256, credential_hash: &Sha256, boot: Uuid) -> Result<()> {
        match self.offer(nonce_hash)?.map(|offer| offer.bound) {
            None => return Err(Error::NotFound("the boot nonce is not known (any more)".to_owned())),
            Some(Some(bound)) if bound == (credential_hash.clone(), boot) => return Ok(()),
            Some(Some(_)) => return Err(Error::Conflict("the boot nonce is bound to another boot already".to_owned())),
            Some(None) => {}
        }
        self.run("offer of a boot nonce", |c| {
            diesel::update(offers::table.find(nonce_hash.as_str()))
                .set((
                    offers::bound_credential.eq(Some(credential_hash.as_str())),
                    offers::bound_boot.eq(Some(boot.to_string())),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// Remove offers that expired before `before` and are of no more use: unbound ones, and bound ones whose boot has
    /// ended or is gone (until then the same pair must get the same answer). At most `limit`; returns how many.
    pub fn expire_offers(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("expired offers", |c| {
            let still_needed = boots::table
                .filter(boots::id.nullable().eq(offers::bound_boot))
                .filter(boots::phase.ne(Phase::Ended.as_str()));
            let found: Vec<String> = offers::table
                .filter(offers::expires.lt(before))
                .filter(diesel::dsl::not(diesel::dsl::exists(still_needed)))
                .order((offers::expires, offers::nonce_hash))
                .limit(limit_of(limit))
                .select(offers::nonce_hash)
                .load(c)?;
            for hash in &found {
                diesel::delete(offers::table.find(hash)).execute(c)?;
            }
            Ok(found.len())
        })
    }
}
