//! Is the server ready to boot nodes, and how is the fleet?

use super::App;
use crate::domain::image::Arch;
use crate::domain::lifecycle::{Lifecycle, Observed, lifecycle};
use crate::error::Result;
use higuma_proto::api::Status;
use std::collections::BTreeMap;

/// Why nodes cannot be booted now, each with what to run; empty: ready.
pub async fn not_ready(app: &App) -> Vec<String> {
    // A write, so that a full disk or a read-only database shows.
    let now = app.now();
    let probe = app.store.write(move |tx| {
        tx.put_setting("readiness-probe", &now.to_string())?;
        tx.first_stage(Arch::X86_64)
    });
    match probe.await {
        Err(error) => vec![format!("the database cannot be written: {error}")],
        Ok(None) => vec!["there is no first stage: run `higuma first-stage build`".to_owned()],
        Ok(Some(_)) => Vec::new(),
    }
}

/// Nodes by lifecycle; every word is there.
pub async fn fleet(app: &App) -> Result<BTreeMap<String, u64>> {
    let alive_since = app.now() - app.settings.heartbeat_timeout;
    let counts = app.store.read(move |tx| tx.node_counts(alive_since)).await?;
    let mut fleet: BTreeMap<String, u64> = Lifecycle::ALL.iter().map(|l| (l.to_string(), 0)).collect();
    for group in counts {
        let state = lifecycle(group.desired, Observed { phase: group.phase, alive: group.alive });
        *fleet.entry(state.to_string()).or_default() += group.count;
    }
    Ok(fleet)
}

/// The server, for people. `more`: reasons that only the caller can see (a folder that cannot be written); so is what is
/// `degraded`.
pub async fn status(app: &App, more: Vec<String>, degraded: Vec<String>) -> Result<Status> {
    let mut reasons = not_ready(app).await;
    reasons.extend(more);
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: reasons.is_empty(),
        reasons,
        degraded,
        database: app.store.backend().to_owned(),
        nodes: fleet(app).await?,
    })
}
