//! `higuma bmc password` and `higuma master-key`: secrets that the server keeps. A password is printed to standard output only,
//! and only when it is asked for.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::{MasterKeyStatus, RevealedCredentials};
use ureq::http::Method;

/// Passwords of BMCs
#[derive(Debug, clap::Subcommand)]
pub enum Password {
    /// Show the password of a node's BMC; that it was shown to you is written down as an event of the node
    #[command(after_help = "Example:\n  higuma bmc password show web-17\n  higuma bmc password show web-17 -o json")]
    Show {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
}

/// The key that seals BMC passwords in the database
#[derive(Debug, clap::Subcommand)]
pub enum MasterKey {
    /// Which one it is, where it is from, and how far a rotation is
    #[command(after_help = "Example:\n  higuma master-key show")]
    Show,
    /// Replace it by a new one, and seal everything anew; back the new one up afterwards
    #[command(after_help = "Example:\n  higuma master-key rotate && higuma master-key show")]
    Rotate,
}

pub(super) fn password(global: &Global, client: &Client, command: Password) -> Result<()> {
    let Password::Show { node } = command;
    let path = format!("/api/v1/nodes/{}/bmc/password/reveal", encode(&resolve(client, &node)?));
    let value = client.call(Method::POST, &path, None::<&()>)?;
    answer(global.format, value, |all: RevealedCredentials| revealed(&all, output::now_us()))
}

pub(super) fn master_key(global: &Global, command: MasterKey) -> Result<()> {
    let client = Client::new(global)?;
    let value = match command {
        MasterKey::Show => client.get("/api/v1/master-key")?,
        MasterKey::Rotate => client.call(Method::POST, "/api/v1/master-key/rotate", None::<&()>)?,
    };
    answer(global.format, value, |key: MasterKeyStatus| {
        let rotation = match (key.rotating, key.waiting) {
            (false, _) => "none under way".to_owned(),
            (true, waiting) => format!("under way, {waiting} row(s) wait"),
        };
        output::fields(&[
            ("Key", key.id),
            ("From", key.source),
            ("Sealed rows", key.sealed.to_string()),
            ("Rotation", rotation),
        ])
    })
}

fn revealed(all: &RevealedCredentials, now: i64) -> String {
    let mut rows = Vec::new();
    for credential in &all.credentials {
        for password in &credential.passwords {
            let since = output::ago(credential.changed_us, now);
            rows.push([
                credential.user.clone(),
                password.clone(),
                credential.state.clone(),
                credential.via.clone(),
                since,
            ]);
        }
    }
    output::table(["USER", "PASSWORD", "STATE", "SET", "SINCE"], &rows)
}
