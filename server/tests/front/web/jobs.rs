//! The pages of jobs: the list, one job, and the button that cancels it.

use super::{Browser, UUID};
use higuma::domain::Sha256;
use higuma::domain::job::{Job, JobState};

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

/// A job that waits.
pub fn job(now: i64) -> higuma::error::Result<Job> {
    Ok(Job {
        id: uuid::Uuid::from_u128(5),
        action: "power-cycle".parse()?,
        selector: "<i>".into(),
        who: "ana".into(),
        made: now,
        stagger: HOUR,
        parallel: 1,
        total: 1,
        state: JobState::Queued,
        request: None,
        request_hash: Sha256::of(""),
        // So that the server's hands leave it alone.
        next_start: now + HOUR,
        started: None,
        cancelled_by: None,
        ended: None,
    })
}

/// The job is there and waits; nobody does it.
pub fn see(browser: &Browser) {
    let job = format!("/jobs/{}", uuid::Uuid::from_u128(5));
    let list = browser.get("/jobs");
    assert!(list.status == 200 && list.body.contains(&format!("href=\"{job}\"")), "{}", list.body);
    assert!(
        list.body.contains("&#60;i&#62;") && list.body.contains("<progress value=\"0\" max=\"1\""),
        "{}",
        list.body
    );
    assert!(browser.get("/jobs?state=done").body.contains("id=\"no-jobs\""));
    assert_eq!((browser.get("/jobs?state=old").status, browser.get("/jobs/x").status), (400, 400));
    let page = browser.get(&job);
    assert!(page.body.contains("id=\"f-cancel\"") && page.body.contains(&format!("/nodes/{UUID}")), "{}", page.body);
    assert!(!browser.get(&format!("{job}?fragment=1")).body.contains("<html"));
    assert!(browser.get(&format!("{job}?state=failed")).body.contains("id=\"no-items\""));
    let cancel = format!("{job}/cancel");
    assert_eq!(browser.post(&cancel, "cross-site", &[]).status, 403);
    let seen = browser.post(&cancel, "same-origin", &[]);
    assert_eq!((seen.status, seen.location), (303, format!("{job}?done=job-cancelled")));
    let page = browser.get(&format!("{job}?done=job-cancelled"));
    assert!(page.body.contains("Nothing more is begun") && page.body.contains("j-cancelled"), "{}", page.body);
    assert!(!page.body.contains("id=\"f-cancel\""), "{}", page.body);
}
