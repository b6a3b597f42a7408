//! What of `higuma bmc` is told with what could not be read: hardware, firmware versions, event log; and virtual media. As tables.
//! Text of a BMC is never printed as it came: it could steer the terminal.

use super::output;
use higuma_proto::api::{BmcFirmware, BmcFirmwareList, BmcHardware, BmcLog, BmcLogLine, BmcMedia, BmcPart, Page};

pub(super) fn hardware(found: BmcHardware) -> String {
    let mut text = output::fields(&[
        ("manufacturer", found.manufacturer),
        ("model", found.model),
        ("serial", found.serial),
        ("SKU", found.sku),
        ("system firmware", found.bios),
    ]);
    let row = |p: &BmcPart| {
        let size = p.size_bytes.map(output::size).unwrap_or_default();
        let what = [p.manufacturer.as_str(), p.model.as_str()].join(" ").trim().to_owned();
        [p.kind.clone(), p.place.clone(), what, p.serial.clone(), size, p.detail.clone(), p.health.clone()]
    };
    let rows: Vec<_> = found.parts.iter().map(row).collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&output::table(["KIND", "PLACE", "WHAT", "SERIAL", "SIZE", "DETAIL", "HEALTH"], &rows));
    }
    text + &problems(&found.problems)
}

pub(super) fn firmware(found: BmcFirmwareList) -> String {
    let updateable = |f: &BmcFirmware| match f.updateable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    let row = |f: &BmcFirmware| [f.id.clone(), f.name.clone(), f.version.clone(), updateable(f).to_owned()];
    let rows: Vec<_> = found.items.iter().map(row).collect();
    output::table(["ID", "NAME", "VERSION", "UPDATEABLE"], &rows) + &problems(&found.problems)
}

pub(super) fn log(log: BmcLog) -> String {
    let row = |l: &BmcLogLine| [l.id.clone(), l.at.clone(), l.severity.clone(), l.message.clone()];
    let rows: Vec<_> = log.items.iter().map(row).collect();
    output::table(["ID", "TIME", "SEVERITY", "MESSAGE"], &rows) + &problems(&log.problems)
}

pub(super) fn media(page: Page<BmcMedia>) -> String {
    let what = |m: &BmcMedia| match (m.inserted, m.image.is_empty()) {
        (true, false) => m.image.clone(),
        (true, true) => "(something)".to_owned(),
        (false, _) => "-".to_owned(),
    };
    let written = |m: &BmcMedia| match m.write_protected.filter(|_| m.inserted) {
        Some(true) => "read-only",
        Some(false) => "writable",
        None => "",
    };
    let row = |m: &BmcMedia| [m.slot.clone(), m.name.clone(), m.kinds.join("/"), what(m), written(m).to_owned()];
    output::table(["SLOT", "NAME", "TAKES", "IMAGE", "ACCESS"], &page.items.iter().map(row).collect::<Vec<_>>())
}

fn problems(problems: &[String]) -> String {
    match problems {
        [] => String::new(),
        some => format!("\nnot read:\n  {}\n", some.iter().map(|p| output::clean(p)).collect::<Vec<_>>().join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_of_the_log_is_told() {
        let line = BmcLogLine { id: "7".into(), at: "t".into(), message: "fan\u{1b}[2J".into(), severity: "ok".into() };
        let whole = log(BmcLog { items: vec![line.clone()], problems: vec![] });
        assert!(whole.contains("fan?[2J") && !whole.contains("not read"), "{whole}");
        let part = log(BmcLog { items: vec![line], problems: vec!["only the first 1 of 9\u{1b}".into()] });
        assert!(part.ends_with("\nnot read:\n  only the first 1 of 9?\n"), "{part}");
    }
}
