//! A text of limited length on the stack, so that formatting does not allocate.

/// Longer texts are cut; the longest real one, all flags of a file, has about 180 bytes.
const CAPACITY: usize = 256;

/// The text.
pub(super) struct Scratch {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            bytes: [0; CAPACITY],
            length: 0,
        }
    }
}

impl Scratch {
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn push(&mut self, text: &str) {
        let end = text.floor_char_boundary(CAPACITY - self.length);
        self.bytes[self.length..self.length + end].copy_from_slice(&text.as_bytes()[..end]);
        self.length += end;
    }
}

impl std::fmt::Write for Scratch {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}
