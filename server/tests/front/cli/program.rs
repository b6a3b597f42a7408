//! `image import --program`: a program that is no Linux is taken as it is, and told for which machines it is.

use super::oci::{files, import_of};
use super::{Home, bzimage, empty_server, text};
use serde_json::{Value, json};

/// As memtest86+ begins: the header of Linux's boot protocol, without what a kernel of Linux has in it.
fn program() -> Vec<u8> {
    let mut program = vec![0; 0x800];
    program[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    program[0x202..0x206].copy_from_slice(b"HdrS");
    program
}

#[test]
fn a_program_is_taken_as_it_is() {
    let home = Home::new(empty_server);
    std::fs::write(home.path("memtest.bin"), program()).unwrap();
    let file = home.path("memtest.bin");
    let import = ["image", "import", "--name", "memtest", "--version", "6.10", "--program", file.to_str().unwrap()];
    let out = home.run(&[&import[..], &["--cmdline", "console=ttyS0,115200"]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("nothing else of it was checked"), "{}", text(&out.stderr));
    let requests = home.fake.requests();
    let puts: Vec<_> = requests.iter().filter(|r| r.method == "PUT").collect();
    assert!(puts.len() == 1 && puts[0].body == program(), "{:?}", home.fake.lines());
    let image: Value = serde_json::from_slice(&requests.last().unwrap().body).unwrap();
    assert_eq!((&image["arch"], &image["cmdline"]), (&json!("x86_64"), &json!("console=ttyS0,115200")));
    let parts = image["parts"].as_array().unwrap();
    assert!(parts.len() == 1 && parts[0]["role"] == "kernel", "{parts:?}");
    // As a kernel it is refused: it could not be started by the first stage.
    let out = home.run(&["image", "import", "--name", "m", "--version", "1", "--kernel", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("--program"), "{}", text(&out.stderr));
    assert_eq!(home.left_over(), 0);
}

#[test]
fn what_cannot_be_one_is_refused() {
    let home = Home::new(empty_server);
    for (name, bytes) in [("web", &b"<html>not found</html>"[..]), ("empty", &b""[..]), ("linux", &bzimage()[..])] {
        std::fs::write(home.path(name), bytes).unwrap();
    }
    let import = |name: &str, more: &[&str]| {
        let file = home.path(name);
        import_of(&home, "out", &[&["--program", file.to_str().unwrap()], more].concat())
    };
    for (name, more, word) in [
        ("web", &[][..], "--arch"),
        ("empty", &["--arch", "x86_64"][..], "right file"),
        ("linux", &["--arch", "aarch64"][..], "expected a program for aarch64"),
        ("linux", &["--arch", "i386"][..], "x86_64 or aarch64"),
        ("linux", &["--initrd", "x"][..], "cannot be used with"),
        ("none", &[][..], "could not read"),
    ] {
        let out = import(name, more);
        assert_eq!(out.status.code(), Some(2), "{name} {more:?}: {}", text(&out.stderr));
        assert!(text(&out.stderr).contains(word), "{name} {more:?}: {}", text(&out.stderr));
    }
    // A person knows better.
    assert!(import("web", &["--arch", "aarch64"]).status.success());
    assert_eq!(files(&home.path("out")), ["image.json"], "the program stays where it is");
}
