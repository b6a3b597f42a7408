//! Enrolment from the outside: BMCs of which only address and account are known, until each has its node. Each file is a use
//! case. A password is opened only to log in, to compare it, or to be given to the node's credentials.

mod import;
mod matching;
mod show;
mod work;

pub use import::import;
pub(super) use matching::{admit, arrived, expected, told};
pub use show::{EnrolmentQuery, cancel, counts, list, retry};
pub use work::{Worked, work_once};

use super::vault;
use crate::domain::NodeUuid;
use crate::domain::credential::Password;
use crate::domain::enrol::Enrolment;
use crate::domain::vault::{MasterKey, Place};
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::vault::Vault;
use uuid::Uuid;

/// What the passwords are sealed as.
const PURPOSE: &str = "enrolment";

/// An enrolment has no node: its own id, which is a UUID too, stands for it where one is asked for.
fn owner(id: Uuid) -> Result<NodeUuid> {
    Ok(id.to_string().parse()?)
}

fn seal(tx: &mut Tx<'_>, vault: &Vault, id: Uuid, password: &Password) -> Result<(String, String)> {
    let owner = owner(id)?;
    let place = Place { purpose: PURPOSE, node: &owner, row: id };
    vault::seal(tx, vault, &place, password.reveal().as_bytes())
}

fn open(vault: &Vault, enrolment: &Enrolment) -> Result<Password> {
    let gone = || Error::internal(format!("enrolment {} has no password", enrolment.id));
    let (sealed, key) = enrolment.sealed.as_ref().ok_or_else(gone)?;
    let owner = owner(enrolment.id)?;
    let place = Place { purpose: PURPOSE, node: &owner, row: enrolment.id };
    let plain = vault::open(vault, key, &place, sealed)?;
    // The parser's error could repeat what it read.
    let bad = || Error::internal("a sealed password of an enrolment is no password");
    std::str::from_utf8(&plain).map_err(|_| bad())?.parse().map_err(|_| bad())
}

/// Seal some with another master key, as part of its rotation; how many.
pub(super) fn reseal(tx: &mut Tx<'_>, old: &MasterKey, new: &MasterKey, most: usize) -> Result<usize> {
    let rows = tx.enrolments_sealed_with(old.id(), most)?;
    let count = rows.len();
    for mut row in rows {
        let owner = owner(row.id)?;
        let place = Place { purpose: PURPOSE, node: &owner, row: row.id };
        if let Some((sealed, key)) = &mut row.sealed {
            let plain = old.open(&place, sealed).map_err(|error| {
                Error::internal(format!("the passwords of enrolment {} cannot be sealed anew: {error}", row.id))
            })?;
            *sealed = new.seal(super::random_bytes()?, &place, &plain)?;
            new.id().clone_into(key);
        }
        tx.put_enrolment(&row)?;
    }
    Ok(count)
}
