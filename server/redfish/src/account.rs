//! Accounts of the service (DSP2046, AccountService): only a new password for one that exists.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::target::Secret;
use serde_json::json;

/// Most accounts that are looked at.
const MOST: usize = 64;

impl Client {
    /// Gives an account a new password. When it is our own, later logins of this client use it. After an error that
    /// says [`RedfishError::Unreachable`] or [`RedfishError::Deadline`] either password may be the right one: the caller
    /// keeps both until one is proven.
    pub async fn set_password(&self, user: &str, new: &Secret) -> Result<(), RedfishError> {
        self.within("the change of a password", async {
            let missing = |what: &str| RedfishError::NotSupported(format!("change of a password (no {what})"));
            let service = json::link(&self.root, "AccountService").ok_or_else(|| missing("AccountService"))?;
            let service = self.get(&service).await?.body;
            let accounts = json::link(&service, "Accounts").ok_or_else(|| missing("list of accounts"))?;
            let mut problems = Vec::new();
            let found = self.resources(&accounts, MOST, &mut problems).await?;
            let (link, _) =
                found.iter().find(|(_, account)| json::raw(account, "UserName") == Some(user)).ok_or_else(|| {
                    let beside = problems.pop().map(|problem| format!("; besides, {problem}")).unwrap_or_default();
                    missing(&format!("account {:?} among {}{beside}", json::clean(user, 64), found.len()))
                })?;
            // As it is now: the ETag of a list's member may be old.
            let account = self.get(link).await?;
            let change = json!({"Password": new.reveal()});
            let answer = self.patch_secret(link, &account, &change, Some(new)).await?;
            if user != self.user {
                return self.settle(answer).await.map_err(quiet);
            }
            // Looking at a task may need a new login already.
            let old = std::mem::replace(&mut self.session.lock().await.password, new.clone());
            let settled = self.settle(answer).await.map_err(quiet);
            if settled.is_err() {
                self.session.lock().await.password = old;
            }
            settled
        })
        .await
    }
}

/// What a task says of a password that it did not take may hold the password.
fn quiet(error: RedfishError) -> RedfishError {
    match error {
        RedfishError::Status { what, status, .. } => {
            let message = "the password was not taken (the service's words are not repeated: they may hold it)".into();
            RedfishError::Status { what, status, message }
        }
        other => other,
    }
}
