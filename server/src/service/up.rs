//! The second stage says that it is up, and that it still lives.

use super::{App, events, fallback, plan};
use crate::domain::Micros;
use crate::domain::boot::{Boot, Event, EventState, Phase, clean};
use crate::error::{Error, Result};
use higuma_proto::steps;
use std::net::IpAddr;

/// What the second stage says of itself.
#[derive(Debug, Clone, Default)]
pub struct Up {
    /// os-release PRETTY_NAME.
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// Seconds since its kernel started.
    pub uptime_seconds: u64,
    /// Its own events.
    pub events: Vec<Event>,
    /// From where it is heard: of the connection, never of a header.
    pub peer: Option<IpAddr>,
}

/// Up. Again is a heartbeat. From an agent that speaks JSON (session credential) or from a callback. Errors: a newer boot has taken this one's place; the database. Returns the heartbeat
/// interval in seconds.
pub async fn report_up(app: &App, boot: &Boot, up: Up) -> Result<u32> {
    let (id, now, policy) = (boot.id, app.now(), plan::Policy::of(app));
    let (os, kernel) = (clean(&up.os, 200), clean(&up.kernel, 100));
    let message = format!("{os}, kernel {kernel}, {} s after its kernel started", up.uptime_seconds);
    let first = app
        .store
        .write(move |tx| {
            let mut boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
            let first = boot.phase != Phase::Running;
            plan::begin_if_registered(tx, &mut boot, now, policy)?;
            events::apply(tx, &mut boot, &up.events, now)?;
            if !boot.advance(Phase::Running) {
                return Err(Error::Conflict(format!("this boot is {}: it cannot be up", boot.phase)));
            }
            if first {
                boot.up = Some(now);
                boot.os = Some(os.clone());
                (boot.failed_step, boot.failed_reason) = (None, None);
                boot.last_step = Some(steps::UP.to_owned());
                events::note(tx, &boot, steps::UP, EventState::Ok, message.clone(), now)?;
                fallback::came_up(tx, &boot, now)?;
            }
            boot.heartbeat = Some(now);
            boot.heard_from(up.peer);
            tx.put_boot(&boot)?;
            touch(tx, &boot, now)?;
            Ok(first)
        })
        .await?;
    if first {
        tracing::info!(node = %boot.node, boot = %boot.id, "node {} is up", boot.node);
        metrics::counter!("higuma_boots_total", "outcome" => "up").increment(1);
    }
    Ok(interval(app))
}

/// Still alive, and heard from `peer`. Errors: the boot is not running. Returns the heartbeat interval in seconds, and why the system is to restart
/// itself, if it is.
pub async fn heartbeat(app: &App, boot: &Boot, peer: Option<IpAddr>) -> Result<(u32, Option<String>)> {
    let (id, now) = (boot.id, app.now());
    let reboot = app
        .store
        .write(move |tx| {
            let mut boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
            if boot.phase != Phase::Running {
                return Err(Error::Conflict(format!("this boot is {}, not running: send ReportUp first", boot.phase)));
            }
            boot.heartbeat = Some(now);
            boot.heard_from(peer);
            tx.put_boot(&boot)?;
            touch(tx, &boot, now)?;
            tx.reboot_request(id)
        })
        .await?;
    Ok((interval(app), reboot))
}

fn touch(tx: &mut crate::store::Tx<'_>, boot: &Boot, now: Micros) -> Result<()> {
    if let Some(mut node) = tx.node(&boot.node)? {
        node.last_seen = now;
        tx.put_node(&node)?;
    }
    Ok(())
}

fn interval(app: &App) -> u32 {
    u32::try_from(app.settings.heartbeat_interval / 1_000_000).unwrap_or(60).max(1)
}
