//! Rollouts over nodes that restart when they are asked to: what is stored, asked of others and told.

use crate::common::{Lab, lab, power_on_with};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use higuma::domain::bmc::{Bmc, BmcState};
use higuma::domain::boot::{Boot, Phase};
use higuma::domain::job::JobState;
use higuma::domain::node_event::Kind;
use higuma::domain::{Name, NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::rollouts::{self, Asked, Caller, Command, MembersQuery, Ran};
use higuma::service::{App, nodes, profiles, up, vault};
use higuma::store::{Asker, NodeEventFilter, Store};
use higuma_proto::agent::Inventory;
use higuma_proto::api::{NewProfile, NewRollout, NodePatch, Rollout, RolloutMember, RolloutOptions};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) fn uuid(n: usize) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a4d3{n}").parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Nodes that run revision 1 of profile `web`; revision 2 is a draft. Those in `stuck` do not come up with it.
pub(crate) struct Fleet {
    pub(crate) lab: Lab,
    boots: Vec<Boot>,
    stuck: Vec<usize>,
    /// What nodes report from now on.
    pub(crate) inventory: Inventory,
}

async fn comes_up(app: &App, n: usize, stuck: &[usize], inventory: &Inventory) -> Boot {
    let boot = power_on_with(app, &uuid(n), inventory.clone()).await;
    let answer = plan::boot_plan(app, &boot, Sha256::of(boot.id.to_string())).await.unwrap();
    let PlanAnswer::Plan(planned) = answer else { panic!("{answer:?}") };
    if planned.plan.revision == 1 || !stuck.contains(&n) {
        up::report_up(app, &boot, up::Up { peer: Some(peer(n)), ..up::Up::default() }).await.unwrap();
    }
    boot
}

/// From where node `n` is heard: an address that another DHCP server gave it.
fn peer(n: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(n).unwrap() + 1])
}

impl Fleet {
    pub(crate) async fn new(count: usize, stuck: &[usize]) -> Self {
        Self::with(count, stuck, Inventory::default()).await
    }

    pub(crate) async fn with(count: usize, stuck: &[usize], inventory: Inventory) -> Self {
        let lab = lab(|_| ()).await;
        let app = &lab.app;
        let words = |text: &str| Some(json!({"image": "i:1", "cmdline": text}).as_object().unwrap().clone());
        let new = |text: &str| NewProfile { name: "web".into(), words: words(text), ..NewProfile::default() };
        profiles::create(app, new("one")).await.unwrap();
        let draft = profiles::update_by(app, name("web"), new("two"), true, "person ann").await.unwrap();
        assert_eq!((draft.revision, draft.active), (2, 1));
        let mut boots = Vec::new();
        for n in 0..count {
            power_on_with(app, &uuid(n), inventory.clone()).await;
            let patch = NodePatch { profile: Some("web".into()), ..NodePatch::default() };
            nodes::patch(app, uuid(n), patch).await.unwrap();
            boots.push(comes_up(app, n, &[], &inventory).await);
        }
        Self { lab, boots, stuck: stuck.to_vec(), inventory }
    }

    pub(crate) fn app(&self) -> &App {
        &self.lab.app
    }

    /// The server ends and another begins over the same database.
    async fn restart_server(&mut self) {
        let url = format!("sqlite:{}", self.lab.path("t.db").display());
        let settings = (*self.app().settings).clone();
        let vault = self.app().vault.clone();
        self.lab.app = App::new(Store::open(&url).unwrap(), settings).with_vault(vault);
    }

    pub(crate) async fn start(&self, options: RolloutOptions) -> Rollout {
        rollouts::create(self.app(), asked(options), "ann").await.unwrap().0
    }

    /// A step of the server, and the heartbeats of all nodes, which do what they are told.
    async fn step(&mut self, caller: &dyn Caller) {
        rollouts::step_all(self.app()).await.unwrap();
        rollouts::call_once(self.app(), caller).await.unwrap();
        for n in 0..self.boots.len() {
            if let Ok((_, Some(reason))) = up::heartbeat(self.app(), &self.boots[n], None).await {
                assert!(reason.starts_with("rollout "), "{reason}");
                self.boots[n] = comes_up(self.app(), n, &self.stuck, &self.inventory).await;
            }
        }
    }

    pub(crate) async fn until(&mut self, id: &str, caller: &dyn Caller, what: impl Fn(&Rollout) -> bool) -> Rollout {
        let started = Instant::now();
        loop {
            self.step(caller).await;
            let rollout = rollouts::show(self.app(), id).await.unwrap();
            if what(&rollout) {
                return rollout;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{rollout:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn pins(&self) -> Vec<Option<u32>> {
        let count = self.boots.len();
        let nodes =
            self.app().store.read(move |tx| (0..count).map(|n| tx.node(&uuid(n))).collect::<Result<Vec<_>, _>>());
        nodes.await.unwrap().into_iter().map(|node| node.unwrap().profile_revision).collect()
    }

    async fn members(&self, id: &str) -> Vec<RolloutMember> {
        rollouts::members(self.app(), id, MembersQuery::default()).await.unwrap().items
    }
}

pub(crate) fn asked(options: RolloutOptions) -> NewRollout {
    let select = Some("node.profile == 'web'".to_owned());
    NewRollout {
        profile: "web@2".into(),
        select,
        options: RolloutOptions { soak: Some(0), ..options },
        ..NewRollout::default()
    }
}

pub(crate) fn counts(words: &[(&str, u64)]) -> BTreeMap<String, u64> {
    words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

/// Answers what it is told, and remembers what it was asked.
struct Fake {
    asked: Mutex<Vec<Asked>>,
    answer: fn(&Asked, usize) -> Result<u16, String>,
}

impl Fake {
    fn new(answer: fn(&Asked, usize) -> Result<u16, String>) -> Self {
        Self { asked: Mutex::default(), answer }
    }
}

impl Caller for Fake {
    fn ask(&self, asked: Asked) -> BoxFuture<'_, Result<u16, String>> {
        let mut all = self.asked.lock().unwrap();
        let before = all.iter().filter(|a| a.url == asked.url && a.body.is_some() == asked.body.is_some()).count();
        let answer = (self.answer)(&asked, before);
        all.push(asked);
        async move { answer }.boxed()
    }

    fn run(&self, _: Ran) -> BoxFuture<'_, Result<bool, String>> {
        async { Err("no program is expected".to_owned()) }.boxed()
    }
}

#[tokio::test]
async fn all_nodes_get_it_and_it_becomes_active() {
    let mut fleet = Fleet::new(4, &[]).await;
    let caller = Fake::new(|_, _| Ok(204));
    let plan = rollouts::plan(fleet.app(), asked(RolloutOptions::default())).await.unwrap();
    assert_eq!((plan.total, plan.waves.as_slice(), &plan.changes), (4, &[1, 3][..], &counts(&[("restart", 4)])));
    assert_eq!((plan.members[0].wave, plan.members[3].wave), (1, 2));
    let rollout = fleet.start(RolloutOptions { max_down: Some(2), ..RolloutOptions::default() }).await;
    assert_eq!((rollout.state.as_str(), rollout.total, rollout.down), ("running", 4, 0));
    let refused = rollouts::create(fleet.app(), asked(RolloutOptions::default()), "ben").await;
    assert!(matches!(&refused, Err(Error::Conflict(why)) if why.contains(&rollout.id)), "{refused:?}");
    let refused = profiles::delete(fleet.app(), name("web")).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");

    let canary = fleet.until(&rollout.id, &caller, |r| r.wave == 2).await;
    assert_eq!(canary.waves[0].counts, counts(&[("up", 1)]));
    assert_eq!(fleet.pins().await[..2], [Some(2), None]);
    fleet.restart_server().await;
    let done = fleet.until(&rollout.id, &caller, |r| r.ended_us.is_some()).await;
    assert_eq!((done.state.as_str(), &done.counts), ("done", &counts(&[("up", 4)])), "{}", done.why);
    assert_eq!(fleet.pins().await, [None; 4], "they boot the active revision");
    assert_eq!(profiles::show(fleet.app(), name("web"), None).await.unwrap().active, 2);
    let members = fleet.members(&rollout.id).await;
    assert!(members.iter().all(|m| m.before == "web" && m.up_us >= m.begun_us && m.begun_us.is_some()), "{members:?}");
    let filter = NodeEventFilter { node: Some(uuid(0)), kind: Some(Kind::Rollout), ..NodeEventFilter::default() };
    let events = fleet.app().store.read(move |tx| tx.node_events(&filter, None, 9)).await.unwrap();
    let told: Vec<&str> = events.iter().map(|e| e.notice.message.as_str()).collect();
    assert!(told[0].ends_with("is up with web@2") && told[1].ends_with("restarts with web@2"), "{told:?}");
    assert!(events.iter().all(|e| e.cleared.is_some()), "it asks nothing of anybody");
}

#[tokio::test]
async fn a_canary_that_does_not_come_up_brings_itself_back() {
    let mut fleet = Fleet::new(3, &[0]).await;
    let caller = Fake::new(|_, _| Ok(204));
    let rollout = fleet.start(RolloutOptions { up_within: Some(4), ..RolloutOptions::default() }).await;
    let back = fleet.until(&rollout.id, &caller, |r| r.state == "rolling-back").await;
    assert!(back.why.starts_with("wave 1: 1 failed, 0 allowed; node") && back.why.contains("not up"), "{}", back.why);
    fleet.restart_server().await;
    fleet.until(&rollout.id, &caller, |r| r.counts.contains_key("back-booting")).await;
    assert_eq!(fleet.pins().await, [None; 3], "it is assigned what it had");
    // Without a BMC, somebody else restarts it.
    fleet.boots[0] = comes_up(fleet.app(), 0, &[], &Inventory::default()).await;
    let ended = fleet.until(&rollout.id, &caller, |r| r.ended_us.is_some()).await;
    assert_eq!((ended.state.as_str(), ended.counts), ("rolled-back", counts(&[("back", 1), ("waiting", 2)])));
    assert_eq!(profiles::show(fleet.app(), name("web"), None).await.unwrap().active, 1);
    let again = rollouts::command(fleet.app(), &rollout.id, Command::Pause, "ann").await;
    assert!(matches!(again, Err(Error::Conflict(_))), "it has ended: {again:?}");
}

#[tokio::test]
async fn hooks_are_signed_asked_again_and_the_check_decides() {
    let mut fleet = Fleet::new(2, &[]).await;
    let caller = Fake::new(|asked, before| match (&asked.body, before) {
        // The hook needs two tries, the check says no for ever.
        (Some(_), 0) => Ok(202),
        (Some(_), _) => Ok(200),
        (None, _) => Ok(503),
    });
    let options = RolloutOptions {
        drain: Some("https://lb/drain?of={uuid}".into()),
        undrain: Some("https://lb/undrain?of={uuid}".into()),
        check: Some("http://{hostname}/healthz".into()),
        check_within: Some(1),
        hook_within: Some(60),
        ..RolloutOptions::default()
    };
    let without = rollouts::create(fleet.app(), asked(options.clone()), "ann").await;
    assert!(matches!(&without, Err(Error::BadRequest(why)) if why.contains("hook_secret")), "{without:?}");
    let secret = "0123456789abcdef";
    let new = NewRollout { hook_secret: Some(secret.into()), request_id: Some("r1".into()), ..asked(options) };
    let (rollout, made) = rollouts::create(fleet.app(), new.clone(), "ann").await.unwrap();
    let (same, again) = rollouts::create(fleet.app(), new, "ann").await.unwrap();
    assert!(made && !again && same.id == rollout.id);
    assert!(!format!("{rollout:?}").contains(secret));
    // The secret opens under the new master key as well.
    vault::begin(fleet.app()).await.unwrap();
    vault::resume(fleet.app()).await.unwrap();

    let ended = fleet.until(&rollout.id, &caller, |r| r.ended_us.is_some()).await;
    assert_eq!((ended.state.as_str(), ended.counts), ("rolled-back", counts(&[("back", 1), ("waiting", 1)])));
    assert!(ended.why.contains("the health check did not say yes: expected a status of 2xx, got 503"), "{}", ended.why);
    assert_eq!(fleet.pins().await, [None; 2]);
    let all = caller.asked.lock().unwrap();
    let hooks: Vec<&Asked> = all.iter().filter(|asked| asked.body.is_some()).collect();
    let urls: Vec<&str> = hooks.iter().map(|asked| asked.url.split('?').next().unwrap()).collect();
    assert_eq!(urls, ["https://lb/drain", "https://lb/drain", "https://lb/undrain", "https://lb/undrain"]);
    let header = |asked: &Asked, name: &str| asked.headers.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert_eq!(header(hooks[0], "higuma-id"), header(hooks[1], "higuma-id"), "the same wish");
    let body = hooks[1].body.as_ref().unwrap();
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    hmac::Mac::update(&mut mac, format!("{}.{body}", header(hooks[1], "higuma-timestamp")).as_bytes());
    let expected = format!("sha256={}", hex::encode(hmac::Mac::finalize(mac).into_bytes()));
    assert_eq!(header(hooks[1], "higuma-signature"), expected);
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["action"], &body["node"], &body["revision"]),
        (&json!("drain"), &json!(uuid(0).as_str()), &json!(2))
    );
}

/// Of one node there is never an answer, until somebody lets it come.
struct Slow {
    let_it: tokio::sync::Notify,
}

impl Caller for Slow {
    fn ask(&self, asked: Asked) -> BoxFuture<'_, Result<u16, String>> {
        async move {
            if asked.url.contains(uuid(0).as_str()) {
                self.let_it.notified().await;
            }
            Ok(204)
        }
        .boxed()
    }

    fn run(&self, _: Ran) -> BoxFuture<'_, Result<bool, String>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_slow_address_keeps_nobody_else_waiting() {
    let mut fleet = Fleet::new(3, &[]).await;
    let never = Fake::new(|_, _| Err("nobody is asked yet".into()));
    let options = RolloutOptions {
        waves: Some("100%".into()),
        check: Some("http://{uuid}/".into()),
        check_within: Some(600),
        ..RolloutOptions::default()
    };
    let rollout = fleet.start(options).await;
    fleet.until(&rollout.id, &never, |r| r.counts.get("checking") == Some(&3)).await;
    let (id, slow) = (rollout.id.parse().unwrap(), Slow { let_it: tokio::sync::Notify::new() });
    let app = fleet.app().clone();
    let answered = async || {
        let calls = app.store.read(move |tx| tx.ended_calls_of(id, &[0, 1, 2])).await.unwrap();
        calls.into_iter().map(|call| call.n).collect::<Vec<u32>>()
    };
    // Those that failed just now are due in five seconds.
    let later = async {
        while answered().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut before = answered().await;
        before.sort_unstable();
        slow.let_it.notify_one();
        before
    };
    let calls = async {
        let mut tried = 0;
        while tried < 3 {
            tried += rollouts::call_once(&app, &slow).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (before, ()) =
        tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(later, calls) }).await.unwrap();
    assert_eq!(before, [1, 2], "they did not wait for node 0");
    assert_eq!(answered().await.len(), 3);
}

#[tokio::test]
async fn what_was_asked_for_a_node_ends_with_it() {
    let mut fleet = Fleet::new(2, &[]).await;
    let app = fleet.app().clone();
    // Node 0 does not run and has a BMC: its power is to be cycled. The hook of node 1 says "not yet" for ever.
    let (key, boot) = (uuid(0), fleet.boots[0].id);
    app.store
        .write(move |tx| {
            let mut off = tx.boot(boot)?.unwrap();
            assert!(off.advance(Phase::Ended));
            tx.put_boot(&off)?;
            tx.put_bmc(&Bmc { state: BmcState::Managed, ..Bmc::new(key.clone(), 1) })
        })
        .await
        .unwrap();
    let options = RolloutOptions {
        waves: Some("100%".into()),
        drain: Some("https://lb/?of={uuid}".into()),
        ..RolloutOptions::default()
    };
    let new = NewRollout { hook_secret: Some("0123456789abcdef".into()), ..asked(options) };
    let rollout = rollouts::create(&app, new, "ann").await.unwrap().0;
    let caller = Fake::new(|_, _| Ok(202));
    fleet.until(&rollout.id, &caller, |r| r.counts.contains_key("draining") && r.counts.contains_key("booting")).await;
    let waiting = async || {
        let calls = app.store.read(|tx| tx.due_calls(i64::MAX, 9)).await.unwrap().len();
        (calls, app.store.read(|tx| tx.open_jobs(Asker::Rollout, 9)).await.unwrap())
    };
    assert_eq!(waiting().await, (1, 1));
    assert_eq!(app.store.read(|tx| tx.open_jobs(Asker::Person, 9)).await.unwrap(), 0, "no job of a person's");
    for n in 0..2 {
        let patch = NodePatch { maintenance: Some(true), ..NodePatch::default() };
        nodes::patch(&app, uuid(n), patch).await.unwrap();
    }
    fleet.until(&rollout.id, &caller, |r| r.counts.get("skipped") == Some(&2)).await;
    assert_eq!(waiting().await, (0, 0), "nobody asks the hook any more, and nobody cycles its power");
    let job = app.store.read(|tx| tx.jobs(None, None, 9)).await.unwrap().remove(0);
    assert_eq!((job.state, job.cancelled_by), (JobState::Cancelled, Some(format!("rollout {}", rollout.id))));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let fleet = Fleet::new(1, &[]).await;
    let refused = async |new: NewRollout| rollouts::create(fleet.app(), new, "ann").await.unwrap_err().to_string();
    let disk = json!({"mode": "local-disk"}).as_object().unwrap().clone();
    let disk = NewProfile { name: "disk".into(), words: Some(disk), ..NewProfile::default() };
    profiles::create(fleet.app(), disk).await.unwrap();
    let options = |change: fn(&mut RolloutOptions)| {
        let mut options = RolloutOptions::default();
        change(&mut options);
        asked(options)
    };
    for (new, why) in [
        (NewRollout { profile: "web@3".into(), ..options(|_| ()) }, "revision 3"),
        (NewRollout { profile: "none".into(), ..options(|_| ()) }, "no profile none"),
        (NewRollout { profile: "disk".into(), ..options(|_| ()) }, "no node says that it is up"),
        (NewRollout { select: Some("node.serial == 'x'".into()), ..options(|_| ()) }, "holds for no node"),
        (NewRollout { select: None, ..options(|_| ()) }, "got neither"),
        (options(|o| o.waves = Some("0".into())), "waves"),
        (options(|o| o.max_down = Some(0)), "1 to 1000"),
        (options(|o| o.windows = vec!["never".into()]), "maintenance window"),
        (options(|o| o.hook_deadline = Some("maybe".into())), "fail or go-on"),
        (options(|o| o.check = Some("gopher://x".into())), "http"),
    ] {
        let said = refused(new).await;
        assert!(said.contains(why), "{said}");
    }
    assert!(!rollouts::step_all(fleet.app()).await.unwrap(), "there is none");
    assert!(rollouts::show(fleet.app(), "x").await.is_err());
}
