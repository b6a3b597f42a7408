//! Tests of recipes: what is refused and how that is told, and what is kept of them.

#![allow(clippy::unwrap_used)]

use super::*;

const HEAD: &str = "name = 'web'\nsuite = 'bookworm'\n";

fn parse(more: &str) -> Result<Recipe> {
    Recipe::parse(&format!("{HEAD}{more}"), "web.toml", Path::new("/nonexistent"))
}

#[test]
fn errors_name_the_file_the_line_and_what_was_expected() {
    let long = format!("packages = ['{}']", "x".repeat(10));
    assert!(parse(&long).is_ok());
    for (more, line, expected) in [
        ("colour = 'red'", 3, "unknown field `colour`, expected one of `name`"),
        ("packages = ['-o', 'vim']", 3, "got \"-o\""),
        ("packages = 'vim'", 3, "expected a sequence"),
        ("\nsnapshot = '2026-11-20'", 4, "a time in UTC like 20261120T000000Z, got \"2026-11-20\""),
        ("snapshot = '20261340T000000Z'", 3, "a time in UTC"),
        ("mirror = 'ftp://x'", 3, "expected a mirror as http://HOST/debian"),
        ("exclude = ['systemd']", 3, "expected some of systemd-resolved, systemd-timesyncd"),
        ("arch = 'arm64'", 3, "expected amd64"),
        ("rootfs_type = 'ext4'", 3, "expected squashfs or erofs"),
        ("kernel = '--x'", 3, "name of a kernel's package"),
        ("ssh_keys = ['''ssh-ed25519 A\nssh-rsa B''']", 3, "one line each"),
        ("distribution = 'fedora'", 3, "`debian` or `ubuntu`"),
        ("[[files]]\npath = 'etc/motd'\ncontent = ''", 4, "an absolute path"),
        ("[[files]]\npath = '/etc/../x'\ncontent = ''", 4, "an absolute path"),
        ("[[files]]\npath = '/x'\ncontent = ''\nmode = '99'", 6, "three or four octal digits"),
        ("[[files]]\npath = '/x'\ncontent = ''\nmode = 644", 6, "invalid type: integer"),
        ("[[files]]\npath = '/x'\ncontent = ''\nowner = 'a:b'", 6, "expected a name or a number"),
        ("[[scripts]]\ncontent = ''\ndeadline_seconds = 0", 5, "expected 1 to 14400 seconds"),
    ] {
        let said = parse(more).unwrap_err().message;
        assert!(said.starts_with(&format!("web.toml: TOML parse error at line {line},")), "{more}: {said}");
        assert!(said.contains(expected), "{more}: {said}");
    }
    for (text, expected) in [
        ("name = 'Web'\nsuite = 'sid'", "1 to 63 of a-z"),
        ("name = 'web'", "missing field `suite`"),
        ("name = 'web'\nsuite = 'warty'", "say whose by `distribution"),
    ] {
        let said = Recipe::parse(text, "web.toml", Path::new("/")).unwrap_err().message;
        assert!(said.contains(expected), "{said}");
    }
    for (more, expected) in [
        ("[[files]]\npath = '/x'", "web.toml: the file /x: expected one of `content` and `source`"),
        ("[[scripts]]\ncontent = ''\nsource = 'x'", "web.toml: script 1: expected one of"),
        ("[[scripts]]\nsource = 'x'", "web.toml: script 1: could not read /nonexistent/x"),
        ("[[files]]\npath = '/x'\ncontent = 'a'\nsha256 = 'b'", "expected SHA-256 b, got ca978112"),
    ] {
        let said = parse(more).unwrap_err().message;
        assert!(said.starts_with("web.toml") && said.contains(expected), "{said}");
    }
    // A private key is never said again.
    let said = parse("ssh_keys = ['-----BEGIN OPENSSH PRIVATE KEY-----']").unwrap_err().message;
    assert!(said.contains("expected public keys"), "{said}");
}

#[test]
fn the_suite_tells_whose_it_is() {
    let of = |suite: &str, more: &str| {
        let text = format!("name = 'a'\nsuite = '{suite}'\n{more}");
        Recipe::parse(&text, "r", Path::new("/")).and_then(|recipe| distribution::of(&recipe))
    };
    assert_eq!(of("trixie", "").unwrap(), Distribution::Debian);
    assert_eq!(of("noble", "").unwrap(), Distribution::Ubuntu);
    assert_eq!(of("zzz", "distribution = 'ubuntu'").unwrap(), Distribution::Ubuntu);
    assert!(of("zzz", "").is_err());
}

#[test]
fn what_is_kept_builds_the_same_without_the_files_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("setup.sh"), "#!/bin/sh\necho \"it's\" 'so' \\\n\ttab\n").unwrap();
    std::fs::write(dir.path().join("logo"), [0xff, 0, 1]).unwrap();
    let text = format!(
        "{HEAD}snapshot = '20261120T000000Z'\ncmdline = 'quiet'\nssh_keys = ['ssh-ed25519 AAAA me']\nrootfs_type = 'erofs'\n\
         [[files]]\npath = '/etc/motd'\ncontent = \"a\\u0007\\nb\"\nmode = '600'\nowner = '33'\n\
         [[files]]\npath = '/logo'\nsource = 'logo'\n[[scripts]]\nsource = 'setup.sh'\ndeadline_seconds = 5\n"
    );
    let recipe = Recipe::parse(&text, "r", dir.path()).unwrap();
    assert_eq!(recipe.epoch(), Some(1_795_132_800));
    assert!(!recipe.is_whole(&text));
    let kept = recipe.whole().unwrap();
    // What is no text stays a file, whose bytes are now told by their hash.
    let again = Recipe::parse(&kept, "kept", dir.path()).unwrap();
    let bytes = |r: &Recipe| (r.files.iter().map(|f| f.bytes.clone()).collect::<Vec<_>>(), r.scripts[0].bytes.clone());
    assert_eq!(bytes(&again), bytes(&recipe));
    assert_eq!(again.whole().unwrap(), kept);
    assert!(again.scripts[0].source.is_none() && again.files[1].sha256.is_some(), "{kept}");
    std::fs::write(dir.path().join("logo"), "another").unwrap();
    let said = Recipe::parse(&kept, "kept", dir.path()).unwrap_err().message;
    assert!(said.contains("the file /logo: expected SHA-256"), "{said}");
}

#[test]
fn long_sources_are_kept_by_their_hash_and_long_contents_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("long"), "x".repeat(RECIPE_MAX)).unwrap();
    std::fs::write(dir.path().join("short"), "y".repeat(1000)).unwrap();
    let text = format!("{HEAD}[[files]]\npath = '/l'\nsource = 'long'\n[[files]]\npath = '/s'\nsource = 'short'\n");
    let kept = Recipe::parse(&text, "r", dir.path()).unwrap().whole().unwrap();
    assert!(kept.len() < 2000 && kept.contains("source = \"long\"") && kept.contains("yyy"), "{kept}");
    let inline = parse(&format!("[[files]]\npath = '/l'\ncontent = '{}'\n", "x".repeat(RECIPE_MAX))).unwrap();
    assert!(inline.whole().unwrap_err().message.contains("`source`"));
}
