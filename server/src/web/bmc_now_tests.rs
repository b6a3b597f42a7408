//! Sensors and event log with made data, hostile text included.

#![allow(clippy::unwrap_used)]
use super::super::bmc::tests::{NOW, bmc};
use super::*;

fn reading(name: &str, value: Option<f64>, unit: &str, state: &str) -> BmcReading {
    BmcReading { name: name.into(), value, unit: unit.into(), state: state.into() }
}

fn read(sensors: Told<Vec<BmcReading>>, log: Option<Told<BmcLog>>) -> String {
    let read = Read { sensors, log, lines: 2, began: NOW - 1_500_000, ended: NOW };
    BmcNowPage::new(Shell::bare("BMC"), bmc("managed"), read).render().unwrap()
}

#[test]
fn what_is_bad_comes_first() {
    let readings = [
        reading("Inlet", Some(23.0), "degrees C", "ok"),
        reading("CPU1", Some(97.5), "Cel", "critical"),
        reading("P12V", Some(12.096), "volts", "ok"),
        reading("Fan 1", None, "RPM", "no reading"),
        reading("Fan 2", Some(40.0), "%", "warning"),
        reading("Intrusion", None, "", "states 0080h"),
        reading("Nothing", Some(f64::NAN), "V", ""),
    ];
    let groups = groups(&readings);
    let told: Vec<_> =
        groups.iter().map(|g| (g.title, g.rows.iter().map(|r| r.name.as_str()).collect::<Vec<_>>())).collect();
    assert_eq!(
        told,
        [
            ("Temperatures", vec!["CPU1", "Inlet"]),
            ("Fans", vec!["Fan 2", "Fan 1"]),
            ("Voltages", vec!["P12V", "Nothing"]),
            ("Other", vec!["Intrusion"]),
        ]
    );
    let words: Vec<String> = summary(&groups).into_iter().map(|(_, text)| text).collect();
    assert_eq!(words, ["1 critical", "1 warning", "1 otherwise", "2 ok", "2 without a reading"]);
    assert_eq!(groups[0].rows[0].value, "97.5 °C");
    assert_eq!((number(-0.5), number(1200.0), number(0.0)), ("-0.5".into(), "1200".into(), "0".into()));
}

#[test]
fn names_from_bmcs_are_text() {
    let hostile = "<script>alert(1)</script>\" onmouseover='x'";
    let line = BmcLogLine { id: "1".into(), at: hostile.into(), message: hostile.into(), severity: hostile.into() };
    let log = BmcLog { items: vec![line.clone(), line], problems: vec![] };
    let body = read(Ok(vec![reading(hostile, Some(1.0), hostile, hostile)]), Some(Ok(log)));
    assert!(!body.contains("<script>alert") && !body.contains("\" onmouseover"), "{body}");
    assert!(body.contains("&#60;script&#62;alert(1)") && body.contains("class=\"word w-info\""), "{body}");
    assert!(body.contains("the newest 2") && body.contains("?lines=500#log"), "{body}");
    assert!(body.contains("in 1.5 s") && body.contains("hv-&#60;12&#62;"), "{body}");
}

#[test]
fn what_could_not_be_read_of_the_log_is_told() {
    let problems = vec!["only the first 2000 of 9000 <b>entries could be read".to_owned()];
    let body = read(Ok(vec![]), Some(Ok(BmcLog { items: vec![], problems })));
    assert!(body.contains("id=\"log-problems\"") && body.contains("2000 of 9000 &#60;b&#62;entries"), "{body}");
    assert!(!body.contains("It is empty"), "nobody knows that: {body}");
    let body = read(Ok(vec![]), Some(Ok(BmcLog::default())));
    assert!(body.contains("It is empty") && !body.contains("log-problems"), "{body}");
}

#[test]
fn one_that_does_not_answer_is_a_page() {
    let body = read(Err("the BMC of node x: no answer from 10.9.0.17".into()), None);
    assert!(body.contains("id=\"no-answer\"") && body.contains("no answer from 10.9.0.17"), "{body}");
    assert!(!body.contains("id=\"log\"") && !body.contains("id=\"sensors\""), "{body}");
    let body = read(Ok(vec![]), Some(Err("refused".into())));
    assert!(body.contains("id=\"no-sensors\"") && body.contains("id=\"log-trouble\""), "{body}");
}

#[tokio::test]
async fn only_what_a_bmc_does_is_told_on_the_page() {
    let with = |error| async move { told::<()>(std::future::ready(Err(error))).await };
    assert_eq!(with(Error::Unavailable("away".into())).await.unwrap(), Err("away".to_owned()));
    assert!(with(Error::internal("x")).await.is_err());
    assert!(with(Error::NotFound("x".into())).await.is_err());
}
