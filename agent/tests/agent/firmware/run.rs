//! Programs of updates: their surroundings, their deadline, their output.

use higuma_agent::firmware::run::{Ended, Job, OUTPUT_MAX, run};
use std::path::Path;
use std::time::{Duration, Instant};

fn script(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let path = folder.path().join("files/update.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn start(folder: &Path, exec: &str, args: &[&str], deadline: u64) -> (Ended, Vec<String>) {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    let job = Job {
        folder: &folder.join("files"),
        exec,
        args: &args,
        env: vec![("HIGUMA_WANTED", "2.0.0".to_owned()), ("PATH", "/usr/bin:/bin".to_owned())],
        deadline: Duration::from_secs(deadline),
        output: &folder.join("output"),
    };
    let mut told = Vec::new();
    (run(&job, |line| told.push(line.to_owned())), told)
}

fn text(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.output).into_owned()
}

#[test]
fn it_finds_its_folder_its_arguments_and_a_clean_environment() {
    let folder = script("pwd; echo \"$@\"; env | sort; cat; echo to stderr >&2; exit 3");
    let (ended, told) = start(folder.path(), "update.sh", &["a b", "$HOME"], 30);
    assert_eq!((ended.exit_code, ended.signal, ended.timed_out, ended.error.as_str()), (Some(3), 0, false, ""));
    let said = text(&ended);
    assert!(said.contains("/files\na b $HOME\n") && said.contains("HIGUMA_WANTED=2.0.0"), "{said}");
    assert!(said.ends_with("to stderr\n") && !said.contains("CARGO") && !said.contains("HOME="), "{said}");
    assert!(told.iter().any(|line| line.contains("for 30 s at most")), "{told:?}");
}

#[test]
fn at_its_deadline_it_ends_with_all_that_it_started() {
    let folder = script("echo begun; sleep 300 & sleep 300");
    let began = Instant::now();
    let (ended, _) = start(folder.path(), "update.sh", &[], 1);
    assert!(ended.timed_out && ended.exit_code.is_none() && ended.signal == 15, "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(text(&ended), "begun\n");
    // One that does not listen is killed.
    let folder = script("trap '' TERM; while :; do sleep 1; done");
    let (ended, _) = start(folder.path(), "update.sh", &[], 1);
    assert!(ended.timed_out && ended.signal == 9, "{ended:?}");
}

#[test]
fn what_it_leaves_behind_is_waited_for() {
    // In its own group, and in a session of its own as launchers of vendors do.
    for how in ["(sleep 2; echo late) &", "setsid sh -c 'sleep 2; echo late' &"] {
        let folder = script(&format!("{how} exit 0"));
        let (ended, told) = start(folder.path(), "update.sh", &[], 60);
        assert_eq!((ended.exit_code, ended.timed_out, text(&ended).as_str()), (Some(0), false, "late\n"), "{how}");
        assert!(told.iter().any(|line| line.contains("waiting for them")), "{told:?}");
    }
}

#[test]
fn what_it_leaves_behind_has_the_same_deadline() {
    let folder = script("setsid sh -c 'trap \"\" TERM; echo $$; sleep 300' & exit 0");
    let began = Instant::now();
    let (ended, _) = start(folder.path(), "update.sh", &[], 2);
    assert!(ended.timed_out && ended.exit_code == Some(0), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "an open output is not waited for");
    let left = nix::unistd::Pid::from_raw(text(&ended).trim().parse().unwrap());
    let gone = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let state = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z")
    });
    assert!(gone, "what it left behind was killed");
}

#[test]
fn a_flood_of_output_is_kept_at_its_end() {
    let folder = script("yes 0123456789 | head -c 33000000; echo the end");
    let (ended, _) = start(folder.path(), "update.sh", &[], 60);
    assert_eq!(ended.exit_code, Some(0));
    assert!(ended.output.len() <= OUTPUT_MAX as usize && text(&ended).ends_with("9\nthe end\n"));
}

#[test]
fn what_cannot_be_run_is_told() {
    let folder = script("exit 0");
    let files = folder.path().join("files");
    std::fs::write(files.join("data"), "no program").unwrap();
    std::os::unix::fs::symlink("/bin/sh", files.join("out")).unwrap();
    for (exec, words) in
        [("nothing", "no program \"nothing\""), ("data", "cannot be started"), ("out", "a file of the archive")]
    {
        let (ended, _) = start(folder.path(), exec, &[], 5);
        assert!(ended.exit_code.is_none() && ended.error.contains(words), "{ended:?}");
    }
}

#[test]
fn a_crash_is_told_by_its_signal() {
    let folder = script("kill -SEGV $$");
    let (ended, _) = start(folder.path(), "update.sh", &[], 5);
    assert_eq!((ended.exit_code, ended.signal), (None, 11));
}
