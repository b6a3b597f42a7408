//! What is said of each packet: for programs as values, for people as a few lines.

use super::super::packet::{self, Written};
use super::super::words;
use crate::domain::dhcp::{Answer, Silence};
use serde::Serialize;
use std::net::Ipv4Addr;

/// What is said of one packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its number in the file.
    pub number: usize,
    /// Seconds since the first packet of DHCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<String>,
    /// From, `ADDRESS:PORT`.
    pub from: String,
    /// To.
    pub to: String,
    /// Bytes of the packet.
    pub bytes: usize,
    /// In one line.
    pub summary: String,
    /// Options that were not used, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<String>,
    /// `answer`, or a word for why there is none.
    pub result: String,
    /// Why this answer, or none.
    pub reason: String,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Sent>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Message type.
    pub kind: String,
    /// Where to.
    pub to: String,
    /// Address for the client; 0.0.0.0: none.
    pub yiaddr: Ipv4Addr,
    /// Next server.
    pub siaddr: Ipv4Addr,
    /// What it boots, or why nothing.
    pub boot: String,
    /// The header's file.
    pub file: String,
    /// Options, in their order.
    pub options: Vec<OptionWords>,
    /// Codes of those for which there was no room.
    pub left_out: Vec<u8>,
    /// Bytes of the packet.
    pub bytes: usize,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptionWords {
    /// Code.
    pub code: u8,
    /// Its name.
    pub name: String,
    /// Its value, for people.
    pub value: String,
}

/// An answer in words.
pub(super) fn sent(answer: &Answer) -> Sent {
    let Written { bytes, left_out } = packet::emit(&answer.reply);
    let reply = &answer.reply;
    let written = reply.options.iter().filter(|(code, _)| !left_out.contains(code));
    let relay = reply.relay.iter().filter(|_| !left_out.contains(&82)).map(|raw| (&82, raw));
    let options = written.map(|(code, value)| (code, value)).chain(relay);
    let words = |(code, value): (&u8, &Vec<u8>)| {
        let (name, value) = words::option(*code, value);
        OptionWords { code: *code, name: name.to_owned(), value }
    };
    Sent {
        kind: reply.kind.to_string(),
        to: answer.to.to_string(),
        yiaddr: reply.yiaddr,
        siaddr: reply.siaddr,
        boot: match &answer.boot {
            None => String::new(),
            Some(Ok(file)) => file.to_string(),
            Some(Err(Silence::NotABootClient)) => "nothing: it does not ask to boot".to_owned(),
            Some(Err(why)) => format!("nothing: {why}"),
        },
        file: reply.file.clone(),
        options: options.map(words).collect(),
        left_out,
        bytes: bytes.len(),
    }
}

/// For people, a few lines a packet.
pub fn text(explained: &[Explained]) -> String {
    explained.iter().map(Explained::text).collect::<Vec<_>>().join("\n")
}

impl Explained {
    fn text(&self) -> String {
        let at = self.seconds.as_ref().map(|seconds| format!("  {seconds} s")).unwrap_or_default();
        let mut lines = vec![
            format!("#{}{at}  {} -> {}, {} bytes", self.number, self.from, self.to, self.bytes),
            self.summary.clone(),
        ];
        lines.extend(self.odd.iter().map(|odd| format!("not used: {odd}")));
        match &self.answer {
            None => lines.push(format!("no answer ({}): {}", self.result, self.reason)),
            Some(sent) => {
                lines.push(format!("{} to {}: {}", sent.kind, sent.to, self.reason));
                lines.extend(sent.lines());
            }
        }
        lines.join("\n  ") + "\n"
    }
}

impl Sent {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("  yiaddr {}, siaddr {}, {} bytes", self.yiaddr, self.siaddr, self.bytes)];
        if !self.boot.is_empty() {
            lines.push(format!("  boots {}", self.boot));
        }
        if !self.file.is_empty() {
            lines.push(format!("  file {}", self.file));
        }
        lines
            .extend(self.options.iter().map(|option| format!("  {:3} {}: {}", option.code, option.name, option.value)));
        if !self.left_out.is_empty() {
            lines.push(format!("  no room for options {:?}", self.left_out));
        }
        lines
    }
}
