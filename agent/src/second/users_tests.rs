//! Users in roots as Debian and RHEL have them.

#![allow(clippy::unwrap_used)]
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::*;

const HASH: &str = "$6$saltsalt$hash";

fn put(root: &Path, path: &str, mode: u32, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn root() -> (tempfile::TempDir, Tree) {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    put(
        at,
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nold:x:1500:1600:Old:/srv/old:/bin/sh\n+::::::\n",
    );
    put(at, "etc/group", 0o644, "root:x:0:\nsudo:x:27:\nadm:x:4:syslog\nstaff:x:50:\n");
    put(at, "etc/shadow", 0o640, "root:*:19000:0:99999:7:::\nold:$6$a$b:19000:0:99999:7:::\n");
    put(at, "etc/gshadow", 0o640, "root:*::\nsudo:!::\nadm:!::syslog\n");
    put(at, "etc/sudoers", 0o440, "@includedir /etc/sudoers.d\n");
    put(at, "bin/bash", 0o755, "");
    put(at, "bin/sh", 0o755, "");
    let tree = Tree::open(at).unwrap();
    (root, tree)
}

/// Whoever runs this, so that files can be given to it.
fn me() -> u32 {
    nix::unistd::getuid().as_raw()
}

fn user(name: &str, uid: u32) -> User {
    User { name: name.to_owned(), uid, ..User::default() }
}

/// As `add` sees them, without owners that only root may give.
fn added(tree: &Tree, users: &[User]) -> Vec<Result<Vec<String>, String>> {
    let mut accounts = Accounts::read(tree).unwrap();
    let added: Vec<_> = users.iter().map(|user| accounts.add(user, "/bin/bash")).collect();
    let outcomes = users.iter().zip(added).map(|(user, added)| added.map(|_| accounts.join(user))).collect();
    accounts.write(tree).unwrap();
    outcomes
}

fn lines(root: &tempfile::TempDir, path: &str) -> Vec<String> {
    std::fs::read_to_string(root.path().join(path)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_new_user_is_in_all_four_files_once() {
    let (root, tree) = root();
    let ann = User {
        groups: vec!["sudo".into(), "adm".into(), "wheel".into()],
        comment: "Ann".into(),
        password_hash: HASH.into(),
        ..user("ann", 1000)
    };
    let bo = User { shell: "/bin/sh".into(), home: "/srv/bo".into(), ..user("bo", 70_000) };
    let users = [ann, bo];
    for _ in 0..2 {
        assert_eq!(added(&tree, &users), [Ok(vec!["the image has no group wheel".to_owned()]), Ok(vec![])]);
        assert_eq!(
            lines(&root, "etc/passwd")[3..],
            ["ann:x:1000:1000:Ann:/home/ann:/bin/bash", "bo:x:70000:70000::/srv/bo:/bin/sh", "+::::::"]
        );
        let group = lines(&root, "etc/group");
        assert_eq!(group[1..3], ["sudo:x:27:ann", "adm:x:4:syslog,ann"]);
        assert_eq!(group[4..], ["ann:x:1000:", "bo:x:70000:"]);
        assert_eq!(
            lines(&root, "etc/shadow")[2..],
            [format!("ann:{HASH}::0:99999:7:::"), "bo:*::0:99999:7:::".to_owned()]
        );
        let gshadow = lines(&root, "etc/gshadow");
        assert_eq!(gshadow[1..], ["sudo:!::ann", "adm:!::syslog,ann", "ann:!::", "bo:!::"]);
    }
    let mode = |path: &str| std::fs::metadata(root.path().join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("etc/passwd"), mode("etc/shadow")), (0o644, 0o640), "modes stay");
    assert_eq!(std::fs::read_dir(root.path().join("etc")).unwrap().count(), 5, "nothing is left beside them");
}

#[test]
fn users_of_the_image_stay_who_they_are() {
    let (root, tree) = root();
    let users = [
        User { groups: vec!["adm".into()], ..user("old", 1500) },
        User { password_hash: HASH.into(), ..user("root", 0) },
    ];
    assert_eq!(added(&tree, &users), [Ok(vec![]), Ok(vec![])]);
    let passwd = lines(&root, "etc/passwd");
    assert_eq!(
        (passwd[0].as_str(), passwd[2].as_str()),
        ("root:x:0:0:root:/root:/bin/sh", "old:x:1500:1600:Old:/srv/old:/bin/sh")
    );
    assert_eq!(
        lines(&root, "etc/shadow"),
        [format!("root:{HASH}::0:99999:7:::"), "old:$6$a$b:19000:0:99999:7:::".to_owned()],
        "a password that nothing is said of stays"
    );
    let before = lines(&root, "etc/passwd");
    for (bad, why) in [
        (user("old", 1501), "with the number 1500"),
        (user("daemon", 1000), "with the number 1"),
        (user("new", 1500), "that of the image's user old"),
        (user("staff", 1000), "a group staff with the number 50"),
        (user("new", 50), "that of the image's group staff"),
        (user("new", 0), "0 for root alone"),
        (user("root", 5), "0 for root alone"),
        (user("a:b", 1000), "expected names"),
        (User { comment: "x\nevil::0:0:::".into(), ..user("new", 1000) }, "expected fields"),
        (User { password_hash: ":0".into(), ..user("new", 1000) }, "expected fields"),
        (User { shell: "sh".into(), ..user("new", 1000) }, "expected fields"),
    ] {
        let error = added(&tree, std::slice::from_ref(&bad)).remove(0).unwrap_err();
        assert!(error.contains(why), "{}: {error}", bad.name);
    }
    assert_eq!(lines(&root, "etc/passwd"), before);
}

#[test]
fn an_image_without_shadow_has_the_hash_in_passwd() {
    let (root, tree) = root();
    for gone in ["etc/shadow", "etc/gshadow"] {
        std::fs::remove_file(root.path().join(gone)).unwrap();
    }
    let ann = User { password_hash: HASH.into(), ..user("ann", 1000) };
    assert_eq!(added(&tree, &[ann, user("bo", 1001)]), [Ok(vec![]), Ok(vec![])]);
    let passwd = lines(&root, "etc/passwd");
    assert_eq!(passwd[3], format!("ann:{HASH}:1000:1000::/home/ann:/bin/bash"));
    assert_eq!(passwd[4], "bo:*:1001:1001::/home/bo:/bin/bash");
    assert!(!root.path().join("etc/shadow").exists());
}

#[test]
fn a_user_may_be_in_the_group_of_another_that_comes_later() {
    let (root, tree) = root();
    let users = [User { groups: vec!["bo".into()], ..user("ann", 1000) }, user("bo", 1001)];
    assert_eq!(added(&tree, &users), [Ok(vec![]), Ok(vec![])]);
    assert_eq!(lines(&root, "etc/group")[4..], ["ann:x:1000:", "bo:x:1001:ann"]);
}

#[test]
fn a_hash_that_an_image_keeps_in_passwd_stays_there() {
    let (root, tree) = root();
    let line = format!("old:{HASH}:1500:1600:Old:/srv/old:/bin/sh\n");
    put(root.path(), "etc/passwd", 0o644, &line);
    put(root.path(), "etc/shadow", 0o640, "root:*:19000:0:99999:7:::\n");
    assert_eq!(added(&tree, &[User { groups: vec!["adm".into()], ..user("old", 1500) }]), [Ok(vec![])]);
    assert_eq!(lines(&root, "etc/passwd"), [line.trim_end()]);
    assert_eq!(lines(&root, "etc/shadow").len(), 1);
    // The profile's own goes where hashes belong.
    assert_eq!(added(&tree, &[User { password_hash: HASH.into(), ..user("old", 1500) }]), [Ok(vec![])]);
    assert_eq!(lines(&root, "etc/passwd"), ["old:x:1500:1600:Old:/srv/old:/bin/sh"]);
    assert_eq!(lines(&root, "etc/shadow")[1..], [format!("old:{HASH}::0:99999:7:::")]);
}

#[test]
fn home_keys_and_sudo_are_the_users() {
    let (root, tree) = root();
    let account =
        Account { ids: (me(), nix::unistd::getgid().as_raw()), home: "/home/ann".into(), shell: "/bin/sh".into() };
    let keys = vec!["ssh-ed25519 AAAA ann\nevil".to_owned(), "ssh-rsa BBBB ann".to_owned()];
    let ann = User { ssh_authorized_keys: keys, sudo_nopasswd: true, ..user("ann", 1000) };
    for _ in 0..2 {
        assert_eq!(own(&tree, &ann, &account), Vec::<String>::new());
    }
    let found = |path: &str| std::fs::metadata(root.path().join(path)).unwrap();
    for (path, mode) in [("home/ann", 0o700), ("home/ann/.ssh", 0o700), ("home/ann/.ssh/authorized_keys", 0o600)] {
        assert_eq!((found(path).mode() & 0o7777, found(path).uid()), (mode, me()), "{path}");
    }
    assert_eq!(found("home").mode() & 0o7777, 0o755);
    assert_eq!(lines(&root, "home/ann/.ssh/authorized_keys"), ["ssh-ed25519 AAAA ann", "ssh-rsa BBBB ann"]);
    assert_eq!(lines(&root, "etc/sudoers.d/90-higuma-ann"), ["ann ALL=(ALL:ALL) NOPASSWD: ALL"]);
    assert_eq!(found("etc/sudoers.d/90-higuma-ann").mode() & 0o7777, 0o440);
    std::fs::remove_file(root.path().join("etc/sudoers")).unwrap();
    let told = own(&tree, &ann, &Account { shell: "/bin/zsh".into(), home: "/".into(), ..account });
    assert!(told.len() == 3 && told[0].contains("/bin/zsh") && told[2].contains("sudo"), "{told:?}");
}

#[test]
fn an_image_without_users_or_a_damaged_one_is_told_and_left_alone() {
    let (root, tree) = root();
    assert!(write(&tree, &[]).is_empty());
    std::fs::write(root.path().join("etc/shadow"), [b'a', 0xff]).unwrap();
    let told = write(&tree, &[user("ann", 1000)]);
    assert!(told.len() == 1 && told[0].contains("/etc/shadow is not UTF-8"), "{told:?}");
    std::fs::write(root.path().join("etc/shadow"), vec![b'a'; 5 << 20]).unwrap();
    assert!(write(&tree, &[user("ann", 1000)])[0].contains("larger"));
    std::fs::remove_file(root.path().join("etc/passwd")).unwrap();
    assert!(write(&tree, &[user("ann", 1000)])[0].contains("/etc/passwd"));
    assert!(!root.path().join("home").exists());
}

proptest::proptest! {
    #[test]
    fn no_user_adds_more_than_one_line(name in "[a-z:\n]{0,6}", comment in "[a-z:\n\0]{0,6}", hash in "[a-z$:\n]{0,6}") {
        let (root, tree) = root();
        let before = lines(&root, "etc/passwd").len() + lines(&root, "etc/shadow").len();
        let odd = User { name, uid: 1000, comment, password_hash: hash, ..User::default() };
        let made = added(&tree, &[odd])[0].is_ok();
        let after = lines(&root, "etc/passwd").len() + lines(&root, "etc/shadow").len();
        proptest::prop_assert_eq!(after, before + if made { 2 } else { 0 });
    }
}
