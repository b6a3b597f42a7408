//! Hands that do what a test tells them to, and a small fleet with the server that uses them.

use futures_util::future::BoxFuture;
use higuma::domain::NodeUuid;
use higuma::domain::bmc::BmcAction;
use higuma::domain::node::{Admission, Node};
use higuma::service::jobs::{self, Failure, ItemsQuery, Perform, Runner};
use higuma::service::{App, Settings};
use higuma::store::Store;
use higuma_proto::api::{Job, JobItem, NewJob};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Node number `n`.
pub fn node(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

/// How an action turns out.
pub enum How {
    Ok,
    /// Not now.
    Busy,
    Refused,
    /// Until [`Hands::release`].
    Hangs,
    Panics,
}

type Script = dyn Fn(u32, u32) -> How + Send + Sync;

pub struct Hands {
    script: Box<Script>,
    calls: Mutex<BTreeMap<String, u32>>,
    at_once: Mutex<BTreeMap<String, u32>>,
    pub most_at_once_on_a_node: AtomicU32,
    begun: watch::Sender<u32>,
    released: watch::Sender<bool>,
}

impl Hands {
    /// `script`: by the node's number, and how often it was called for it, from 1.
    pub fn new(script: impl Fn(u32, u32) -> How + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            calls: Mutex::default(),
            at_once: Mutex::default(),
            most_at_once_on_a_node: AtomicU32::new(0),
            begun: watch::Sender::new(0),
            released: watch::Sender::new(false),
        })
    }

    pub fn calls(&self, n: u32) -> u32 {
        self.calls.lock().unwrap().get(node(n).as_str()).copied().unwrap_or(0)
    }

    /// Until so many calls were made.
    pub async fn begun(&self, calls: u32) {
        self.begun.subscribe().wait_for(|begun| *begun >= calls).await.unwrap();
    }

    /// What hangs goes on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

/// A call that is under way, whichever way it ends.
struct Call<'a>(&'a Hands, String);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        *self.0.at_once.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

impl Perform for Hands {
    fn perform(&self, node: NodeUuid, _: BmcAction, _: Instant) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let key = node.to_string();
            let call = {
                let mut calls = self.calls.lock().unwrap();
                let call = calls.entry(key.clone()).or_default();
                *call += 1;
                *call
            };
            let at_once = {
                let mut at_once = self.at_once.lock().unwrap();
                let now = at_once.entry(key.clone()).or_default();
                *now += 1;
                *now
            };
            self.most_at_once_on_a_node.fetch_max(at_once, Ordering::SeqCst);
            let _call = Call(self, key.clone());
            self.begun.send_modify(|begun| *begun += 1);
            let n = u32::from_str_radix(&key[28..], 16).unwrap();
            let failed = |message: &str, transient| Err(Failure { message: message.to_owned(), transient });
            match (self.script)(n, call) {
                How::Ok => {}
                How::Busy => return failed("the BMC is busy", true),
                How::Refused => return failed("the BMC refused it", false),
                How::Hangs => drop(self.released.subscribe().wait_for(|released| *released).await),
                How::Panics => panic!("on purpose"),
            }
            Ok("off; was on".to_owned())
        })
    }
}

/// A runner that runs.
pub struct Running {
    pub task: JoinHandle<higuma::error::Result<()>>,
    stop: CancellationToken,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub struct Fleet {
    pub app: App,
    url: String,
    nodes: u32,
    _dir: tempfile::TempDir,
}

impl Fleet {
    pub async fn new(nodes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("t.db").display());
        let app = App::new(Store::open(&url).unwrap(), Settings::default());
        let put = app
            .store
            .write(move |tx| (0..nodes).try_for_each(|n| tx.put_node(&Node::new(node(n), Admission::Admitted, 1))));
        put.await.unwrap();
        Self { app, url, nodes, _dir: dir }
    }

    /// Another process over the same file.
    pub fn reopen(&mut self) {
        self.app = App::new(Store::open(&self.url).unwrap(), Settings::default());
    }

    /// A server, always the same one, whose clock is that of the runtime.
    pub fn run(&self, hands: &Arc<Hands>) -> Running {
        let (stop, began, then) = (CancellationToken::new(), Instant::now(), self.app.now());
        let clock = move || then + i64::try_from(began.elapsed().as_micros()).unwrap();
        let perform: Arc<dyn Perform> = hands.clone();
        let runner = Runner {
            app: self.app.clone(),
            perform,
            server: "one".into(),
            clock: Arc::new(clock),
            grace: Duration::ZERO,
        };
        Running { task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    /// On all nodes, unless `new` names some.
    pub async fn job(&self, action: &str, new: NewJob) -> Job {
        let all = || (0..self.nodes).map(|n| node(n).to_string()).collect();
        let nodes = if new.nodes.is_empty() { all() } else { new.nodes };
        let new = NewJob { action: action.into(), nodes, ..new };
        jobs::create(&self.app, new, "ana").await.unwrap().0
    }

    pub async fn one(&self, action: &str, n: u32) -> Job {
        self.job(action, NewJob { nodes: vec![node(n).to_string()], ..NewJob::default() }).await
    }

    /// Waits for a state of the job; the test runner ends what waits for ever.
    pub async fn until(&self, id: &str, fits: impl Fn(&Job) -> bool) -> Job {
        loop {
            let job = jobs::show(&self.app, id).await.unwrap();
            if fits(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn items(&self, id: &str) -> Vec<JobItem> {
        jobs::items(&self.app, id, ItemsQuery { limit: Some(500), ..ItemsQuery::default() }).await.unwrap().items
    }
}
