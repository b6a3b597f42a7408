//! What a registered boot may boot now: a plan, or wait, or park. Asking again is safe: it gives the plan that
//! holds now.

use super::fallback::{self, Choice};
use super::parking::{self, NoPlan, Parks};
use super::{App, Settings, cabling, drift, install, network, secrets, templates};
use crate::domain::boot::{Boot, Phase};
use crate::domain::firmware::Action;
use crate::domain::image::{Arch, Image, ImageRef};
use crate::domain::install::{Next, given_up};
use crate::domain::node::{Admission, Node};
use crate::domain::parking::ParkAction;
use crate::domain::plan::{self, Plan};
use crate::domain::profile::template::Urls;
use crate::domain::profile::{Mode, Profile, Spec};
use crate::domain::sealed::{Marks, Sealed};
use crate::domain::{Micros, Name, Sha256};
use crate::error::{Error, Result};
use crate::store::Tx;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answer to GetBootPlan.
#[derive(Debug, Clone)]
pub enum PlanAnswer {
    /// Boot this.
    Plan(Box<Planned>),
    /// Ask again after so many seconds.
    Wait {
        /// For a person.
        reason: String,
        /// Seconds.
        retry_after: u32,
        /// The firmware policy has something for the node: its agent is to ask for that first.
        ask_firmware: bool,
    },
    /// The BMC comes first: its agent was told to leave it alone before the node was let in.
    SetUpBmc {
        /// For a person.
        reason: String,
    },
    /// Nothing to boot, and such machines do not wait for ever.
    Park {
        /// For a person.
        reason: String,
        /// What to do.
        action: ParkAction,
        /// After so many seconds, asking again until then; 0: now.
        after_seconds: u32,
    },
}

/// A plan for one boot.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The boot as stored.
    pub boot: Boot,
    /// Its plan.
    pub plan: Plan,
    /// The secrets that it needs, sealed.
    pub secrets: Vec<Sealed>,
}

impl Planned {
    /// For an agent that speaks JSON. Errors: the plan has secrets, which such an answer never holds.
    pub fn without_secrets(&self) -> Result<()> {
        without_secrets(&self.plan)
    }
}

fn without_secrets(plan: &Plan) -> Result<()> {
    match plan.secrets.keys().next() {
        None => Ok(()),
        Some(secret) => Err(Error::Conflict(format!(
            "profile {} has secrets ({secret}), which are given to Higuma's own agent alone, over gRPC: a node that speaks JSON cannot \
             boot it; assign a profile without",
            plan.profile
        ))),
    }
}

/// What of the settings has a say in plans.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    cabling: cabling::Rules,
    /// Failures after which a node gets what it ran last.
    fallback_after: u32,
}

impl Policy {
    pub(super) fn of(app: &App) -> Self {
        Self { cabling: cabling::Rules::of(app), fallback_after: app.settings.fallback_after }
    }
}

/// Plan the boot of a session; `callback` is the hash of the second stage's credential. Errors: the boot has been
/// ended by a newer one; the database.
pub async fn boot_plan(app: &App, boot: &Boot, callback: Sha256) -> Result<PlanAnswer> {
    let (id, now) = (boot.id, app.now());
    let policy = Policy::of(app);
    if let Some(answer) = still_waiting(app, id, now).await? {
        return Ok(answer);
    }
    network::before_giving(app, boot, policy).await?;
    let settings = Arc::clone(&app.settings);
    app.store
        .write(move |tx| {
            let mut boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
            let mut node = owner(tx, &boot)?;
            node.last_seen = now;
            tx.put_node(&node)?;
            if let Some(mut bmc) = tx.bmc(&node.uuid)?.filter(|bmc| bmc.held && bmc.boot == Some(id))
                && find_plan(tx, &node, &boot, policy)?.is_ok()
            {
                // Once: whatever comes of it, the node boots.
                bmc.held = false;
                tx.put_bmc(&bmc)?;
                return Ok(PlanAnswer::SetUpBmc { reason: "the BMC is to be set up first".to_owned() });
            }
            let times = Times { now, boot: settings.boot_deadline, installer: settings.install_deadline };
            let plan = match begin(tx, &mut boot, &node, times, policy)? {
                Ok(plan) => plan,
                Err(reason) => return parking::answer(tx, &settings, (&boot, &node), reason, now),
            };
            boot.callback_hash = Some(callback.clone());
            tx.put_boot(&boot)?;
            let secrets = secrets::needed(tx, &plan)?;
            Ok(PlanAnswer::Plan(Box::new(Planned { boot, plan, secrets })))
        })
        .await
}

/// Thousands of parked nodes ask every few seconds: as long as nothing changes, that is a read, and a write only now and
/// then to tell that the node is still there.
async fn still_waiting(app: &App, id: uuid::Uuid, now: Micros) -> Result<Option<PlanAnswer>> {
    let policy = Policy::of(app);
    let settings: Arc<Settings> = Arc::clone(&app.settings);
    app.store
        .read(move |tx| {
            let Some(boot) = tx.boot(id)? else { return Ok(None) };
            let node = owner(tx, &boot)?;
            if now - node.last_seen > LAST_SEEN_EVERY {
                return Ok(None);
            }
            match find_plan(tx, &node, &boot, policy)? {
                Ok(_) => Ok(None),
                Err(reason) => parking::answer(tx, &settings, (&boot, &node), reason, now).map(Some),
            }
        })
        .await
}

/// A waiting node's last_seen is written at most this often, microseconds.
pub(super) const LAST_SEEN_EVERY: Micros = 30_000_000;

/// How soon a waiting agent asks again, seconds.
pub(super) fn retry_after(settings: &Settings) -> u32 {
    u32::try_from(settings.poll_interval / 1_000_000).unwrap_or(60).max(1)
}

/// The plan that a boot's node has now (for a node that asks `profile` or `detail` by JSON). It changes nothing, but that
/// addresses of pools which the plan lacks are given.
pub async fn current(app: &App, boot: &Boot) -> Result<Planned> {
    let (id, policy) = (boot.id, Policy::of(app));
    let found = app.store.read(move |tx| current_of(tx, id, policy)).await?;
    if found.plan.network.as_ref().is_none_or(|network| network.wanted().next().is_none()) {
        return Ok(found);
    }
    network::before_giving(app, boot, policy).await?;
    let now = app.now();
    app.store
        .write(move |tx| {
            let found = current_of(tx, id, policy)?;
            let node = owner(tx, &found.boot)?;
            match network::give(tx, &node, &found.plan, now)? {
                Ok(_) => current_of(tx, id, policy),
                Err(full) => Err(Error::NotFound(format!("there is no plan yet: {full}"))),
            }
        })
        .await
}

fn current_of(tx: &mut Tx<'_>, id: uuid::Uuid, policy: Policy) -> Result<Planned> {
    let boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
    let node = owner(tx, &boot)?;
    match find_plan(tx, &node, &boot, policy)? {
        Ok(Choice { plan, .. }) => {
            let secrets = secrets::needed(tx, &plan)?;
            Ok(Planned { boot, plan, secrets })
        }
        Err(reason) => Err(Error::NotFound(format!("there is no plan yet: {}", reason.text))),
    }
}

/// The node of a boot. Errors: the boot was ended by a newer one.
pub(super) fn owner(tx: &mut Tx<'_>, boot: &Boot) -> Result<Node> {
    let node = tx.node(&boot.node)?;
    let node = node.ok_or_else(|| Error::internal(format!("boot {} has no node {}", boot.id, boot.node)))?;
    if node.boot != Some(boot.id) {
        return Err(Error::Unauthorized("this boot was ended by a newer one of the same node".into()));
    }
    Ok(node)
}

/// When a boot begins, and after how long it is given up, microseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: Micros,
    boot: Micros,
    installer: Micros,
}

/// Put the boot on its way with the plan that holds now; the caller stores the boot. A deadline that runs already is
/// kept, so that asking again does not move it.
fn begin(
    tx: &mut Tx<'_>,
    boot: &mut Boot,
    node: &Node,
    times: Times,
    policy: Policy,
) -> Result<std::result::Result<Plan, NoPlan>> {
    let mut choice = match find_plan(tx, node, boot, policy)? {
        Ok(choice) => choice,
        Err(reason) => return Ok(Err(reason)),
    };
    match network::give(tx, node, &choice.plan, times.now)? {
        Ok(false) => {}
        // With its addresses.
        Ok(true) => match find_plan(tx, node, boot, policy)? {
            Ok(whole) => choice = whole,
            Err(reason) => return Ok(Err(reason)),
        },
        Err(full) => return without(&full, Parks::Never, false),
    }
    let mut own_cmdline = None;
    let fresh = boot.phase != Phase::Booting;
    let plan = &choice.plan;
    if plan.mode == Mode::Installer {
        let attempt = install::Attempt::new(boot)?;
        // Its own addresses; the plan's hash is over those in place of them, or each boot would differ.
        match would_for(tx, node, &mut Profiles::default(), Some(&attempt.urls))? {
            Ok(own) => own_cmdline = Some(own.cmdline),
            Err(why) => return without(&why.to_string(), Parks::Never, false),
        }
        attempt.begin(tx, boot, node, plan, times.now)?;
    }
    if boot.phase == Phase::Running || !boot.advance(Phase::Booting) {
        return Err(Error::Conflict(format!("this boot is {}: it gets no plan any more", boot.phase)));
    }
    if fresh {
        let after = if plan.mode == Mode::Installer { times.installer } else { times.boot };
        boot.deadline = Some(times.now + after);
        (boot.failed_step, boot.failed_reason) = (None, None);
        cabling::tell_silence(tx, boot, policy.cabling)?;
    }
    fallback::keep(tx, boot, &choice, fresh, times.now)?;
    boot.profile = Some(plan.profile.clone());
    boot.revision = Some(plan.revision);
    boot.image = plan.image.as_ref().map(ToString::to_string);
    boot.plan_hash = Some(plan.hash.clone());
    // With the places of its addresses, as its hash is: no token is kept.
    drift::keep(tx, plan, boot.started)?;
    let mut plan = choice.plan;
    if let Some(cmdline) = own_cmdline {
        plan.cmdline = cmdline;
    }
    Ok(Ok(plan))
}

/// For an agent that speaks JSON and says "installed" at once: its boot takes the plan that holds now, if it has none.
pub(super) fn begin_if_registered(tx: &mut Tx<'_>, boot: &mut Boot, now: Micros, policy: Policy) -> Result<()> {
    if boot.phase != Phase::Registered {
        return Ok(());
    }
    let node = owner(tx, boot)?;
    match begin(tx, boot, &node, Times { now, boot: 0, installer: 0 }, policy)? {
        Ok(plan) if plan.mode == Mode::Installer => Err(Error::Conflict(
            "its profile installs it: the installer calls the address that it was given".to_owned(),
        )),
        Ok(plan) => {
            without_secrets(&plan)?;
            // It took a plan without a word of which: what it runs is known only if there was no other since it came.
            // A pin is to a revision that never changes.
            let pinned = node.profile_revision.is_some();
            if !pinned && tx.active_revision(&plan.profile)?.is_some_and(|(_, since)| since > boot.started) {
                boot.plan_hash = None;
            }
            Ok(())
        }
        Err(reason) => Err(Error::Conflict(format!("there is no plan yet: {}", reason.text))),
    }
}

/// Why a node is told nothing but "wait": a person has to decide first, or its cables are not where they were.
pub(super) fn kept_back(
    tx: &mut Tx<'_>,
    node: &Node,
    boot: &Boot,
    rules: cabling::Rules,
) -> Result<Option<&'static str>> {
    match node.admission {
        _ if node.retired => Ok(Some("the node is retired")),
        Admission::Pending => Ok(Some("the node waits for approval")),
        Admission::Rejected => Ok(Some("the node was rejected")),
        Admission::Admitted if node.maintenance => Ok(Some("the node is in maintenance")),
        Admission::Admitted => cabling::hold(tx, boot, rules),
    }
}

fn without<T>(text: &str, parks: Parks, ask_firmware: bool) -> Result<std::result::Result<T, NoPlan>> {
    Ok(Err(NoPlan { text: text.to_owned(), parks, ask_firmware }))
}

pub(super) fn find_plan(
    tx: &mut Tx<'_>,
    node: &Node,
    boot: &Boot,
    policy: Policy,
) -> Result<std::result::Result<Choice, NoPlan>> {
    let wait = |text: &str| without(text, Parks::Never, false);
    if let Some(why) = kept_back(tx, node, boot, policy.cabling)? {
        let waits_for_approval = node.admission == Admission::Pending && !node.retired;
        return without(why, if waits_for_approval { Parks::ByRule } else { Parks::Never }, false);
    }
    match tx.firmware_action(&node.uuid)? {
        None | Some((Action::Boot, _)) => {}
        // An agent that did not ask for the firmware policy, or before it changed, gets no plan all the same.
        Some((Action::Hold, why)) => return wait(&format!("firmware: {why}")),
        Some((Action::Update, why)) => {
            return without(&format!("firmware is to be updated first: {why}"), Parks::Never, true);
        }
    }
    match would(tx, node, &mut Profiles::default())? {
        Ok(plan) => match plan.mode {
            Mode::Diskless | Mode::Initramfs => Ok(Ok(fallback::choose(tx, node, boot, plan, policy.fallback_after)?)),
            Mode::Ipxe => without("its profile boots it by a script: it restarts for that", Parks::Restarts, false),
            Mode::LocalDisk => without("its profile boots it from its disk", Parks::Restarts, false),
            Mode::Installer => match install::next(tx, node, boot, &plan.profile)? {
                Next::Install(_) => Ok(Ok(Choice::plain(plan))),
                Next::Disk => without("it is installed: it boots from its disk", Parks::Restarts, false),
                Next::GivenUp => wait(&given_up(&plan.profile)),
            },
        },
        Err(why @ Unplanned::NoProfile) => without(&why.to_string(), Parks::Yes, false),
        Err(why) => wait(&why.to_string()),
    }
}

/// Why a node that may boot has no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unplanned {
    /// Nothing is assigned.
    #[error("the node has no profile")]
    NoProfile,
    /// It was deleted.
    #[error("the node's profile does not exist any more: assign another")]
    ProfileGone,
    /// It was deleted.
    #[error("the profile's image does not exist any more: import it again or change the profile")]
    ImageGone,
    /// Of which profile, and what.
    #[error("profile {0} lacks what a node boots: {1}")]
    Lacks(Name, String),
    /// Of which profile, and which template, where.
    #[error("profile {0} does not fit this node: {1}")]
    DoesNotFit(Name, String),
    /// Its image is for other machines.
    #[error(
        "profile {profile} boots image {image}, which is for {arch}, and this node is {own}: assign a profile with an image for {own}"
    )]
    OtherArch {
        /// Which profile.
        profile: Name,
        /// Its image.
        image: ImageRef,
        /// For which machines that is.
        arch: Arch,
        /// What the node is.
        own: Arch,
    },
}

/// Why the plan's image is nothing for this node's processor. None: it fits, or nothing is known of the processor.
pub(super) fn other_arch(tx: &mut Tx<'_>, node: &Node, plan: &Plan) -> Result<Option<Unplanned>> {
    Ok(tx.node_arch(&node.uuid)?.and_then(|own| not_for(own, plan)))
}

/// Why the plan's image is nothing for this processor.
pub(super) fn not_for(own: Arch, plan: &Plan) -> Option<Unplanned> {
    let (image, arch) = plan.image.clone().zip(plan.arch)?;
    (own != arch).then(|| Unplanned::OtherArch { profile: plan.profile.clone(), image, arch, own })
}

/// Profiles with their images that were read already, for many nodes in one transaction.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<(Name, Option<u32>), Found>);

/// Nothing when the profile is gone; its image, and secrets, may be gone alone.
type Found = Option<(Profile, Option<Image>, Marks)>;

impl Profiles {
    /// The revision that counts for a node that was asked for.
    pub(super) fn revision(&self, node: &Node) -> Option<u32> {
        let key = (node.profile.clone()?, node.profile_revision);
        self.0.get(&key)?.as_ref().map(|(profile, ..)| profile.revision)
    }
}

/// What a node would boot, whether or not it may boot now.
pub(super) fn would(
    tx: &mut Tx<'_>,
    node: &Node,
    known: &mut Profiles,
) -> Result<std::result::Result<Plan, Unplanned>> {
    would_for(tx, node, known, None)
}

/// As [`would`], with the addresses that one boot is told.
pub(super) fn would_for(
    tx: &mut Tx<'_>,
    node: &Node,
    known: &mut Profiles,
    urls: Option<&Urls>,
) -> Result<std::result::Result<Plan, Unplanned>> {
    let Some(name) = &node.profile else { return Ok(Err(Unplanned::NoProfile)) };
    let key = (name.clone(), node.profile_revision);
    if !known.0.contains_key(&key) {
        let found = match tx.profile_at(name, node.profile_revision)? {
            None => None,
            Some(profile) => {
                let image = profile.spec.image.as_ref().map(|image| tx.image(image)).transpose()?.flatten();
                let secrets = marks(tx, &profile.spec)?;
                Some((profile, image, secrets))
            }
        };
        known.0.insert(key.clone(), found);
    }
    let Some((profile, image, secrets)) = known.0.get(&key).and_then(Option::as_ref) else {
        return Ok(Err(Unplanned::ProfileGone));
    };
    if image.is_none() && profile.spec.image.is_some() {
        return Ok(Err(Unplanned::ImageGone));
    }
    // Of a profile without templates they make nothing.
    let params = if profile.spec.has_templates() { profile.spec.params.clone() } else { BTreeMap::new() };
    let profile = match templates::rendered(tx, node, profile.clone(), image.as_ref(), urls)? {
        Ok(profile) => profile,
        Err(failed) => return Ok(Err(Unplanned::DoesNotFit(name.clone(), failed.to_string()))),
    };
    if let Some(missing) = profile.spec.missing() {
        return Ok(Err(Unplanned::Lacks(name.clone(), missing.to_string())));
    }
    if let Err(wrong) = profile.spec.check_mode(image.as_ref()) {
        return Ok(Err(Unplanned::DoesNotFit(name.clone(), wrong.to_string())));
    }
    if let Err(wrong) = profile.spec.fits(&image.as_ref().map(|i| i.cmdline.clone()).unwrap_or_default()) {
        return Ok(Err(Unplanned::DoesNotFit(name.clone(), wrong.to_string())));
    }
    if let Err(wrong) = profile.spec.check_secrets_with(image.as_ref(), secrets) {
        return Ok(Err(Unplanned::DoesNotFit(name.clone(), wrong.to_string())));
    }
    let plan = Plan { params, ..plan::plan(node, &profile, image.as_ref(), secrets) };
    Ok(other_arch(tx, node, &plan)?.map_or(Ok(plan), Err))
}

/// What plans say of the secrets that a profile names.
pub(super) fn marks(tx: &mut Tx<'_>, spec: &Spec) -> Result<Marks> {
    tx.secret_marks(&spec.secrets().map(|(name, _)| name).collect())
}
