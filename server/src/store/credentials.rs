//! Credentials of BMCs, as they are sealed: nothing here opens them.

use super::schema::bmc_credentials;
use super::tx::{Row, Tx, limit_of};
use crate::domain::NodeUuid;
use crate::domain::credential::Credential;
use crate::error::Result;
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = bmc_credentials, primary_key(id), treat_none_as_null = true)]
struct CredentialRec {
    id: String,
    node: String,
    username: String,
    sealed: String,
    master_key: String,
    state: String,
    via: String,
    made: i64,
    proven: Option<i64>,
    changed: i64,
    reason: String,
}

impl From<&Credential> for CredentialRec {
    fn from(c: &Credential) -> Self {
        Self {
            id: c.id.to_string(),
            node: c.node.to_string(),
            username: c.user.clone(),
            sealed: c.sealed.clone(),
            master_key: c.master_key.clone(),
            state: c.state.to_string(),
            via: c.via.to_string(),
            made: c.made,
            proven: c.proven,
            changed: c.changed,
            reason: c.reason.clone(),
        }
    }
}

impl CredentialRec {
    fn into_credential(self) -> Result<Credential> {
        let row = Row { table: "bmc_credentials", key: &self.id };
        Ok(Credential {
            id: row.parse("id", &self.id)?,
            node: row.parse("node", &self.node)?,
            state: row.parse("state", &self.state)?,
            via: row.parse("via", &self.via)?,
            user: self.username,
            sealed: self.sealed,
            master_key: self.master_key,
            made: self.made,
            proven: self.proven,
            changed: self.changed,
            reason: self.reason,
        })
    }
}

impl Tx<'_> {
    /// All of a node, oldest first. They are few: what is proven makes others go.
    pub fn credentials_of(&mut self, node: &NodeUuid) -> Result<Vec<Credential>> {
        let recs: Vec<CredentialRec> = self.run(format_args!("BMC credentials of node {node}"), |c| {
            bmc_credentials::table
                .filter(bmc_credentials::node.eq(node.as_str()))
                .order(bmc_credentials::id)
                .select(CredentialRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(CredentialRec::into_credential).collect()
    }

    /// By id.
    pub fn credential(&mut self, id: Uuid) -> Result<Option<Credential>> {
        let rec: Option<CredentialRec> = self.run(format_args!("BMC credential {id}"), |c| {
            bmc_credentials::table.find(id.to_string()).select(CredentialRec::as_select()).first(c).optional()
        })?;
        rec.map(CredentialRec::into_credential).transpose()
    }

    /// Insert or replace. A second planned or proven one of a node is a conflict.
    pub fn put_credential(&mut self, credential: &Credential) -> Result<()> {
        let rec = CredentialRec::from(credential);
        self.run(format_args!("BMC credential of node {}", credential.node), |c| {
            if diesel::update(bmc_credentials::table.find(&rec.id)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(bmc_credentials::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Delete one.
    pub fn forget_credential(&mut self, id: Uuid) -> Result<()> {
        self.run(format_args!("BMC credential {id}"), |c| {
            diesel::delete(bmc_credentials::table.find(id.to_string())).execute(c)
        })?;
        Ok(())
    }

    /// How many rows are sealed with each master key.
    pub fn sealed_by_key(&mut self) -> Result<Vec<(String, u64)>> {
        let mut found: Vec<(String, i64)> = self.run("sealed rows", |c| {
            bmc_credentials::table
                .group_by(bmc_credentials::master_key)
                .order(bmc_credentials::master_key)
                .select((bmc_credentials::master_key, diesel::dsl::count_star()))
                .load(c)
        })?;
        let others = [self.enrolments_by_key()?, self.rollouts_by_key()?, self.secrets_by_key()?].concat();
        for (key, more) in others {
            match found.iter_mut().find(|(known, _)| *known == key) {
                Some((_, count)) => *count += more,
                None => found.push((key, more)),
            }
        }
        let row = Row { table: "bmc_credentials", key: &"(counted)" };
        found.into_iter().map(|(key, count)| Ok((key, row.number("count", count)?))).collect()
    }

    /// Some of those that are sealed with this key.
    pub fn sealed_with(&mut self, key: &str, limit: usize) -> Result<Vec<Credential>> {
        let recs: Vec<CredentialRec> = self.run("sealed rows", |c| {
            bmc_credentials::table
                .filter(bmc_credentials::master_key.eq(key))
                .order(bmc_credentials::id)
                .limit(limit_of(limit))
                .select(CredentialRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(CredentialRec::into_credential).collect()
    }
}
