//! Content digests: the names of blobs, checked when they are parsed, so that one is always safe as a file name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::{Error, Result};

/// A digest such as `sha256:44136fa3…`: an algorithm and lower-case hexadecimal digits.
///
/// ```
/// let digest = gizmo_image::Digest::of(b"{}");
/// assert!(digest.as_str().starts_with("sha256:44136fa355b3678a"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The whole text, `sha256:<hex>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits after the algorithm.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The first twelve digits, as lists show them on a terminal.
    pub fn short(&self) -> &str {
        let hex = self.hex();
        hex.get(..12).unwrap_or(hex)
    }

    /// The digits of a SHA-256 digest; any other algorithm is an error, since its content could not be checked.
    pub(crate) fn sha256_hex(&self) -> Result<&str> {
        match self.0.split_once(':') {
            Some(("sha256", hex)) => Ok(hex),
            _ => Err(Error::UnsupportedDigest {
                digest: self.clone(),
            }),
        }
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::InvalidDigest {
            text: text.chars().take(200).collect(),
        };
        let (algorithm, hex) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm_ok = algorithm.starts_with(|c: char| c.is_ascii_lowercase())
            && algorithm
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+._-".contains(&b));
        let hex_ok = hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let length_ok = match algorithm {
            "sha256" => hex.len() == 64,
            _ => (32..=256).contains(&hex.len()),
        };
        if algorithm_ok && hex_ok && length_ok && algorithm.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of a stream.
pub(crate) struct Hasher(sha2::Sha256);

impl Hasher {
    pub(crate) fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::from("sha256:");
        for byte in self.0.finalize() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Digest(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_config_has_its_well_known_digest() {
        let expected = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(Digest::of(b"{}").as_str(), expected);
        assert_eq!(Digest::of(b"{}").short(), "44136fa355b3");
    }

    #[test]
    fn text_that_could_escape_a_folder_is_not_a_digest() {
        let slashes = format!("sha256:{}", "/".repeat(64));
        let upper = format!("sha256:{}", "A".repeat(64));
        for text in [
            "",
            "sha256:",
            "sha256:../../etc/passwd",
            "sha256",
            ":00",
            slashes.as_str(),
            upper.as_str(),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn another_algorithm_parses_but_cannot_be_read() {
        let digest: Digest = format!("sha512:{}", "0".repeat(128))
            .parse()
            .expect("valid");
        assert!(matches!(
            digest.sha256_hex(),
            Err(Error::UnsupportedDigest { .. })
        ));
    }
}
