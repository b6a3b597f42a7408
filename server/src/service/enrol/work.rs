//! The work: BMCs that are due are contacted, some at a time. Any number of servers do this over one database: who takes one
//! holds a claim until its lease is over, and what is found or ordered is stored before the next step; so a server that dies
//! leaves nothing behind that another cannot go on with.

use super::{matching, open, owner};
use crate::bmc::{Access, BmcError, Info, Talk};
use crate::domain::Micros;
use crate::domain::bmc::{BmcAction, BootDevice, NextBoot, Power};
use crate::domain::enrol::{Enrolment, Found, Next, Order};
use crate::error::Result;
use crate::service::App;
use crate::store::Tx;
use futures_util::StreamExt;
use futures_util::stream;
use rand::RngExt;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Taken, and contacted at once. Their starts one after the other take less than a session lives that is not used.
const BATCH: usize = 64;
/// See [`BATCH`].
const STAGGER_MAX: Duration = Duration::from_millis(800);
/// One contact, whole.
const CONTACT: Duration = Duration::from_secs(180);
/// A server that took some and died: so long until others take them. More than a contact takes.
const LEASE: Micros = 240_000_000;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// Contacted.
    pub contacted: usize,
    /// There are more that are due.
    pub more: bool,
}

/// Contact those that are due, once.
pub async fn work_once(app: &App) -> Result<Worked> {
    let now = app.now();
    // A read, most of the time.
    if app.store.read(|tx| tx.next_due_enrolment()).await?.is_none_or(|next| next > now) {
        return Ok(Worked::default());
    }
    let claim = Uuid::now_v7();
    let taken = app
        .store
        .write(move |tx| {
            let mut due = tx.due_enrolments(now, BATCH)?;
            due.retain_mut(|enrolment| enrolment.take(claim, now + LEASE, now));
            due.iter().try_for_each(|enrolment| tx.put_enrolment(enrolment))?;
            Ok(due)
        })
        .await?;
    let worked = Worked { contacted: taken.len(), more: taken.len() == BATCH };
    let pace = &Pace::default();
    stream::iter(taken)
        .for_each_concurrent(BATCH, |enrolment| async move {
            let (id, address) = (enrolment.id, enrolment.address);
            if let Err(error) = one(app, pace, enrolment).await {
                tracing::error!(enrolment = %id, error = ?error, "BMC {address} cannot be enrolled just now: {error}");
            }
        })
        .await;
    Ok(worked)
}

async fn one(app: &App, pace: &Pace, enrolment: Enrolment) -> Result<()> {
    match tokio::time::timeout(CONTACT, contact(app, pace, &enrolment)).await {
        Ok(done) => done,
        Err(_) => {
            let words = format!("the BMC was not done within {} s", CONTACT.as_secs());
            trouble(app, &enrolment, &BmcError::Silent(words), false).await
        }
    }
}

/// Machines are started one after the other: all at once would draw too much current.
#[derive(Default)]
struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits until so long after the one before; microseconds.
    async fn turn(&self, stagger: Micros) {
        let mut last = self.0.lock().await;
        let pause = Duration::from_micros(u64::try_from(stagger).unwrap_or_default()).min(STAGGER_MAX);
        if let Some(last) = *last {
            tokio::time::sleep_until(last + pause).await;
        }
        *last = Some(Instant::now());
    }
}

/// As it is stored, if this claim still holds. None: it does not, somebody else decided meanwhile. Who gave it up finds out
/// that nobody works on it any more.
fn held(tx: &mut Tx<'_>, id: Uuid, claim: Option<Uuid>) -> Result<Option<Enrolment>> {
    let Some(mut enrolment) = tx.enrolment(id)?.filter(|e| e.claim == claim) else { return Ok(None) };
    if enrolment.state.is_open() {
        return Ok(Some(enrolment));
    }
    enrolment.stopped();
    tx.put_enrolment(&enrolment)?;
    Ok(None)
}

/// Change what is stored, if this claim still holds.
async fn change(
    app: &App,
    mine: &Enrolment,
    change: impl Fn(&mut Enrolment) + Send + Sync + 'static,
) -> Result<Option<Enrolment>> {
    let (id, claim) = (mine.id, mine.claim);
    app.store
        .write(move |tx| {
            let Some(mut enrolment) = held(tx, id, claim)? else { return Ok(None) };
            change(&mut enrolment);
            tx.put_enrolment(&enrolment)?;
            Ok(Some(enrolment))
        })
        .await
}

/// It did not work. `undone`: what was about to be done was surely not done.
async fn trouble(app: &App, enrolment: &Enrolment, error: &BmcError, undone: bool) -> Result<()> {
    let (now, error) = (app.now(), error.clone());
    let jitter = rand::rng().random_range(0..=1_000);
    tracing::info!(enrolment = %enrolment.id, "enrolment of {}: {error}", enrolment.address);
    let stored = change(app, enrolment, move |e| {
        match &error {
            BmcError::LoginRefused(_) | BmcError::Refused(_) => e.fail(error.to_string(), now),
            _ => e.later(undone, error.to_string(), jitter, now),
        };
    });
    stored.await.map(drop)
}

async fn hold(app: &App, enrolment: &Enrolment, reason: String) -> Result<()> {
    let now = app.now();
    let stored = change(app, enrolment, move |e| {
        e.hold(reason.clone(), now);
    });
    stored.await.map(drop)
}

/// It is started: its node is waited for, unless that is one that was added by hand before it was ever seen.
async fn started(app: &App, enrolment: &Enrolment, reason: String) -> Result<()> {
    let (id, claim, now, vault) = (enrolment.id, enrolment.claim, app.now(), app.vault.clone());
    app.store
        .write(move |tx| {
            let Some(mut enrolment) = held(tx, id, claim)? else { return Ok(()) };
            enrolment.hold(reason.clone(), now);
            tx.put_enrolment(&enrolment)?;
            matching::known(tx, &vault, &enrolment, false, now).map(drop)
        })
        .await
}

async fn contact(app: &App, pace: &Pace, enrolment: &Enrolment) -> Result<()> {
    let access = Access {
        node: owner(enrolment.id)?,
        protocol: enrolment.driver.unwrap_or(enrolment.protocol),
        address: enrolment.address,
        port: enrolment.port,
        user: enrolment.user.clone(),
        password: Zeroizing::new(open(&app.vault, enrolment)?.reveal().to_owned()),
        certificate: enrolment.certificate.clone(),
    };
    // No session is kept: it is the only contact for a while.
    let mut talk = match Talk::open(&access).await {
        Ok(talk) => talk,
        Err(error) => return trouble(app, enrolment, &error, false).await,
    };
    let done = with_session(app, pace, enrolment, &mut talk).await;
    talk.close().await;
    done
}

async fn with_session(app: &App, pace: &Pace, enrolment: &Enrolment, talk: &mut Talk) -> Result<()> {
    let told = async { Ok::<_, BmcError>((talk.info().await?, talk.power().await?)) }.await;
    let (info, power) = match told {
        Ok(told) => told,
        Err(error) => return trouble(app, enrolment, &error, false).await,
    };
    let found = found(talk, info, power);
    let (now, vault) = (app.now(), app.vault.clone());
    let stored = app.store.write({
        let (id, claim) = (enrolment.id, enrolment.claim);
        move |tx| {
            let Some(mut enrolment) = held(tx, id, claim)? else { return Ok(None) };
            enrolment.identified(found.clone(), now);
            tx.put_enrolment(&enrolment)?;
            // A node that runs already is not started.
            Ok((!matching::known(tx, &vault, &enrolment, true, now)?).then_some(enrolment))
        }
    });
    let Some(identified) = stored.await? else { return Ok(()) };
    match identified.next_order() {
        Next::Send(order) => {
            pace.turn(app.settings.job_stagger).await;
            start(app, &identified, talk, order).await
        }
        Next::Done => started(app, &identified, "told to boot from the network once, and powered on".to_owned()).await,
        Next::OnAlready => {
            let (address, why) = (identified.address, "on already: restart it yourself, from the network, or");
            hold(app, &identified, format!("{why} `higuma enrol retry {address} --restart`")).await
        }
        Next::Unclear => {
            let address = identified.address;
            let words = "whether its power was cycled is not known: look at the machine; if it does not come";
            hold(app, &identified, format!("{words}: `higuma enrol retry {address} --restart`")).await
        }
    }
}

fn found(talk: &Talk, info: Info, power: Power) -> Found {
    Found {
        driver: talk.protocol(),
        certificate: talk.certificate(),
        uuids: info.uuids.iter().filter_map(|uuid| uuid.parse().ok()).collect(),
        mac: info.mac.and_then(|mac| mac.parse().ok()),
        firmware: crate::domain::boot::clean(&info.firmware, 64),
        power,
    }
}

/// Tell it to boot from the network once, and start it.
async fn start(app: &App, enrolment: &Enrolment, talk: &mut Talk, order: Order) -> Result<()> {
    let next = NextBoot { device: BootDevice::Pxe, persistent: false, uefi: enrolment.uefi };
    match talk.act(BmcAction::BootDevice(next)).await {
        Ok(_) => {}
        Err(BmcError::Refused(why)) => {
            let words =
                format!("it cannot be told to boot from the network: {why}; start it from the network yourself");
            return hold(app, enrolment, words).await;
        }
        Err(error) => return trouble(app, enrolment, &error, true).await,
    }
    let now = app.now();
    let ordered = change(app, enrolment, move |e| {
        e.ordering(order, now);
    });
    let Some(ordered) = ordered.await? else { return Ok(()) };
    let action = match order {
        Order::On => BmcAction::PowerOn,
        Order::Cycle => BmcAction::PowerCycle,
    };
    match talk.act(action).await {
        Ok(done) => started(app, &ordered, format!("told to boot from the network once; {done}")).await,
        Err(BmcError::Refused(why)) => {
            let now = app.now();
            let stored = change(app, &ordered, move |e| {
                e.later(true, String::new(), 0, now);
                e.hold(format!("it cannot be started: {why}; start it yourself, from the network"), now);
            });
            stored.await.map(drop)
        }
        // Whether it was done shows when it is asked for its power again.
        Err(error @ BmcError::Unclear(_)) => trouble(app, &ordered, &error, false).await,
        Err(error) => trouble(app, &ordered, &error, true).await,
    }
}
