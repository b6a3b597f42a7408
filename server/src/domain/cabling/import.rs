//! Expected cabling as CSV: the whole file is checked before anything of it is used, and every error names its line.

use super::expected::Row;
use std::collections::HashMap;

/// Rows of one file at most.
pub const ROWS_MAX: usize = 100_000;
/// Bytes of a file at most.
pub const BYTES_MAX: usize = 16 << 20;
/// Bytes of one value.
const VALUE_MAX: usize = 512;
/// Errors told at most.
const ERRORS_MAX: usize = 50;
/// The columns of a file that we write.
pub const COLUMNS: [&str; 5] = ["node", "serial", "nic", "switch", "port"];

/// The rows, or what is wrong with the file, a line each.
pub fn parse(text: &str) -> Result<Vec<Row>, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let columns = match reader.headers() {
        Ok(header) => columns(header)?,
        Err(error) => return Err(vec![format!("line 1: {error}")]),
    };
    let mut errors = Errors::default();
    let mut rows = Vec::new();
    let (mut nics, mut ports) = (HashMap::new(), HashMap::new());
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                errors.add(error.position().map_or(0, csv::Position::line), "it is not CSV in UTF-8");
                if !matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) {
                    break;
                }
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() >= ROWS_MAX {
            errors.add(line, &format!("expected at most {ROWS_MAX} rows"));
            break;
        }
        if record.len() > columns.count {
            errors.add(line, &format!("expected {} values, got {}", columns.count, record.len()));
            continue;
        }
        let row = columns.row(&record);
        for problem in problems(&row) {
            errors.add(line, &problem);
        }
        let nic = (row.node.to_lowercase(), row.serial.clone(), row.nic.to_lowercase());
        if let Some(first) = nics.insert(nic, line) {
            errors.add(line, &format!("the same NIC as in line {first}"));
        }
        if let Some(first) = ports.insert((row.switch.to_lowercase(), row.port.clone()), line) {
            errors.add(line, &format!("the same switch port as in line {first}"));
        }
        rows.push(row);
    }
    errors.or(rows)
}

/// The same file anew.
pub fn write(rows: &[Row]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let records = std::iter::once(COLUMNS).chain(rows.iter().map(Row::values));
    let written: Result<(), csv::Error> = records.into_iter().try_for_each(|record| writer.write_record(record));
    // Memory takes every byte.
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where each column stands.
struct Columns {
    node: Option<usize>,
    serial: Option<usize>,
    nic: Option<usize>,
    switch: Option<usize>,
    port: Option<usize>,
    count: usize,
}

fn columns(header: &csv::StringRecord) -> Result<Columns, Vec<String>> {
    let find = |name: &str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let all = Columns {
        node: find("node"),
        serial: find("serial"),
        nic: find("nic"),
        switch: find("switch"),
        port: find("port"),
        count: header.len(),
    };
    let known = |cell: &str| COLUMNS.iter().any(|name| cell.eq_ignore_ascii_case(name));
    let whole = (all.node.is_some() || all.serial.is_some())
        && all.nic.is_some()
        && all.switch.is_some()
        && all.port.is_some()
        && header.iter().all(known);
    if whole {
        return Ok(all);
    }
    let got: Vec<&str> = header.iter().take(12).collect();
    Err(vec![format!(
        "line 1: expected the columns node (or serial), nic, switch, port, got {:?}",
        got.join(",").chars().take(200).collect::<String>()
    )])
}

impl Columns {
    fn row(&self, record: &csv::StringRecord) -> Row {
        let value = |column: Option<usize>| column.and_then(|i| record.get(i)).unwrap_or_default().to_owned();
        Row {
            node: value(self.node),
            serial: value(self.serial),
            nic: value(self.nic),
            switch: value(self.switch),
            port: value(self.port),
        }
    }
}

fn problems(row: &Row) -> Vec<String> {
    let mut found = Vec::new();
    if row.node.is_empty() == row.serial.is_empty() {
        found.push("expected either a node (UUID or host name) or a serial number".to_owned());
    }
    let needed = [("nic", &row.nic), ("switch", &row.switch), ("port", &row.port)];
    found.extend(needed.iter().filter(|(_, v)| v.is_empty()).map(|(name, _)| format!("expected a {name}")));
    for (name, value) in COLUMNS.iter().zip(row.values()) {
        if value.len() > VALUE_MAX || value.chars().any(char::is_control) {
            found.push(format!("{name}: expected one line of at most {VALUE_MAX} bytes"));
        }
    }
    if row.nic == "0" {
        found.push("nic: NICs are counted from 1".to_owned());
    }
    found
}

#[derive(Default)]
struct Errors {
    told: Vec<String>,
    more: usize,
}

impl Errors {
    fn add(&mut self, line: u64, problem: &str) {
        match self.told.len() < ERRORS_MAX {
            true => self.told.push(format!("line {line}: {problem}")),
            false => self.more += 1,
        }
    }

    fn or(mut self, rows: Vec<Row>) -> Result<Vec<Row>, Vec<String>> {
        if self.more > 0 {
            self.told.push(format!("and {} more", self.more));
        }
        if self.told.is_empty() { Ok(rows) } else { Err(self.told) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn row(values: [&str; 5]) -> Row {
        let [node, serial, nic, switch, port] = values.map(str::to_owned);
        Row { node, serial, nic, switch, port }
    }

    #[test]
    fn columns_come_in_any_order_and_either_name_will_do() {
        let text = "\u{feff}switch,port,Node,nic\r\ntor-1, swp7 ,web-17,eth0\r\n\r\n\"tor,2\",1,4c4c,2\r\n";
        assert_eq!(
            parse(text).unwrap(),
            [row(["web-17", "", "eth0", "tor-1", "swp7"]), row(["4c4c", "", "2", "tor,2", "1"])]
        );
        let both = "node,serial,nic,switch,port\n,SN1,eth0,t,1\nn,,eth0,t,2\n";
        assert_eq!(parse(both).unwrap().len(), 2);
        assert_eq!(parse("node,nic,switch,port\n").unwrap(), []);
    }

    #[test]
    fn every_error_names_its_line() {
        let text =
            "node,serial,nic,switch,port\nn,,eth0,t,1\nn,s,eth1,t,2\n,,,t,3\nn,,eth0,t,4\nm,,eth0,T,1\nm,,0,t,9,x\n";
        assert_eq!(
            parse(text).unwrap_err(),
            [
                "line 3: expected either a node (UUID or host name) or a serial number",
                "line 4: expected either a node (UUID or host name) or a serial number",
                "line 4: expected a nic",
                "line 5: the same NIC as in line 2",
                "line 6: the same switch port as in line 2",
                "line 7: expected 5 values, got 6",
            ]
        );
        for bad in ["", "node,switch,port\n", "node,nic,switch,port,rack\n", "nic,switch,port\n"] {
            assert!(parse(bad).unwrap_err().concat().contains("line 1: expected the columns"), "{bad:?}");
        }
    }

    #[test]
    fn a_file_full_of_errors_is_told_in_bounds() {
        let text = format!("node,nic,switch,port\n{}", "x,,,\n".repeat(500));
        let errors = parse(&text).unwrap_err();
        assert_eq!(errors.len(), ERRORS_MAX + 1);
        assert!(errors.last().unwrap().starts_with("and "));
    }

    proptest! {
        #[test]
        fn anything_is_rows_or_errors(text in "(node,nic,switch,port\n)?[ -~\n\r\"é,]{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read_again(values in prop::collection::vec("[!-~]([ -~]{0,8}[!-~])?", 4)) {
            let one = row([&values[0], "", &format!("n{}", values[1]), &values[2], &values[3]]);
            prop_assert_eq!(parse(&write(std::slice::from_ref(&one))).unwrap(), vec![one]);
        }
    }
}
