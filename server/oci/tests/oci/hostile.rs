//! Layers that nobody made by accident: each is refused with a text that says why, and nothing is left behind
//! (`flatten_within` looks).

use crate::make::{Item, Layer, flatten, flatten_within, record, refused, short};
use higuma_oci::{Blob, Digest, Limits, Spool, Tree, apply_layer};

#[test]
fn names_that_would_leave_the_image() {
    for path in ["../x", "a/../../x", "..", "/../x", "a/.."] {
        let error = refused(&[Layer::new().file(path, "")]);
        assert!(error.contains("`..`"), "{path}: {error}");
    }
    // Absolute names are below the image's root, as everywhere.
    assert_eq!(short(&[Layer::new().file("/etc/passwd", "x")]), ["etc dir", "etc/passwd \"x\""]);
}

#[test]
fn hard_links_out_of_the_image() {
    for (link, says) in [
        ("../../etc/shadow", "`..`"),
        ("/etc/shadow", "is not in the image"),
        ("gone", "is not in the image"),
        ("", "expected a name"),
        ("/", "to the root"),
        ("d", "which is a folder"),
        ("self", "is not in the image"),
    ] {
        let error = refused(&[Layer::new().dir("d").hard_link("self", link)]);
        assert!(error.contains(says) && error.contains("self"), "{link}: {error}");
    }
    // Nor through a link that points out.
    let error = refused(&[Layer::new().symlink("out", "/../../../etc").hard_link("x", "out/shadow")]);
    assert!(error.contains("is not in the image"), "{error}");
}

#[test]
fn names_that_are_not_utf_8_are_kept_as_they_are() {
    let long = [&[0xff_u8; 200][..], b"/", &[b'x'; 200]].concat();
    let layer = Layer::new().item(&Item { path: b"caf\xe9\nnew line", content: b"1", ..Item::default() }).item(&Item {
        path: &long,
        content: b"2",
        ..Item::default()
    });
    let (tree, _) = flatten(&[layer]).unwrap();
    let mut paths = Vec::new();
    tree.walk::<()>(&|_| true, |path, _| {
        paths.push(path.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(paths, [b"".to_vec(), b"caf\xe9\nnew line".to_vec(), vec![0xff; 200], long]);
}

#[test]
fn headers_that_lie() {
    let change = |change: fn(&mut tar::Header)| refused(&[Layer::new().raw(b'0', b"f", b"", change)]);
    assert!(change(|h| h.as_old_mut().size = *b"zzzzzzzzzzzz").contains("octal digits as size"));
    assert!(change(|h| h.as_old_mut().size = [0xff; 12]).contains("size -1 is out of range"));
    // Base 256: more than there is, and more than a u64 has.
    assert!(
        change(|h| h.as_old_mut().size = *b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")
            .contains("more than the limit")
    );
    assert!(change(|h| h.as_old_mut().size = *b"\x80\x01\0\0\0\0\0\0\0\0\0\0").contains("out of range"));
    assert!(change(|h| h.as_old_mut().uid = *b"\x80\0\0\x01\0\0\0\0").contains("more than Linux has"));
    assert!(change(|h| h.set_size(1 << 20)).contains("cut off"));
    let kind = |kind| refused(&[Layer::new().raw(kind, b"f", b"", |_| {})]);
    assert!(kind(b'M').contains("type \"M\" is not known") && kind(b'~').contains("is not known"));
    for kind in [b'1', b'2', b'3', b'5', b'6'] {
        let error = refused(&[Layer::new().raw(kind, b"f", b"hidden", |_| {})]);
        assert!(error.contains("only a file can have bytes"), "{error}");
    }
    let device = Layer::new().raw(b'3', b"f", b"", |h| h.set_device_major(5000).unwrap());
    assert!(refused(&[device]).contains("no device 5000:0"));
}

#[test]
fn bytes_that_are_no_tar() {
    let mut broken = Layer::new().file("f", "x");
    broken.0[0] = b'g';
    assert!(refused(&[broken]).contains("checksum"));
    let text = flatten_within(&[b"hello, I am no tar at all".to_vec()], &Limits::default()).unwrap_err().to_string();
    assert!(text.contains("in the middle of a header"), "{text}");
    let whole = Layer::new().file("f", &"x".repeat(3000));
    for cut in [100, 600, 3000] {
        let error = flatten_within(&[whole.0[..cut].to_vec()], &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("in the middle of"), "{cut}: {error}");
    }
    // Without the two blocks of zeros a tar is still whole.
    assert!(flatten_within(&[whole.0], &Limits::default()).is_ok());
    let mut zip = Layer::new().file("f", "x").gzip();
    zip.truncate(zip.len() - 9);
    let error = flatten_within(&[zip], &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("cannot be unpacked"), "{error}");
}

#[test]
fn pax_that_is_ambiguous() {
    let pax = |records: &[u8]| Layer::new().raw(b'x', b"pax", records, |_| {}).file("f", "");
    assert!(refused(&[pax(b"9 path=ab\n")]).contains("expected a pax record"));
    assert!(refused(&[pax(&record("path", b"a\0b"))]).contains("NUL"));
    assert!(refused(&[pax(&record("path", b"../x"))]).contains("`..`"));
    assert!(refused(&[pax(&record("size", b"-1"))]).contains("expected a number"));
    assert!(refused(&[pax(&record("size", b"5000"))]).contains("in the middle of"));
    let twice = Layer::new().raw(b'x', b"pax", b"", |_| {}).raw(b'x', b"pax", b"", |_| {}).file("f", "");
    assert!(refused(&[twice]).contains("two headers of one kind"));
    let global = Layer::new().raw(b'g', b"pax", &record("path", b"other"), |_| {}).file("f", "");
    assert!(refused(&[global]).contains("global pax header"));
    let comment = Layer::new().raw(b'g', b"pax", &record("comment", b"abc"), |_| {}).file("f", "");
    assert_eq!(short(&[comment]), ["f \"\""]);
    let alone = Layer::new().raw(b'x', b"pax", &record("path", b"x"), |_| {});
    assert!(refused(&[alone]).contains("the entry itself is missing"));
}

#[test]
fn long_names_of_gnu() {
    let long = "d/".repeat(60) + "name";
    let named = Layer::new().raw(b'L', b"././@LongLink", format!("{long}\0").as_bytes(), |_| {}).file("short", "x");
    assert_eq!(short(&[named]).last().unwrap(), &format!("{long} \"x\""));
    let limits = Limits { headers: 10_000, ..Limits::default() };
    let huge = Layer::new().raw(b'L', b"././@LongLink", &[b'x'; 20_000], |_| {}).file("short", "");
    let error = flatten_within(&[huge.tar()], &limits).unwrap_err().to_string();
    assert!(error.contains("headers of one entry"), "{error}");
    let endless = (0..100).fold(Layer::new(), |layer, _| layer.raw(b'V', b"label", b"", |_| {}));
    let error = flatten_within(&[endless.tar()], &limits).unwrap_err().to_string();
    assert!(error.contains("headers of one entry"), "{error}");
}

#[test]
fn contents_that_are_not_what_their_name_says() {
    let good = Layer::new().file("f", "x").gzip();
    let apply = |digest: Digest, size: u64, diff_id: Digest| {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path()).unwrap();
        let (digest, size, diff_id) = (Some(digest), Some(size), Some(diff_id));
        let blob = Blob { what: "layer 1".into(), input: Box::new(&good[..]), digest, size, diff_id };
        apply_layer(&mut Tree::new(Limits::default()), &mut spool, blob).map_err(|e| e.to_string())
    };
    let (digest, size, diff_id) =
        (Digest::of(&good), good.len() as u64, Digest::of(&Layer::new().file("f", "x").tar()));
    assert_eq!(apply(digest.clone(), size, diff_id.clone()), Ok(()));
    let other = Digest::of(b"other");
    let error = apply(other.clone(), size, diff_id.clone()).unwrap_err();
    assert!(error.starts_with(&format!("layer 1: expected {other}, got {digest}")), "{error}");
    let error = apply(digest.clone(), size, other).unwrap_err();
    assert!(error.starts_with("layer 1, unpacked: expected") && error.contains(diff_id.hex()), "{error}");
    for wrong in [size + 1, size - 1] {
        // One byte less than there is: it cannot be unpacked, or is too short for its size.
        assert!(apply(digest.clone(), wrong, diff_id.clone()).is_err(), "{wrong}");
    }
}
