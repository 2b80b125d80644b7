//! What gizmo wrote: JSON lines into calls.

use serde::Deserialize;

use crate::normal::Outcome;

/// A line of `-o json`, as far as it is compared.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub tid: u32,
    pub abi: String,
    pub syscall: String,
    pub ret: String,
    pub error: String,
    pub args: Vec<Arg>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Arg {
    pub name: String,
    pub value: String,
    pub text: Option<String>,
    pub len: Option<u64>,
    pub truncated: bool,
}

#[track_caller]
pub fn parse(json: &str) -> Vec<Record> {
    let parse_line = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in `{line}`"))
    };
    // That memory could not be read is compared call by call.
    let is_call = |line: &&str| !line.contains("\"reason\":\"failed\"");
    json.lines().filter(is_call).map(parse_line).collect()
}

impl Record {
    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        match (self.ret.as_str(), self.error.as_str()) {
            ("X", "") => Outcome::NeverReturns,
            ("killed", "") => Outcome::Killed,
            (ret, "") => Outcome::Value(
                number(ret).unwrap_or_else(|| panic!("`{ret}` is no result of `{}`", self.syscall)),
            ),
            (_, error) => Outcome::Error(error.to_owned()),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}
