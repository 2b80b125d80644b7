//! Numbers in copied memory, in the byte order of the ABI that the memory's owner runs in.

use crate::Abi;

/// A traced program's bytes. Positions beyond their end hold nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl<'a> Memory<'a> {
    pub fn new(abi: Abi, bytes: &'a [u8]) -> Memory<'a> {
        Memory {
            bytes,
            is_big_endian: abi.is_big_endian(),
        }
    }

    /// The number at this byte.
    pub fn u16_at(self, offset: usize) -> Option<u16> {
        let bytes = self.array_at(offset)?;
        Some(match self.is_big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    /// The number at this byte.
    pub fn u32_at(self, offset: usize) -> Option<u32> {
        let bytes = self.array_at(offset)?;
        Some(match self.is_big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// The number at this byte.
    pub fn u64_at(self, offset: usize) -> Option<u64> {
        let bytes = self.array_at(offset)?;
        Some(match self.is_big_endian {
            true => u64::from_be_bytes(bytes),
            false => u64::from_le_bytes(bytes),
        })
    }

    /// The number of 1, 2, 4 or 8 bytes at this one.
    pub fn number_at(self, offset: usize, bytes: usize) -> Option<u64> {
        match bytes {
            1 => self.array_at::<1>(offset).map(|[byte]| byte.into()),
            2 => self.u16_at(offset).map(u64::from),
            4 => self.u32_at(offset).map(u64::from),
            8 => self.u64_at(offset),
            _ => None,
        }
    }

    /// The number in network order at this byte.
    pub fn be16_at(self, offset: usize) -> Option<u16> {
        self.array_at(offset).map(u16::from_be_bytes)
    }

    /// The bytes from this one on.
    pub fn array_at<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk::<N>().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_byte_order_of_the_abi() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let (little, big) = (
            Memory::new(Abi::Ppc64le, &bytes),
            Memory::new(Abi::S390x, &bytes),
        );
        assert_eq!(
            [little.u16_at(0), big.u16_at(0)],
            [Some(0x201), Some(0x102)]
        );
        assert_eq!(
            [little.u32_at(4), big.u32_at(4)],
            [Some(0x0807_0605), Some(0x0506_0708)]
        );
        assert_eq!(
            [little.u64_at(0), big.u64_at(0)],
            [Some(0x0807_0605_0403_0201), Some(0x0102_0304_0506_0708)]
        );
        assert_eq!([little.be16_at(2), big.be16_at(2)], [Some(0x304); 2]);
    }

    #[test]
    fn there_is_nothing_beyond_the_end() {
        let memory = Memory::new(Abi::X86_64, &[0; 8]);
        assert_eq!(memory.u64_at(1), None);
        assert_eq!(memory.u16_at(usize::MAX), None);
        assert!(memory.u32_at(4).is_some() && memory.u32_at(5).is_none());
    }
}
