//! Claims on blobs of an object store that several servers share. A blob is arriving (a server uploads it, and will record it) or
//! leaving (a server removes it, for nothing records it), never both: so no server records what another removes at the same
//! moment. A claim ends by itself, should its server die. Records are `blobs.rs`.

use super::schema::blob_claims as table;
use super::tx::Tx;
use crate::domain::{Micros, Sha256};
use crate::error::Result;
use diesel::prelude::*;

const ARRIVING: &str = "arriving";
const LEAVING: &str = "leaving";

impl Tx<'_> {
    /// The claim on a blob that counts at `now`.
    fn blob_claim(&mut self, sha256: &Sha256, now: Micros) -> Result<Option<(String, Micros)>> {
        self.run(format_args!("claim on blob {sha256}"), |c| {
            table::table
                .find(sha256.as_str())
                .filter(table::until.gt(now))
                .select((table::kind, table::until))
                .first(c)
                .optional()
        })
    }

    fn put_blob_claim(&mut self, sha256: &Sha256, kind: &str, until: Micros) -> Result<()> {
        let set = (table::kind.eq(kind), table::until.eq(until));
        self.run(format_args!("claim on blob {sha256}"), |c| {
            if diesel::update(table::table.find(sha256.as_str())).set(set).execute(c)? == 0 {
                diesel::insert_into(table::table).values((table::sha256.eq(sha256.as_str()), set)).execute(c)?;
            }
            Ok(())
        })
    }

    /// The blob is being uploaded until `until` at most. False: it is being removed at this moment, and nothing was changed.
    /// Again is no error: the later end counts.
    pub fn claim_arriving(&mut self, sha256: &Sha256, now: Micros, until: Micros) -> Result<bool> {
        let until = match self.blob_claim(sha256, now)? {
            Some((kind, _)) if kind == LEAVING => return Ok(false),
            Some((_, known)) => known.max(until),
            None => until,
        };
        self.put_blob_claim(sha256, ARRIVING, until)?;
        Ok(true)
    }

    /// Does our claim, that a blob is being uploaded, still count?
    pub fn is_arriving(&mut self, sha256: &Sha256, now: Micros) -> Result<bool> {
        Ok(self.blob_claim(sha256, now)?.is_some_and(|(kind, _)| kind == ARRIVING))
    }

    /// The blob is being removed until `until` at most. False, and nothing changed: it is recorded, or on its way in.
    pub fn claim_leaving(&mut self, sha256: &Sha256, now: Micros, until: Micros) -> Result<bool> {
        if self.blob(sha256)?.is_some() || self.blob_claim(sha256, now)?.is_some() {
            return Ok(false);
        }
        self.put_blob_claim(sha256, LEAVING, until)?;
        Ok(true)
    }

    /// A removal is over: the blob is gone, or it is sure that it stays.
    pub fn end_leaving(&mut self, sha256: &Sha256) -> Result<()> {
        self.run(format_args!("claim on blob {sha256}"), |c| {
            diesel::delete(table::table.find(sha256.as_str()).filter(table::kind.eq(LEAVING))).execute(c)?;
            Ok(())
        })
    }

    /// Claims that do not count any more are forgotten.
    pub fn forget_blob_claims(&mut self, now: Micros) -> Result<()> {
        self.run("claims on blobs", |c| {
            diesel::delete(table::table.filter(table::until.le(now))).execute(c)?;
            Ok(())
        })
    }
}
