//! The hands of jobs: one action on one node through its BMC, and what is seen of it afterwards.

use super::{contact, rotate};
use crate::bmc::BmcError;
use crate::domain::NodeUuid;
use crate::domain::bmc::{BmcAction, Power};
use crate::error::Error;
use crate::service::App;
use crate::service::jobs::{Failure, Perform};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Carries actions out over the LAN.
#[derive(Clone)]
pub struct Hands {
    /// The use cases.
    pub app: App,
}

/// The power is looked at so often until it is as asked, and so long.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 20;

impl Perform for Hands {
    fn perform(
        &self,
        node: NodeUuid,
        action: BmcAction,
        deadline: Instant,
    ) -> BoxFuture<'_, std::result::Result<String, Failure>> {
        async move {
            let done = match action {
                BmcAction::RotatePassword => rotate::rotate(&self.app, &node).await,
                _ => act(&self.app, &node, action, deadline).await,
            };
            match done {
                Ok(Ok(words)) => Ok(words),
                Ok(Err(error)) => {
                    let transient = error.is_transient();
                    Err(Failure { message: error.to_string(), transient })
                }
                Err(error) => {
                    let transient = matches!(error, Error::Unavailable(_));
                    if let Error::Internal(_) = &error {
                        tracing::error!(%node, error = ?error, "{action} of node {node} failed");
                    }
                    Err(Failure { message: error.to_string(), transient })
                }
            }
        }
        .boxed()
    }
}

type Done = crate::error::Result<std::result::Result<String, BmcError>>;

async fn act(app: &App, node: &NodeUuid, action: BmcAction, deadline: Instant) -> Done {
    let mut lent = match contact::open(app, node).await? {
        Ok(lent) => lent,
        Err(error) => return Ok(Err(error)),
    };
    let words = match lent.talk() {
        Ok(talk) => talk.act(action).await,
        Err(error) => Err(error),
    };
    let words = match words {
        Ok(words) => words,
        Err(error) => {
            if error.trouble().is_some() {
                lent.discard().await;
            }
            return Ok(Err(error));
        }
    };
    if action == BmcAction::BmcReset {
        lent.discard().await;
        return Ok(Ok(words));
    }
    let wanted = match action {
        BmcAction::PowerOn | BmcAction::PowerCycle => Some(Power::On),
        BmcAction::PowerOff => Some(Power::Off),
        // Whether and when an operating system shuts down is its own affair.
        _ => None,
    };
    drop(lent);
    let seen = watch(app, node, wanted, deadline).await;
    if let Some(power) = seen {
        record(app, node, power).await?;
    }
    Ok(Ok(match (wanted, seen) {
        (Some(wanted), Some(seen)) if wanted != seen => {
            format!("{words}; {} s later power is still {seen}", LOOKS * LOOK.as_secs() as u32)
        }
        (Some(_), None) => format!("{words}; the power could not be read afterwards"),
        _ => words,
    }))
}

/// The power, when it is as wanted or the patience ends. The session is given back between two looks: the console of a node
/// that is switched on has something to show just then.
async fn watch(app: &App, node: &NodeUuid, wanted: Option<Power>, deadline: Instant) -> Option<Power> {
    let mut seen = None;
    for _ in 0..LOOKS {
        // One that was ended is not opened again for this.
        let Ok(Some(mut lent)) = app.bmcs.again(node).await else { return seen };
        seen = match lent.talk() {
            Ok(talk) => talk.power().await.ok().or(seen),
            Err(_) => return seen,
        };
        drop(lent);
        if wanted.is_none() || seen == wanted || Instant::now() + 2 * LOOK > deadline {
            break;
        }
        sleep(LOOK).await;
    }
    seen
}

async fn record(app: &App, node: &NodeUuid, power: Power) -> crate::error::Result<()> {
    let (node, now) = (node.clone(), app.now());
    app.store
        .write(move |tx| {
            let Some(mut bmc) = tx.bmc(&node)? else { return Ok(()) };
            (bmc.power, bmc.power_at) = (power, Some(now));
            tx.put_bmc(&bmc)
        })
        .await
}
