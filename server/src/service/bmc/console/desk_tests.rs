//! A console without any BMC: who types what once, what a full queue and a closed console do, and hostile bytes.

#![allow(clippy::unwrap_used)]
use super::*;

fn desk() -> (Arc<Desk>, mpsc::Receiver<Typed>) {
    let (desk, typed) = Desk::new("4c4c4544-0042-3510-8052-b4c04f333732".parse().unwrap(), "ann", 7);
    desk.opened();
    (desk, typed)
}

fn text(typed: &mut mpsc::Receiver<Typed>) -> String {
    let mut all = String::new();
    while let Ok(one) = typed.try_recv() {
        match one {
            Typed::Bytes(bytes) => all.push_str(std::str::from_utf8(&bytes).unwrap()),
            Typed::Break => all.push('!'),
        }
    }
    all
}

#[tokio::test]
async fn a_request_that_comes_again_is_not_typed_again() {
    let (desk, mut typed) = desk();
    let one = |writer: &str, number, what: &str| desk.type_in("ann", writer, number, vec![Typed::Bytes(what.into())]);
    assert_eq!(one("a", 1, "x"), Ok(true));
    assert_eq!(one("a", 1, "x"), Ok(false));
    assert_eq!(one("b", 1, "y"), Ok(false));
    assert_eq!(one("a", 2, "z"), Ok(false));
    assert_eq!(one("b", 1, "y"), Ok(false));
    assert_eq!(text(&mut typed), "xyz");
    assert_eq!(desk.type_in("bob", "c", 1, vec![Typed::Break]), Ok(true));
    assert_eq!(text(&mut typed), "!");
}

#[tokio::test]
async fn nothing_is_taken_that_cannot_be_typed() {
    let (desk, mut typed) = desk();
    for number in 1..=TYPED as u64 {
        desk.type_in("ann", "a", number, vec![Typed::Break]).unwrap();
    }
    let next = TYPED as u64 + 1;
    assert_eq!(desk.type_in("ann", "a", next, vec![Typed::Break]), Err(NotTyped::Full));
    text(&mut typed);
    // It was refused, so it is not taken for one that came before.
    assert_eq!(desk.type_in("ann", "a", next, vec![Typed::Bytes(b"q".to_vec())]), Ok(false));
    assert_eq!(text(&mut typed), "q");
    desk.waiting("gone".to_owned());
    assert_eq!(desk.type_in("ann", "a", next + 1, vec![Typed::Break]), Err(NotTyped::NotOpen));
    desk.closed("over", false);
    desk.closed("not the first reason", true);
    assert!(desk.show().reason == "over" && !desk.is_taken());
}

#[tokio::test]
async fn the_screen_is_what_a_terminal_shows() {
    let (desk, _typed) = desk();
    let before = desk.screen().version;
    desk.wrote(b"\x1b[2J\x1b[Hlogin: root\r\n\x1b[1mPassword:\x1b[0m ");
    let screen = desk.screen();
    assert!(screen.version > before);
    assert_eq!(screen.lines[..3], ["login: root", "Password:", ""]);
    assert_eq!((screen.row, screen.column, screen.columns), (1, 10, 100));
    assert_eq!(screen.lines.len(), 31);
    assert_eq!(desk.piece(4).1.bytes.len(), 38 - 4);
}

/// Whatever a node writes, broken escapes and all, the server goes on: the parser is somebody else's.
#[tokio::test]
async fn bytes_of_a_node_cannot_break_it() {
    let (desk, _typed) = desk();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..3_000 {
        let mut bytes = Vec::new();
        for _ in 0..next() % 40 {
            match next() % 6 {
                0 => bytes.extend(format!("\x1b[{};{}", next() % 70_000, next() % 40).bytes()),
                1 => bytes.extend(format!("\x1b[?{}h", next() % 2_010).bytes()),
                2 => bytes.extend("漢e\u{301}\u{1f469}".bytes()),
                3 => bytes.push((next() % 32) as u8),
                _ => bytes.push((next() % 256) as u8),
            }
        }
        desk.wrote(&bytes);
    }
    assert_eq!(desk.screen().lines.len(), 31);
    assert_eq!(desk.phase(), Phase::Open);
}

/// Those who wait for output, those who look at the screen, and the node that writes never wait for each other.
#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let (desk, _typed) = desk();
    let (done, ended) = std::sync::mpsc::channel();
    let until = std::time::Instant::now() + std::time::Duration::from_millis(700);
    let looks: [fn(&Desk); 3] = [
        |desk| desk.wrote(b"x\r\n"),
        |desk| assert_eq!(desk.screen().lines.len(), 31),
        |desk| {
            let mut versions = desk.versions();
            let wait =
                versions.wait_for(|_| desk.end() > 0 && desk.phase() == Phase::Open && !desk.show().state.is_empty());
            futures_util::FutureExt::now_or_never(wait);
        },
    ];
    for look in looks.into_iter().cycle().take(9) {
        let (desk, done) = (desk.clone(), done.clone());
        std::thread::spawn(move || {
            while std::time::Instant::now() < until {
                look(&desk);
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..9 {
        ended.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    }
}
