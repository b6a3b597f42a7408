//! The pages of BMCs: the fleet's power, a node's panel, the list, what is read now, and the buttons that make jobs.

use super::UUID;
use super::browser::Browser;
use higuma::domain::NodeUuid;
use higuma::domain::bmc::{Bmc, BmcState, Power, Protocol};
use higuma::store::Tx;

/// One that answered a minute ago, in whose firmware version somebody wrote a script. Nobody asks it by himself: it is not
/// due for a day. There is no credential for it, so it cannot be logged in to.
pub fn seed(tx: &mut Tx<'_>, node: &NodeUuid, now: i64) -> higuma::error::Result<()> {
    let mut bmc = Bmc::new(node.clone(), now);
    bmc.state = BmcState::Managed;
    bmc.address = Some(std::net::Ipv4Addr::new(127, 0, 0, 99).into());
    bmc.driver = Some(Protocol::Redfish);
    bmc.firmware = "<script>2.51".into();
    (bmc.power, bmc.power_at, bmc.proven) = (Power::On, Some(now - 60_000_000), Some(now - 60_000_000));
    bmc.changes =
        r#"[{"what":"user name","before":"<img src=x>","after":"higuma","error":"","optional":false}]"#.into();
    bmc.reported = Some(now);
    bmc.next = now + 86_400_000_000;
    tx.put_bmc(&bmc)
}

pub fn look(browser: &Browser) {
    let fleet = browser.get("/").body;
    assert!(fleet.contains("class=\"power p-on\"") && fleet.contains("told by the BMC 1 min ago"), "{fleet}");
    assert_eq!(fleet.matches("class=\"power ").count(), 1, "only of nodes whose BMC is known: {fleet}");

    let node = format!("/nodes/{UUID}");
    let page = browser.get(&node).body;
    assert!(page.contains("state m-managed") && page.contains("https://127.0.0.99/"), "{page}");
    assert!(
        page.contains("&#60;script&#62;2.51") && !page.contains("<script>2.51") && !page.contains("<img src=x>"),
        "{page}"
    );

    let list = browser.get("/bmcs");
    assert!(list.status == 200 && list.body.contains("managed: 1"), "{}", list.body);
    assert!(list.body.contains(&format!("{node}#bmc")), "{}", list.body);
    assert!(!browser.get("/bmcs?state=silent").body.contains(&format!("{node}#bmc")));
    assert!(!browser.get("/bmcs?fragment=1").body.contains("<html"));
    assert_eq!((browser.get("/bmcs?state=fine").status, browser.get("/bmcs?cursor=x").status), (400, 400));

    let now = browser.get(&format!("{node}/bmc"));
    assert!(now.status == 200 && now.body.contains("id=\"no-answer\""), "{}", now.body);
    assert!(now.body.contains("there is no credential for this BMC"), "{}", now.body);
    let console = browser.get(&format!("{node}/console"));
    assert!(console.status == 200 && console.body.contains("value=\"open\""), "{}", console.body);
    assert!(console.body.contains("-console.js") && !console.body.contains("id=\"screen\""), "{}", console.body);
    assert_eq!(browser.post(&format!("{node}/console"), "cross-site", &[("action", "open")]).status, 403);
    let refused = browser.post(&format!("{node}/console"), "same-origin", &[("action", "open")]);
    assert!(refused.status == 503 && refused.body.contains("there is no credential for this BMC"), "{}", refused.body);
    let typed = browser.post(&format!("{node}/console"), "same-origin", &[("action", "type"), ("request", "r")]);
    assert!(typed.status == 409 && typed.body.contains("nothing was typed"), "{} {}", typed.status, typed.body);
    let other = browser.get("/nodes/00000000-0000-4000-8000-000000000000/bmc");
    assert!(other.status == 404, "{}", other.body);
}

fn job_of(location: &str) -> &str {
    location.strip_prefix("/jobs/").unwrap_or_else(|| panic!("not a job: {location:?}"))
}

pub fn act(browser: &Browser) {
    let post = |form: &[(&str, &str)]| browser.post("/jobs", "same-origin", form);
    // What does no harm is done at once, and once: the same page's button again is the same job.
    let on = [("node", UUID), ("action", "power-on"), ("request", "p1")];
    assert_eq!(browser.post("/jobs", "cross-site", &on).status, 403);
    let made = post(&on);
    assert_eq!(made.status, 303, "{}", made.body);
    let page = browser.get(&made.location);
    assert!(page.status == 200 && page.body.contains("power-on") && page.body.contains("admin"), "{}", page.body);
    assert_eq!(job_of(&post(&on).location), job_of(&made.location));
    let led = post(&[("node", UUID), ("action", "identify 255"), ("request", "p1")]);
    assert_ne!(job_of(&led.location), job_of(&made.location), "another button of the same page");

    // What cuts power is asked about first.
    let asked = browser.get(&format!("/jobs/new?node={UUID}&action=power-off"));
    assert!(asked.status == 200 && asked.body.contains("pulling the plug"), "{}", asked.body);
    let off = [("node", UUID), ("action", "power-off"), ("request", "p2")];
    let refused = post(&off);
    assert!(refused.status == 400 && refused.body.contains("nothing was done yet"), "{}", refused.body);
    assert!(!browser.get("/jobs").body.contains("power-off"));
    let made = post(&[&off[..], &[("yes", "yes")]].concat());
    assert_eq!(made.status, 303, "{}", made.body);
    assert!(browser.get("/jobs").body.contains(job_of(&made.location)));
    assert_eq!(browser.get(&format!("/jobs/new?node={UUID}&action=explode")).status, 400);
    assert_eq!(browser.get("/jobs/new?where=node.x").status, 400);

    // Many: as many as the page told, or none.
    let wanted = format!("node.uuid == '{UUID}'");
    let page = browser.get(&format!("/jobs/new?where=node.uuid%20%3D%3D%20'{UUID}'"));
    assert!(page.body.contains("name=\"count\" value=\"1\"") && page.body.contains("hv-12"), "{}", page.body);
    let many = [("where", wanted.as_str()), ("action", "power-on"), ("stagger", "50"), ("request", "p3")];
    assert_eq!(post(&[&many[..], &[("count", "1")]].concat()).status, 400, "no yes");
    let seen = post(&[&many[..], &[("count", "2"), ("yes", "yes")]].concat());
    assert!(seen.status == 409 && seen.body.contains("holds for 1 now"), "{}", seen.body);
    let made = post(&[&many[..], &[("count", "1"), ("yes", "yes")]].concat());
    assert_eq!(made.status, 303, "{}", made.body);
    let page = browser.get(&made.location);
    assert!(page.body.contains("a start every 50 ms"), "{}", page.body);

    // Log in now.
    let check = format!("/nodes/{UUID}/bmc");
    assert_eq!(browser.post(&check, "cross-site", &[]).status, 403);
    let seen = browser.post(&check, "same-origin", &[]);
    assert_eq!((seen.status, seen.location), (303, format!("/nodes/{UUID}?done=bmc-fails#bmc")));
    let page = browser.get(&format!("/nodes/{UUID}?done=bmc-fails")).body;
    assert!(page.contains("could not be logged in to") && page.contains("state m-login-refused"), "{page}");
}
