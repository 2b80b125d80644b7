//! What is said on the socket of a run: one line of JSON asks, frames answer.
//!
//! A frame is a byte for its kind, the length of its content in four bytes, little endian, and the content. The last one is
//! [`Kind::Done`] or [`Kind::Failed`]; an answer that ends without it has been cut off.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// A request at most: values of parameters may be long lists.
pub(super) const MAX_REQUEST_BYTES: usize = 64 << 10;

/// A frame at most: names of 4096 containers, and what is known of them.
const MAX_FRAME_BYTES: u32 = 16 << 20;

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked.
    pub ask: Ask,
    /// Names of the containers that it is about, as `-c` has them; empty for all.
    #[serde(default)]
    pub containers: String,
    /// How packets are to be printed.
    #[serde(default)]
    pub form: Form,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Packets of everything that is held.
    Snapshot,
    /// The same, and then what is new, until the asker or the run has gone.
    Follow,
    /// That what is held be held no longer.
    Forget,
    /// What is recorded.
    Recordings,
    /// Parameters of the guest by their keys, and their new values.
    SetParams(BTreeMap<String, String>),
}

/// How packets and log lines are printed for the asker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    /// The value of `-o`.
    pub output: String,
    /// The value of `--fields`.
    pub fields: String,
    /// Filter rules by data source; those under the empty name are for all.
    pub filters: BTreeMap<String, String>,
    /// Columns of the asker's terminal, if its output is one.
    pub terminal_width: Option<u16>,
    /// How its log lines look.
    pub log: LogForm,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogForm {
    /// Whether they are read on a terminal.
    pub is_terminal: bool,
    /// Whether level debug is shown.
    pub is_verbose: bool,
}

/// A run, in the last frame of each answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name.
    pub run: String,
    /// The gadget's name.
    pub gadget: String,
    /// The image, as it was named on the command line.
    pub image: String,
    /// Process id.
    pub pid: u32,
    /// When it began, in seconds since 1970.
    pub since_unix_s: i64,
    /// Values of the guest's parameters.
    pub params: BTreeMap<String, String>,
    /// Containers that the answer is about.
    pub containers: u64,
    /// What is recorded, to [`Ask::Recordings`]; `None` when the gadget does not tell.
    pub recordings: Option<Vec<RecordingInfo>>,
}

/// A container that is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingInfo {
    /// Its name, empty when unknown.
    pub name: String,
    /// Its runtime's id for it, empty when unknown.
    pub id: String,
    /// Its runtime, empty for a command.
    pub runtime: String,
    /// Id of its cgroup, 0 when unknown.
    pub cgroup_id: u64,
    /// Inode number of its mount namespace, 0 when unknown.
    pub mntns_id: u64,
    /// Records that were made.
    pub recorded: u64,
    /// Records that are still held.
    pub held: u64,
    /// Records that could not be made.
    pub lost: u64,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Printed packets.
    Output,
    /// A log line.
    Log,
    /// An [`Answer`] as JSON.
    Done,
    /// Why there is no answer.
    Failed,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Output => b'o',
            Kind::Log => b'l',
            Kind::Done => b'd',
            Kind::Failed => b'f',
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        [Kind::Output, Kind::Log, Kind::Done, Kind::Failed]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// The bytes before a frame's content.
pub(super) fn head(kind: Kind, bytes: usize) -> [u8; 5] {
    let length = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    [kind.byte(), length[0], length[1], length[2], length[3]]
}

/// Reads a frame; `None` at the end of the stream, also in the middle of one.
pub(super) fn read_frame(from: &mut impl Read, content: &mut Vec<u8>) -> io::Result<Option<Kind>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let (Some(kind), true) = (Kind::of_byte(head[0]), length <= MAX_FRAME_BYTES) else {
        let text = "what the run says is no answer";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    };
    content.resize(length as usize, 0);
    match from.read_exact(content) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| Some(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for (kind, text) in [(Kind::Output, "abc"), (Kind::Log, ""), (Kind::Done, "{}")] {
            bytes.extend(head(kind, text.len()));
            bytes.extend(text.as_bytes());
        }
        let mut from = &bytes[..];
        let mut content = Vec::new();
        let mut next = || {
            let kind = read_frame(&mut from, &mut content).unwrap();
            kind.map(|kind| (kind, String::from_utf8(content.clone()).unwrap()))
        };
        assert_eq!(next(), Some((Kind::Output, "abc".into())));
        assert_eq!(next(), Some((Kind::Log, String::new())));
        assert_eq!(next(), Some((Kind::Done, "{}".into())));
        assert_eq!(next(), None);
    }

    #[test]
    fn a_frame_that_is_cut_off_is_none_and_one_that_lies_is_an_error() {
        let mut content = Vec::new();
        let cut = [head(Kind::Output, 10).to_vec(), b"abc".to_vec()].concat();
        assert_eq!(read_frame(&mut &cut[..], &mut content).unwrap(), None);
        for lie in [*b"o\xff\xff\xff\xff", *b"x\0\0\0\0"] {
            assert!(read_frame(&mut &lie[..], &mut content).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn requests_are_short_where_nothing_special_is_wanted() {
        let request: Request = serde_json::from_str(r#"{"ask": "snapshot"}"#).unwrap();
        assert_eq!(request.ask, Ask::Snapshot);
        assert_eq!(request.form, Form::default());
        let text = r#"{"ask": {"set-params": {"a": "b"}}, "containers": "web"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(
            request.ask,
            Ask::SetParams([("a".into(), "b".into())].into())
        );
        for wrong in [
            r#"{"ask": "snap"}"#,
            r#"{"ask": "snapshot", "x": 1}"#,
            "{}",
            "[]",
            "",
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }
}
