//! What happens without being asked for: deadlines, expired offers, unused blobs, a fresh certificate.

use crate::blob::Blobs;
use crate::domain::Sha256;
use crate::error::{Error, Result};
use crate::http::publish_gauges;
use crate::ipxe_files::IpxeFiles;
use crate::service::drift::Worked;
use crate::service::exchanges::kept as exchanges;
use crate::service::jobs::{Perform, Runner};
use crate::service::rollouts::{self as rolling, Caller};
use crate::service::{
    App, blobs as records, bmc, drift as drifting, enrol, facts, ipam, rules as evaluate, sweep as sweeping, switches,
};
use crate::tls::{Authority, Current, RENEW_EVERY, local_names};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SWEEP: Duration = Duration::from_secs(5);
const COLLECT: Duration = Duration::from_secs(60);
/// Less than a stop takes at most.
const JOB_GRACE: Duration = Duration::from_secs(6);

/// False when the server stops.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_err()
}

/// Boots past their deadline fail; offers expire; what can be asked of nodes of an earlier release is made ready.
pub async fn sweep(app: App, metrics: PrometheusHandle, stop: CancellationToken) -> Result<()> {
    let mut filling = true;
    while pause(SWEEP, &stop).await {
        if filling {
            filling = facts::fill_in(&app).await.unwrap_or_else(|error| {
                crate::http::failure::log_internal(&error);
                true
            });
        }
        if let Err(error) = sweeping::run_once(&app).await {
            crate::http::failure::log_internal(&error);
        }
        if let Err(error) = publish_gauges(&app).await {
            crate::http::failure::log_internal(&error);
        }
        metrics.run_upkeep();
    }
    Ok(())
}

/// What each node would boot now is worked out where it may have changed.
pub async fn drift(app: App, stop: CancellationToken) -> Result<()> {
    const EVERY: Duration = Duration::from_secs(1);
    const FORGET: Duration = Duration::from_secs(600);
    let mut wait = Duration::ZERO;
    let mut forgotten = tokio::time::Instant::now();
    while pause(wait, &stop).await {
        wait = match drifting::work_once(&app).await {
            Ok(Worked::On) => Duration::ZERO,
            Ok(Worked::Done) => EVERY,
            Err(error) => {
                crate::http::failure::log_internal(&error);
                Duration::from_secs(5)
            }
        };
        if forgotten.elapsed() > FORGET {
            if let Err(error) = drifting::forget(&app).await {
                crate::http::failure::log_internal(&error);
            }
            forgotten = tokio::time::Instant::now();
        }
    }
    Ok(())
}

/// A list of rules that has changed is asked about the nodes that are there.
pub async fn rules(app: App, stop: CancellationToken) -> Result<()> {
    let mut wait = Duration::ZERO;
    while pause(wait, &stop).await {
        wait = match evaluate::work_once(&app).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => Duration::from_secs(1),
            Err(error) => {
                crate::http::failure::log_internal(&error);
                Duration::from_secs(5)
            }
        };
    }
    Ok(())
}

/// Rollouts are carried on, and their hooks and checks are called.
pub async fn rollouts(app: App, caller: Arc<dyn Caller>, stop: CancellationToken) -> Result<()> {
    let calls = calls(app.clone(), caller, stop.clone());
    let steps = async {
        let mut wait = Duration::ZERO;
        while pause(wait, &stop).await {
            let began = tokio::time::Instant::now();
            wait = match rolling::step_all(&app).await {
                Ok(true) => {
                    // Its jobs.
                    app.wake.notify_one();
                    Duration::from_millis(200)
                }
                // A look at 100,000 members must not fill the time.
                Ok(false) => Duration::from_secs(1).max(began.elapsed() * 5),
                Err(error) => {
                    crate::http::failure::log_internal(&error);
                    Duration::from_secs(5)
                }
            };
        }
    };
    tokio::join!(steps, calls);
    Ok(())
}

async fn calls(app: App, caller: Arc<dyn Caller>, stop: CancellationToken) {
    let mut wait = Duration::ZERO;
    while pause(wait, &stop).await {
        // One that is cut off is taken again a little later.
        wait = match tokio::select! { called = rolling::call_once(&app, &*caller) => called, () = stop.cancelled() => break }
        {
            Ok(_) => Duration::from_secs(1),
            Err(error) => {
                crate::http::failure::log_internal(&error);
                Duration::from_secs(5)
            }
        };
    }
}

/// The power of the fleet is kept fresh; sessions that nobody uses are logged out.
pub async fn bmcs(app: App, stop: CancellationToken) -> Result<()> {
    const TIDY: Duration = Duration::from_secs(30);
    let mut tidied = tokio::time::Instant::now();
    let mut wait = Duration::ZERO;
    while pause(wait, &stop).await {
        wait = match tokio::select! { polled = bmc::poll_once(&app) => polled, () = stop.cancelled() => break } {
            // Those that are set meanwhile are contacted at once by whoever sets them, so a look each second is enough.
            Ok(polled) if polled.more => Duration::ZERO,
            Ok(_) => Duration::from_secs(1),
            Err(error) => {
                crate::http::failure::log_internal(&error);
                Duration::from_secs(5)
            }
        };
        if tidied.elapsed() > TIDY {
            app.consoles.tidy();
            app.bmcs.tidy().await;
            tidied = tokio::time::Instant::now();
        }
    }
    app.consoles.close().await;
    app.bmcs.close().await;
    Ok(())
}

/// What nodes asked of boot services is stored, behind the answers.
pub async fn exchanges(app: App, stop: CancellationToken) -> Result<()> {
    const EVERY: Duration = Duration::from_millis(500);
    while pause(EVERY, &stop).await {
        app.exchanges.settle(app.now());
        if let Err(error) = exchanges::store_waiting(&app).await {
            crate::http::failure::log_internal(&error);
        }
    }
    Ok(())
}

/// iPXE's files are read again when they changed.
pub async fn refresh(files: Arc<IpxeFiles>, stop: CancellationToken) -> Result<()> {
    const LOOK: Duration = Duration::from_secs(60);
    while pause(LOOK, &stop).await {
        let files = files.clone();
        tokio::task::spawn_blocking(move || files.refresh()).await.map_err(Error::internal)?;
    }
    Ok(())
}

/// What the kernel knows of addresses is compared with what we gave: two users of one are told.
pub async fn addresses(app: App, stop: CancellationToken) -> Result<()> {
    const EVERY: Duration = Duration::from_secs(60);
    while pause(EVERY, &stop).await {
        // A kernel without ARP (in a container without network, say) has nothing to tell.
        let Ok(table) = crate::arp::table().await else { continue };
        if let Err(error) = ipam::watch(&app, table).await {
            crate::http::failure::log_internal(&error);
        }
    }
    Ok(())
}

/// BMCs that are enrolled from the outside are contacted, identified and started.
pub async fn enrolments(app: App, stop: CancellationToken) -> Result<()> {
    let mut wait = Duration::ZERO;
    while pause(wait, &stop).await {
        // One that is cut off is taken again when its lease is over.
        wait = match tokio::select! { worked = enrol::work_once(&app) => worked, () = stop.cancelled() => break } {
            Ok(worked) if worked.more => Duration::ZERO,
            Ok(_) => Duration::from_secs(1),
            Err(error) => {
                crate::http::failure::log_internal(&error);
                Duration::from_secs(5)
            }
        };
    }
    Ok(())
}

/// The work of jobs, when there is something that can do it.
pub async fn jobs(app: App, perform: Arc<dyn Perform>, server: String, stop: CancellationToken) -> Result<()> {
    let clock = app.clone();
    let clock = Arc::new(move || clock.now());
    Runner { app, perform, server, clock, grace: JOB_GRACE }.run(stop).await
}

/// Blobs that nothing uses go after their time of grace; at the start and then hourly, so do files of which there is no
/// record (the server was killed between the two, or a removal failed), and switch ports that no cable leads to. The blob of the site part is never recorded.
/// `own`: the blobs that the database knows are this server's. A boot server with an upstream forgets none of them, for it cannot
/// remove their files; it only tidies its own folder, and never its cache, which sees to itself.
pub async fn collect_blobs(app: App, blobs: Blobs, site: Sha256, own: bool, stop: CancellationToken) -> Result<()> {
    let mut minutes: u32 = 0;
    loop {
        if minutes.is_multiple_of(60)
            && let Err(error) = collect_orphans(&app, &blobs, &site).await
        {
            crate::http::failure::log_internal(&error);
        }
        if minutes.is_multiple_of(60)
            && let Err(error) = switches::forget_unused(&app).await
        {
            crate::http::failure::log_internal(&error);
        }
        if !pause(COLLECT, &stop).await {
            return Ok(());
        }
        minutes = minutes.wrapping_add(1);
        if let Err(error) = collect(&app, &blobs, own).await {
            crate::http::failure::log_internal(&error);
        }
    }
}

async fn collect(app: &App, blobs: &Blobs, own: bool) -> Result<()> {
    if !own {
        return Ok(());
    }
    let _removing = blobs.removing().await;
    for sha256 in records::forget_unused(app).await? {
        // One that cannot be removed does not keep the others; it is an orphan from now on.
        if let Err(error) = remove_unrecorded(app, blobs, &sha256).await {
            crate::http::failure::log_internal(&error);
        }
    }
    Ok(())
}

async fn collect_orphans(app: &App, blobs: &Blobs, site: &Sha256) -> Result<()> {
    let grace = Duration::from_micros(u64::try_from(app.settings.blob_grace).unwrap_or_default());
    for sha256 in blobs.older(grace).await?.iter().filter(|sha256| *sha256 != site) {
        let _removing = blobs.removing().await;
        if let Err(error) = remove_unrecorded(app, blobs, sha256).await {
            crate::http::failure::log_internal(&error);
        }
    }
    Ok(())
}

/// The caller holds the gate. Another server over the same database may have recorded it again.
async fn remove_unrecorded(app: &App, blobs: &Blobs, sha256: &Sha256) -> Result<()> {
    if records::size(app, sha256.clone()).await?.is_none() {
        blobs.remove(sha256).await?;
        tracing::info!(%sha256, "blob {sha256} was removed: nothing used it");
    }
    Ok(())
}

/// A fresh certificate long before the old one ends, with the addresses that the machine has then.
pub async fn renew(
    current: Arc<Current>,
    authority: Arc<Authority>,
    advertised: Vec<String>,
    stop: CancellationToken,
) -> Result<()> {
    while pause(RENEW_EVERY, &stop).await {
        match current.renew(&authority, &local_names(&advertised)) {
            Ok(()) => tracing::info!("the server has a fresh certificate"),
            Err(error) => crate::http::failure::log_internal(&error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::Settings;
    use crate::store::Store;

    #[tokio::test]
    async fn only_who_has_the_blobs_forgets_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", dir.path().join("db").display())).unwrap();
        let app = App::new(store, Settings { blob_grace: 0, ..Settings::default() });
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        let sha256 = Sha256::of("elsewhere");
        records::record(&app, sha256.clone(), 9).await.unwrap();
        // Younger than the clock's step is not old.
        let recorded = app.now();
        while app.now() == recorded {}
        collect(&app, &blobs, false).await.unwrap();
        assert_eq!(records::size(&app, sha256.clone()).await.unwrap(), Some(9), "a boot server");
        collect(&app, &blobs, true).await.unwrap();
        assert_eq!(records::size(&app, sha256).await.unwrap(), None);
    }

    #[tokio::test]
    async fn old_files_without_a_record_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", dir.path().join("db").display())).unwrap();
        let app = App::new(store, Settings::default());
        let root = dir.path().join("blobs");
        let blobs = Blobs::open(&root).unwrap();
        let mut made = Vec::new();
        for name in ["orphan", "recorded", "site", "fresh"] {
            let (sha256, size) = blobs.put_bytes(name.into()).await.unwrap();
            let file = blobs.open_blob(&sha256).await.unwrap().unwrap().0;
            if name != "fresh" {
                file.set_modified(std::time::SystemTime::now() - Duration::from_secs(30 * 86_400)).unwrap();
            }
            if name == "recorded" {
                records::record(&app, sha256.clone(), size).await.unwrap();
            }
            made.push(sha256);
        }
        collect_orphans(&app, &blobs, &made[2]).await.unwrap();
        let mut there = Vec::new();
        for sha256 in &made {
            there.push(blobs.open_blob(sha256).await.unwrap().is_some());
        }
        assert_eq!(there, [false, true, true, true]);
    }
}
