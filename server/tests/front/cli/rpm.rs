//! Packages of an image whose list is rpm's database: found behind openSUSE's link, compared, and left out, with a word about it, where the
//! database is damaged or of a kind that is not read.

use super::contents::{add, good, server};
use super::{Home, text, tree};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

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
