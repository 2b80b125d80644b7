//! Iterator programs: loaded with their object, attached to nothing, and run when somebody asks.

use std::io::{self, ErrorKind, Read};

use gizmo_model::iterator::IteratorError;
use libbpf_rs::{Iter, ProgramMut};

/// Reads in turn that may yield nothing before the end. The kernel interrupts a read that has passed a million things
/// without output (MAX_ITER_OBJECTS in kernel/bpf/bpf_iter.c), and one whose program asks for it; there are at most four
/// million tasks.
const MOST_EMPTY_READS: u32 = 16;

/// Begins to run a program. The link is needed only for that: what is read holds the program.
pub(crate) fn run(program: &ProgramMut<'_>, name: &str) -> Result<Output, IteratorError> {
    let output = program.attach().and_then(|link| Iter::new(&link));
    match output {
        Ok(iter) => Ok(Output { source: iter }),
        Err(error) => Err(IteratorError::Kernel {
            program: name.to_owned(),
            source: io::Error::other(error),
        }),
    }
}

/// What a program prints.
pub(crate) struct Output<S = Iter> {
    source: S,
}

impl<S: Read> Read for Output<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut empty_reads = 0;
        loop {
            match self.source.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && empty_reads < MOST_EMPTY_READS =>
                {
                    empty_reads += 1;
                }
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields nothing so often, then one byte.
    struct Late(u32);

    impl Read for Late {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                into[0] = 7;
                return Ok(1);
            }
            self.0 -= 1;
            Err(ErrorKind::WouldBlock.into())
        }
    }

    #[test]
    fn a_read_without_output_is_repeated_but_not_for_ever() {
        let mut byte = [0];
        let mut read = |times| {
            let source = Late(times);
            Output { source }
                .read(&mut byte)
                .map_err(|error| error.kind())
        };
        assert_eq!(read(0), Ok(1));
        assert_eq!(read(16), Ok(1));
        assert_eq!(read(17), Err(ErrorKind::WouldBlock));
    }
}
