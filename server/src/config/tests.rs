#![allow(clippy::unwrap_used)]
//! Precedence, the file's keys, and that every setting of the table is used.

use super::*;
use crate::domain::node::AdmissionPolicy;
use crate::domain::parking::ParkAction;

fn flags(list: &[(&str, &str)]) -> Flags {
    Flags { values: list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
}

#[test]
fn without_anything_it_has_defaults() {
    let config = Config::load(&Flags::default(), &|_| None, true).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/higuma"));
    assert_eq!(config.database_url, "sqlite:/var/lib/higuma/higuma.db");
    assert_eq!(config.http_listen.to_string(), "[::]:8080");
    assert_eq!(config.upload_limit, 64 << 30);
    let ours = Settings::default();
    let theirs = &config.settings;
    assert_eq!(theirs.first_stage_cmdline.as_str(), "console=tty0 console=ttyS0,115200");
    // The defaults of the table and of the type say the same.
    let same = Settings { first_stage_cmdline: ours.first_stage_cmdline.clone(), ..theirs.clone() };
    assert_eq!(format!("{same:?}"), format!("{ours:?}"));
    let home = |name: &str| (name == "HOME").then(|| "/home/ana".to_owned());
    let config = Config::load(&Flags::default(), &home, false).unwrap();
    assert_eq!(config.data_dir, Path::new("/home/ana/.local/share/higuma"));
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("higuma.toml"),
        "admission = \"auto\"\npark = \"poweroff\"\noffer-ttl = \"1m\"\nembed-limit = 1024\nadvertise-http = \"http://10.0.0.1:80/\"\n",
    )
    .unwrap();
    let env = |name: &str| match name {
        "HIGUMA_PARK" => Some("wait".to_owned()),
        "HIGUMA_OFFER_TTL" => Some("2m".to_owned()),
        "HIGUMA_DATA_DIR" => Some(dir.path().display().to_string()),
        _ => None,
    };
    let config = Config::load(&flags(&[("offer-ttl", "3m")]), &env, true).unwrap();
    assert_eq!(config.settings.offer_ttl, 180_000_000, "flag");
    assert_eq!(config.settings.parking.action, ParkAction::Wait, "environment");
    assert_eq!(config.settings.admission, AdmissionPolicy::Auto, "file");
    assert_eq!(config.settings.embed_limit, 1024, "file, number");
    assert_eq!(config.settings.advertise_http.as_deref(), Some("http://10.0.0.1:80"));
    assert_eq!(config.settings.poll_interval, 5_000_000, "default");
}

#[test]
fn unknown_keys_and_bad_values_are_named_with_their_origin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.toml");
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Config::load(&flags(&[("config", file.to_str().unwrap())]), &|_| None, true).unwrap_err().to_string()
    };
    assert!(with("datadir = \"/x\"").contains("unknown key \"datadir\": expected one of data-dir"));
    let err = with("offer-ttl = 90");
    assert!(err.contains("offer-ttl") && err.contains("my.toml") && err.contains("90s"), "{err}");
    assert!(with("a = = b").contains("expected TOML"));
    let err = Config::load(&flags(&[("config", "/does/not/exist")]), &|_| None, true).unwrap_err().to_string();
    assert!(err.contains("/does/not/exist"), "{err}");
    let secret = flags(&[("database-url", "mysql://u:hunter2@h/d")]);
    let err = Config::load(&secret, &|_| None, true).unwrap_err();
    assert!(!format!("{err} {err:?}").contains("hunter2"));
}

#[test]
fn each_setting_is_a_flag_and_a_bad_value_of_each_is_refused() {
    let command = <Flags as clap::Args>::augment_args(Command::new("serve"));
    for setting in SETTINGS {
        assert!(command.get_arguments().any(|a| a.get_long() == Some(setting.name)));
        if !matches!(setting.form, Form::Path) {
            let err = Config::load(&flags(&[(setting.name, "\u{7f} no")]), &|_| None, true);
            assert!(err.unwrap_err().to_string().contains(&format!("--{}", setting.name)));
        }
    }
    let matches = command.try_get_matches_from(["serve", "--park", "poweroff"]).unwrap();
    let parsed = <Flags as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
    assert_eq!(parsed, flags(&[("park", "poweroff")]));
    assert!(markdown().contains("`HIGUMA_EMBED_LIMIT`"));
}

#[test]
fn the_page_of_the_book_is_current() {
    let page = include_str!("../../../docs/src/settings.md");
    let table = markdown();
    assert!(page.ends_with(&table), "docs/src/settings.md: expected it to end with\n{table}");
}

#[test]
fn a_bucket_is_a_url_without_secrets() {
    let of = |text: &str| Config::load(&flags(&[("blob-s3", text)]), &|_| None, true);
    assert_eq!(of("off").unwrap().blob_s3, None);
    let bucket = of("https://s3.example.net:7443/fleet/rack/7/").unwrap().blob_s3.unwrap();
    assert_eq!(
        (bucket.endpoint.as_str(), bucket.name.as_str(), bucket.prefix.as_str()),
        ("https://s3.example.net:7443", "fleet", "rack/7")
    );
    for bad in [
        "https://s3.example.net",
        "https://s3.example.net/",
        "https://s3.example.net/ab",
        "s3://bucket/x",
        "https://user:hunter2@s3.example.net/bucket",
        "https://s3.example.net/bucket/../x",
        "https://s3.example.net/bucket//x",
        "https://s3.example.net/bucket?x=1",
    ] {
        let err = of(bad).unwrap_err();
        assert!(!format!("{err} {err:?}").contains("hunter2"), "{err}");
    }
    let both = flags(&[("blob-s3", "https://h/bucket"), ("blob-upstream", "http://h:8080")]);
    let err = Config::load(&both, &|_| None, true).unwrap_err().to_string();
    assert!(err.contains("--blob-s3") && err.contains("blob-upstream"), "{err}");
}
