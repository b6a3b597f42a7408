//! API tokens and browser sessions (their hashes alone), and settings that all servers of an installation share.

use super::schema::{sessions, settings, tokens};
use super::tx::{Row, Tx};
use crate::domain::{Micros, Sha256};
use crate::error::Result;
use diesel::prelude::*;

impl Tx<'_> {
    /// Store the hash of an API token. Again is no error, and renames it.
    pub fn put_token(&mut self, hash: &Sha256, name: &str, at: Micros) -> Result<()> {
        self.run(format_args!("token {name}"), |c| {
            if diesel::update(tokens::table.find(hash.as_str())).set(tokens::name.eq(name)).execute(c)? == 0 {
                diesel::insert_into(tokens::table)
                    .values((tokens::hash.eq(hash.as_str()), tokens::name.eq(name), tokens::created.eq(at)))
                    .execute(c)?;
            }
            Ok(())
        })
    }

    /// Drop the other tokens of this name, and their browser sessions: a token that was replaced is good no more.
    pub fn drop_other_tokens(&mut self, hash: &Sha256, name: &str) -> Result<()> {
        self.run(format_args!("old tokens {name}"), |c| {
            let others = tokens::table.filter(tokens::name.eq(name)).filter(tokens::hash.ne(hash.as_str()));
            if diesel::delete(others).execute(c)? > 0 {
                diesel::delete(sessions::table.filter(sessions::token_name.eq(name))).execute(c)?;
            }
            Ok(())
        })
    }

    /// Drop browser sessions that expired before `now`.
    pub fn expire_sessions(&mut self, now: Micros) -> Result<()> {
        self.run("expired sessions", |c| diesel::delete(sessions::table.filter(sessions::expires.lt(now))).execute(c))?;
        Ok(())
    }

    /// Name of the token with this hash.
    pub fn token(&mut self, hash: &Sha256) -> Result<Option<String>> {
        self.run("token", |c| tokens::table.find(hash.as_str()).select(tokens::name).first(c).optional())
    }

    /// How many there are.
    pub fn token_count(&mut self) -> Result<u64> {
        let count: i64 = self.run("number of tokens", |c| tokens::table.count().get_result(c))?;
        Row { table: "tokens", key: &"(counted)" }.number("count", count)
    }

    /// Store the hash of a browser session; `Error::Conflict` when it is there already.
    pub fn put_session(&mut self, hash: &Sha256, token_name: &str, expires: Micros) -> Result<()> {
        self.run("this session", |c| {
            diesel::insert_into(sessions::table)
                .values((
                    sessions::hash.eq(hash.as_str()),
                    sessions::token_name.eq(token_name),
                    sessions::expires.eq(expires),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// Token name of a session that has not expired at `now`.
    pub fn session(&mut self, hash: &Sha256, now: Micros) -> Result<Option<String>> {
        self.run("session", |c| {
            sessions::table
                .find(hash.as_str())
                .filter(sessions::expires.gt(now))
                .select(sessions::token_name)
                .first(c)
                .optional()
        })
    }

    /// Log out; and drop what expired before `now`.
    pub fn delete_session(&mut self, hash: &Sha256, now: Micros) -> Result<()> {
        self.run("session", |c| {
            diesel::delete(sessions::table.find(hash.as_str())).execute(c)?;
            diesel::delete(sessions::table.filter(sessions::expires.lt(now))).execute(c)
        })?;
        Ok(())
    }

    /// A value.
    pub fn setting(&mut self, key: &str) -> Result<Option<String>> {
        self.run(format_args!("setting {key}"), |c| {
            settings::table.find(key).select(settings::value).first(c).optional()
        })
    }

    /// Insert when absent; returns the value that is there afterwards.
    pub fn setting_or_insert(&mut self, key: &str, value: &str) -> Result<String> {
        if let Some(present) = self.setting(key)? {
            return Ok(present);
        }
        self.put_setting(key, value)?;
        Ok(value.to_owned())
    }

    /// Insert or replace.
    pub fn put_setting(&mut self, key: &str, value: &str) -> Result<()> {
        self.run(format_args!("setting {key}"), |c| {
            if diesel::update(settings::table.find(key)).set(settings::value.eq(value)).execute(c)? == 0 {
                diesel::insert_into(settings::table)
                    .values((settings::key.eq(key), settings::value.eq(value)))
                    .execute(c)?;
            }
            Ok(())
        })
    }
}
