//! Packages of an image whose list is rpm's database: those that rpm itself tells, found behind openSUSE's link, compared, and left out,
//! with a word about it, where the database is damaged or of a kind that is not read.

use super::contents::{add, good, server};
use super::{Home, text, tree};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A header as rpm lays it: name, version, release, architecture.
fn header(texts: [&str; 4]) -> Vec<u8> {
    let (mut index, mut data): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for (tag, text) in [1000u32, 1001, 1002, 1022].into_iter().zip(texts) {
        for number in [tag, 6, u32::try_from(data.len()).unwrap(), 1] {
            index.extend_from_slice(&number.to_be_bytes());
        }
        data.extend_from_slice(text.as_bytes());
        data.push(0);
    }
    let length = u32::try_from(data.len()).unwrap();
    [4u32.to_be_bytes().to_vec(), length.to_be_bytes().to_vec(), index, data].concat()
}

/// openSUSE's `Packages.db`: one page of slots, then the headers in blobs of whole blocks of 16 bytes.
fn packages_db(packages: &[[&str; 4]]) -> Vec<u8> {
    let part = |magic: &str, numbers: &[usize]| -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|n| u32::try_from(*n).unwrap().to_le_bytes());
        magic.bytes().chain(numbers).collect()
    };
    let (mut slots, mut blobs) = (part("RpmP", &[0, 1, 1, 1, 0, 0, 0]), Vec::<u8>::new());
    for (number, texts) in packages.iter().enumerate() {
        let header = header(*texts);
        let blocks = (16 + header.len() + 12).div_ceil(16);
        slots.extend(part("Slot", &[number + 1, (4096 + blobs.len()) / 16, blocks]));
        let end = blobs.len() + blocks * 16;
        blobs.extend([part("BlbS", &[number + 1, 0, header.len()]), header.clone()].concat());
        blobs.resize(end - 12, 0);
        blobs.extend([part("", &[0, header.len()]), b"BlbE".to_vec()].concat());
    }
    while slots.len() < 4096 {
        slots.extend(part("Slot", &[0; 3]));
    }
    [slots, blobs].concat()
}

fn import(home: &Home, root: &Path, out: &str) -> Output {
    let out = home.path(out);
    let args = ["image", "import", "--name", "t", "--version", "1", root.to_str().unwrap(), "--output"];
    home.run(&[&args[..], &[out.to_str().unwrap()]].concat())
}

#[test]
fn packages_of_rpm_are_listed_and_compared_and_a_damaged_list_is_left_out() {
    let (home, images) = server();
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::remove_file(root.join("noise")).unwrap();
    // Fedora's dpkg, which has installed nothing.
    std::fs::create_dir_all(root.join("var/lib/dpkg")).unwrap();
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    std::fs::create_dir_all(root.join("usr/lib/sysimage/rpm")).unwrap();
    std::os::unix::fs::symlink("../../usr/lib/sysimage/rpm", root.join("var/lib/rpm")).unwrap();
    let database = root.join("usr/lib/sysimage/rpm/Packages.db");
    let [vim, key] = [["vim", "9.1", "1.2", "x86_64"], ["gpg-pubkey", "39db7c82", "66c5d91a", ""]];

    std::fs::write(&database, packages_db(&[vim, key, ["bash", "5.2", "3.1", "x86_64"]])).unwrap();
    good(&import(&home, &root, "one"));
    std::fs::write(&database, packages_db(&[["bash", "5.2", "4.1", "x86_64"], key, vim])).unwrap();
    good(&import(&home, &root, "two"));
    add(&home, &images, "one");
    add(&home, &images, "two");
    let listed = home.run(&["image", "contents", "t:one", "--packages"]);
    let lines: Vec<&str> = good(&listed).lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[1]), ["bash", "x86_64", "5.2-3.1"]);
    assert_eq!(words(lines[2]), ["vim", "x86_64", "9.1-1.2"]);
    assert!(lines.len() == 4 && lines[3].ends_with("2 packages of rpm"), "{lines:?}");
    let compared = home.run(&["image", "diff", "t:one", "t:two"]);
    let lines: Vec<&str> = good(&compared).lines().collect();
    assert_eq!(words(lines[1]), ["bash", "5.2-3.1", "5.2-4.1"]);
    assert!(good(&compared).contains("1 packages and 1 names differ"), "{lines:?}");

    let whole = std::fs::read(&database).unwrap();
    std::fs::write(&database, &whole[..whole.len() - 16]).unwrap();
    let damaged = import(&home, &root, "three");
    good(&damaged);
    let told = "the packages are not in the listing: could not read usr/lib/sysimage/rpm/Packages.db: it is damaged";
    assert!(text(&damaged.stderr).contains(told), "{}", text(&damaged.stderr));
    std::fs::rename(&database, database.with_file_name("Packages")).unwrap();
    let berkeley = import(&home, &root, "four");
    good(&berkeley);
    assert!(text(&berkeley.stderr).contains("Packages is a Berkeley DB"), "{}", text(&berkeley.stderr));
    add(&home, &images, "three");
    let listed = home.run(&["image", "contents", "t:three", "-o", "json"]);
    let told: Value = serde_json::from_str(good(&listed)).unwrap();
    assert_eq!((told["packages_of"].as_str(), told["packages"].as_array().unwrap().len()), (Some(""), 0));
    assert_eq!(home.left_over(), 0);
}

/// Of Debian's package rpm, with this folder for its database.
fn rpm(program: &str, database: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(["--define", "_db_backend sqlite", "--define", &format!("_dbpath {}", database.display())]);
    let done = command.args(arguments).output().expect("the program is in the package rpm");
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_same_packages_as_rpm_tells() {
    let (home, images) = server();
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    let database = root.join("usr/lib/sysimage/rpm");
    std::fs::create_dir_all(&database).unwrap();
    rpm("rpm", &database, &["--initdb"]);
    let made = home.path("made");
    let top = format!("_topdir {}", made.display());
    for (name, more) in [("alpha", "Epoch: 2\nBuildArch: noarch\n"), ("beta", ""), ("gamma", "Epoch: 0\n")] {
        let spec = home.path(&format!("{name}.spec"));
        let long = "word ".repeat(4_000);
        let head = format!("Name: {name}\nVersion: 1.2~rc1\nRelease: 3.el9\nSummary: s\nLicense: MIT\n{more}");
        std::fs::write(&spec, format!("{head}%description\n{long}\n%files\n")).unwrap();
        rpm("rpmbuild", &database, &["-bb", "--quiet", "--define", &top, spec.to_str().unwrap()]);
    }
    for folder in std::fs::read_dir(made.join("RPMS")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            rpm("rpm", &database, &["--nodeps", "--justdb", "--ignorearch", "-i", file.to_str().unwrap()]);
        }
    }
    let told = rpm("rpm", &database, &["-qa", "--qf", "%{NAME} %{ARCH} %{EVR}\n"]);
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    good(&import(&home, &root, "one"));
    add(&home, &images, "one");
    let listed = home.run(&["image", "contents", "t:one", "--packages"]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = good(&listed).lines().map(words).collect();
    assert!(told.len() == 3 && lines[1..4] == told && lines[4].ends_with("3 packages of rpm"), "{lines:?} {told:?}");
}
