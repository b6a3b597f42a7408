//! What an ATA disk says of itself, out of the page of vital product data in which the SCSI layer passes it on (SAT-5,
//! ATA Information, page 0x89). INQUIRY cuts the model off after 16 characters and the firmware after 4.

/// IDENTIFY DEVICE begins here in the page, 512 bytes.
const IDENTIFY: usize = 60;

/// Serial number, firmware and model; empty where the disk does not tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Words 10 to 19.
    pub serial: String,
    /// Words 23 to 26.
    pub firmware: String,
    /// Words 27 to 46.
    pub model: String,
}

/// Out of the page; none when it is no such page, or cut off.
pub fn identity(page: &[u8]) -> Option<Identity> {
    if page.get(1) != Some(&0x89) {
        return None;
    }
    let words = |first: usize, count: usize| {
        let from = IDENTIFY + first * 2;
        page.get(from..from + count * 2).map(text)
    };
    Some(Identity { serial: words(10, 10)?, firmware: words(23, 4)?, model: words(27, 20)? })
}

/// Each word has its two characters swapped (ACS-4, 3.3.10).
fn text(field: &[u8]) -> String {
    let swapped = field.chunks_exact(2).flat_map(|pair| pair.iter().rev());
    let text: String = swapped.map(|b| char::from(*b)).filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page() -> Vec<u8> {
        let mut page = vec![0u8; IDENTIFY + 512];
        page[1] = 0x89;
        for (word, value) in [(10, "S4EVNX0M123456      "), (23, "MVT42P1Q"), (27, "Samsung SSD 860 EVO 1TB")] {
            let mut bytes = value.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), b' ');
            for (index, pair) in bytes.chunks_exact(2).enumerate() {
                let at = IDENTIFY + (word + index) * 2;
                (page[at], page[at + 1]) = (pair[1], pair[0]);
            }
        }
        page
    }

    #[test]
    fn whole_and_cut_off() {
        let found = identity(&page()).unwrap();
        assert_eq!(found.serial, "S4EVNX0M123456");
        assert_eq!((found.firmware.as_str(), found.model.as_str()), ("MVT42P1Q", "Samsung SSD 860 EVO 1TB"));
        assert_eq!(identity(&page()[..IDENTIFY + 90]), None);
        assert_eq!(identity(&[0, 0x80, 0, 0]), None);
        assert_eq!(identity(&[]), None);
    }
}
