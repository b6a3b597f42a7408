//! Serial consoles through the use cases, with a simulated BMC on UDP: shared by all, in the one session, going on when the BMC
//! is lost, given back when nobody looks.

use crate::common::Lab;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use higuma::domain::NodeUuid;
use higuma::domain::bmc::BmcAction;
use higuma::error::Error;
use higuma::service::bmc::{self, Hands, console};
use higuma::service::jobs::Perform;
use higuma::service::node_events::{self, NodeEventQuery};
use higuma_ipmi::Password;
use higuma_ipmi::lan::{Console, Session, Target};
use higuma_ipmi::sim::{Misbehave, Settings, SimBmc, User};
use higuma_proto::api::{ConsoleInput, OpenConsole, SetBmc};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    lab: Lab,
    sim: SimBmc,
    node: NodeUuid,
}

async fn rig() -> Rig {
    let mut lab = crate::common::lab(|_| ()).await;
    lab.app.consoles.unused = Duration::from_secs(3);
    let sim = SimBmc::start(([127, 0, 0, 1], 0).into(), Settings::default()).await.unwrap();
    let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c000000077".parse().unwrap();
    crate::common::power_on(&lab.app, &node).await;
    let by_hand = SetBmc {
        address: Some("127.0.0.1".into()),
        port: Some(sim.address.port()),
        protocol: Some("ipmi".into()),
        user: Some("admin".into()),
        password: Some("secret".into()),
        ..SetBmc::default()
    };
    bmc::set(&lab.app, node.clone(), by_hand).await.unwrap();
    Rig { lab, sim, node }
}

impl Rig {
    async fn open(&self, take: bool) -> Result<String, Error> {
        console::open(&self.lab.app, self.node.clone(), OpenConsole { take }, "ann").await.map(|state| state.state)
    }

    /// All that the node wrote, once it ends with `end`.
    async fn until(&self, end: &str) -> String {
        let mut all = String::new();
        let mut from = Some(0);
        let reading = async {
            while !all.ends_with(end) {
                let piece = console::output(&self.lab.app, self.node.clone(), from, Some(5)).await.unwrap();
                all.push_str(&String::from_utf8(STANDARD.decode(piece.data).unwrap()).unwrap());
                from = Some(piece.next);
            }
        };
        if timeout(PATIENCE, reading).await.is_err() {
            panic!("{end:?} did not come: {all:?}");
        }
        all
    }

    async fn types(&self, by: &str, sequence: u64, text: &str) -> Result<(), Error> {
        let input =
            ConsoleInput { writer: by.into(), sequence, data: STANDARD.encode(text), ..ConsoleInput::default() };
        console::input(&self.lab.app, self.node.clone(), input, by).await.map(drop)
    }

    /// What came to the node's serial port, once it is as long as `text`.
    async fn typed(&self, text: &str) {
        let mut all = Vec::new();
        let began = Instant::now();
        while all.len() < text.len() && began.elapsed() < PATIENCE {
            all.extend(self.sim.serial_input());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(String::from_utf8_lossy(&all), text);
    }

    async fn state(&self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = console::screen(&self.lab.app, self.node.clone(), None, None).await.unwrap();
            if screen.console.state == wanted {
                return screen.console.reason;
            }
            assert!(began.elapsed() < PATIENCE, "{wanted} was expected: {:?}", screen.console);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn events(&self) -> Vec<String> {
        let events = node_events::list(&self.lab.app, NodeEventQuery::default()).await.unwrap();
        events.items.into_iter().rev().map(|event| event.message).collect()
    }
}

#[tokio::test]
async fn all_who_look_share_one_console_in_the_one_session() {
    let rig = rig().await;
    let before = console::output(&rig.lab.app, rig.node.clone(), None, None).await.unwrap_err();
    assert!(matches!(before, Error::NotFound(_)) && before.to_string().contains("higuma console"), "{before}");
    assert_eq!(rig.open(false).await.unwrap(), "open");
    assert_eq!(rig.open(false).await.unwrap(), "open");
    rig.sim.serial_output(b"GRUB loading\r\nlogin: ");
    assert_eq!(rig.until("login: ").await, "GRUB loading\r\nlogin: ");
    rig.types("ann", 1, "root\r").await.unwrap();
    // Its answer was lost, so it is sent again.
    rig.types("ann", 1, "root\r").await.unwrap();
    rig.types("bob", 1, "x").await.unwrap();
    rig.typed("root\rx").await;

    // Power is asked and switched meanwhile, in the same session.
    let hands = Hands { app: rig.lab.app.clone() };
    let done =
        hands.perform(rig.node.clone(), BmcAction::PowerOn, Instant::now() + PATIENCE).await.map_err(|f| f.message);
    assert_eq!(done.unwrap(), "powered on");
    rig.sim.serial_output(b"\r\nbooting");
    rig.until("booting").await;
    assert_eq!(rig.sim.sessions(), 1);

    let screen = console::screen(&rig.lab.app, rig.node.clone(), Some(0), Some(5)).await.unwrap();
    assert_eq!(screen.lines[..3], ["GRUB loading", "login:", "booting"]);
    let input = ConsoleInput { writer: "ann".into(), sequence: 2, break_after: true, ..ConsoleInput::default() };
    console::input(&rig.lab.app, rig.node.clone(), input, "ann").await.unwrap();
    let began = Instant::now();
    while rig.sim.serial_breaks() == 0 {
        assert!(began.elapsed() < PATIENCE, "no break came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let closed = console::close(&rig.lab.app, rig.node.clone(), "bob").await.unwrap();
    assert_eq!((closed.state.as_str(), closed.reason.as_str()), ("closed", "it was closed"));
    let refused = rig.types("ann", 3, "y").await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)), "{refused}");
    let told = rig.events().await;
    assert_eq!(
        told,
        [
            "ann opened the serial console",
            "ann types on the serial console",
            "bob types on the serial console",
            "bob closed the serial console",
        ]
    );
    // Given back: another program can have it at once.
    let mut other = Session::open(&target(&rig)).await.unwrap();
    let line = Console::open(&mut other, false).await.unwrap();
    line.close(&mut other).await.unwrap();
}

fn target(rig: &Rig) -> Target {
    Target::new(rig.sim.address, "admin".into(), Password::new("secret".into()))
}

#[tokio::test]
async fn one_that_is_open_elsewhere_is_taken_only_when_that_is_said() {
    let rig = rig().await;
    let mut other = Session::open(&target(&rig)).await.unwrap();
    let _line = Console::open(&mut other, false).await.unwrap();
    let refused = rig.open(false).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)) && refused.to_string().contains("--take"), "{refused}");
    assert_eq!(rig.open(true).await.unwrap(), "open");
    // And taken away again: told, and not fought over.
    let _line = Console::open(&mut other, true).await.unwrap();
    let reason = rig.state("closed").await;
    assert!(reason.contains("somebody else"), "{reason}");
    assert!(rig.events().await.iter().any(|event| event == "ann opened the serial console"));
}

#[tokio::test]
async fn a_lost_bmc_is_waited_for() {
    let rig = rig().await;
    assert_eq!(rig.open(false).await.unwrap(), "open");
    rig.sim.serial_output(b"one ");
    rig.until("one ").await;
    // As after a reset of the BMC.
    rig.sim.forget_sessions();
    // Something is typed, so that it is noticed; it may be lost with the session.
    let _ = rig.types("ann", 1, "lost").await;
    rig.state("waiting").await;
    let refused = rig.types("ann", 2, "not now").await;
    assert!(matches!(refused, Err(Error::Conflict(_)) | Ok(())), "{refused:?}");
    rig.state("open").await;
    rig.sim.serial_input();
    rig.sim.serial_output(b"two");
    assert_eq!(rig.until("two").await, "one two");
    rig.types("ann", 3, "after").await.unwrap();
    rig.typed("after").await;
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let rig = rig().await;
    let other: NodeUuid = "4c4c4544-0046-3010-8052-b4c000000078".parse().unwrap();
    crate::common::power_on(&rig.lab.app, &other).await;
    let without = console::open(&rig.lab.app, other, OpenConsole::default(), "ann").await.unwrap_err();
    assert!(matches!(without, Error::NotFound(_)), "{without}");
    // Reset, with another password: the session that was kept is over.
    rig.sim.hardware(|h| h.users = vec![User { name: "admin".into(), password: Password::new("changed".into()) }]);
    rig.sim.forget_sessions();
    let refused = rig.open(false).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)) && refused.to_string().contains("wrong password"), "{refused}");
    // And with the right one the next time, whatever was kept.
    rig.sim.hardware(|h| h.users = vec![User { name: "admin".into(), password: Password::new("secret".into()) }]);
    rig.lab.app.bmcs.forgive(&rig.node).await;
    assert_eq!(rig.open(false).await.unwrap(), "open");
    rig.sim.forget_sessions();
    console::close(&rig.lab.app, rig.node.clone(), "ann").await.unwrap();
    assert_eq!(rig.events().await.iter().filter(|event| event.contains("opened")).count(), 1);
}

#[tokio::test]
async fn one_that_nobody_looks_at_is_given_back() {
    let rig = rig().await;
    assert_eq!(rig.open(false).await.unwrap(), "open");
    // Looked at for longer than that: it stays.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.state("open").await;
    }
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(rig.state("closed").await, "nobody looked at it for 3 s");
    let mut other = Session::open(&target(&rig)).await.unwrap();
    Console::open(&mut other, false).await.unwrap();
}

#[tokio::test]
async fn one_that_is_closed_while_it_opens_leaves_nothing_open() {
    let rig = rig().await;
    rig.sim.misbehave(Misbehave { delay: Duration::from_millis(300), ..Misbehave::default() });
    let (app, node) = (rig.lab.app.clone(), rig.node.clone());
    let opening = tokio::spawn(async move { console::open(&app, node, OpenConsole::default(), "ann").await });
    let began = Instant::now();
    // The BMC has opened it, and its answer is on the way.
    while !rig.sim.serial_active() {
        assert!(began.elapsed() < PATIENCE, "the console was not opened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    console::close(&rig.lab.app, rig.node.clone(), "bob").await.unwrap();
    assert_eq!(rig.state("closed").await, "it was closed");
    let _ = opening.await.unwrap();
    assert!(!rig.sim.serial_active(), "the BMC keeps a console open that nobody has");
}
