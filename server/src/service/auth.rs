//! Who is calling. Identity comes from a credential alone: an agent's session, a second stage's callback, a person's
//! token or browser session. Only hashes are stored and looked up.

use super::{App, new_secret};
use crate::domain::boot::{Boot, Phase};
use crate::domain::secret::Secret;
use crate::error::{Error, Result};

/// A person or a person's program. Everybody with a token is an administrator until roles exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the token.
    pub name: String,
}

/// Browser sessions live so long, microseconds.
pub const SESSION_TTL: i64 = 12 * 3600 * 1_000_000;

const UNKNOWN: &str = "the credential is not known (any more)";

/// The boot of a session credential. Errors: unknown, or ended by a newer boot.
pub async fn session(app: &App, credential: &str) -> Result<Boot> {
    let hash = parse(credential)?.hash();
    live(app.store.read(move |tx| tx.boot_by_session(&hash)).await?)
}

/// The boot of a callback credential, which may only ReportUp and send heartbeats.
pub async fn callback(app: &App, credential: &str) -> Result<Boot> {
    let hash = parse(credential)?.hash();
    live(app.store.read(move |tx| tx.boot_by_callback(&hash)).await?)
}

/// The person of an API token.
pub async fn person(app: &App, token: &str) -> Result<Person> {
    let hash = parse(token)?.hash();
    let name = app.store.read(move |tx| tx.token(&hash)).await?;
    name.map(|name| Person { name }).ok_or_else(|| Error::Unauthorized(UNKNOWN.into()))
}

/// The person of a browser session.
pub async fn browser(app: &App, cookie: &str) -> Result<Person> {
    let (hash, now) = (parse(cookie)?.hash(), app.now());
    let name = app.store.read(move |tx| tx.session(&hash, now)).await?;
    name.map(|name| Person { name }).ok_or_else(|| Error::Unauthorized("the session has ended: log in again".into()))
}

/// Exchange a token for a browser session.
pub async fn login(app: &App, token: &str) -> Result<Secret> {
    let person = person(app, token).await?;
    let (secret, expires) = (new_secret()?, app.now() + SESSION_TTL);
    let hash = secret.hash();
    app.store.write(move |tx| tx.put_session(&hash, &person.name, expires)).await?;
    Ok(secret)
}

/// End a browser session; one that is not known is no error.
pub async fn logout(app: &App, cookie: &str) -> Result<()> {
    let Ok(secret) = parse(cookie) else { return Ok(()) };
    let (hash, now) = (secret.hash(), app.now());
    app.store.write(move |tx| tx.delete_session(&hash, now)).await
}

/// Make the token in the data folder's file good, and one that it replaced no more. The caller writes the file first, so that a crash between the two
/// locks nobody out.
pub async fn adopt_admin_token(app: &App, token: &Secret) -> Result<()> {
    let (hash, now) = (token.hash(), app.now());
    app.store
        .write(move |tx| {
            tx.put_token(&hash, "admin", now)?;
            tx.drop_other_tokens(&hash, "admin")
        })
        .await
}

/// Is there any token? A second server over the same database makes none of its own.
pub async fn has_token(app: &App) -> Result<bool> {
    Ok(app.store.read(|tx| tx.token_count()).await? > 0)
}

fn parse(credential: &str) -> Result<Secret> {
    credential.parse().map_err(|_| Error::Unauthorized(UNKNOWN.into()))
}

fn live(boot: Option<Boot>) -> Result<Boot> {
    match boot {
        None => Err(Error::Unauthorized(UNKNOWN.into())),
        Some(boot) if boot.phase == Phase::Ended => {
            Err(Error::Unauthorized("this boot was ended by a newer one of the same node".into()))
        }
        Some(boot) => Ok(boot),
    }
}
