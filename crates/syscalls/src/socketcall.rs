//! The call that does all of the sockets' work on i386: its first argument says what to do, the second points to the
//! arguments. Such a call is shown and selected as what it is asked to do, like a call of that name.

use crate::{Abi, Declaration, fallback};

/// The number of `socketcall`, which only i386 has.
pub const NUMBER: u32 = 102;

/// What it can be asked to do, from 1 on (include/uapi/linux/net.h).
pub const OPERATIONS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// The operation with this number.
pub fn name(operation: u32) -> Option<&'static str> {
    OPERATIONS
        .get(usize::try_from(operation.checked_sub(1)?).ok()?)
        .copied()
}

/// The number of the operation with this name.
pub fn operation(name: &str) -> Option<u32> {
    let index = OPERATIONS.iter().position(|known| *known == name)?;
    u32::try_from(index + 1).ok()
}

/// The declaration of an operation: that of the call of its name. i386 never had calls of some of the names.
pub fn declaration(operation: &str) -> Option<&'static Declaration> {
    [Abi::I386, Abi::X86_64, Abi::Arm]
        .into_iter()
        .find_map(|abi| fallback::declaration(abi, operation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn operations_have_numbers_and_declarations() {
        assert_eq!(table::number(Abi::I386, "socketcall"), Some(NUMBER));
        assert_eq!((name(0), name(3), name(21)), (None, Some("connect"), None));
        // How many arguments the kernel copies for each (net/socket.c).
        let counts = [3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4];
        for (index, count) in counts.into_iter().enumerate() {
            let name = OPERATIONS[index];
            assert_eq!(operation(name), Some(index as u32 + 1));
            assert_eq!(declaration(name).unwrap().parameters.len(), count, "{name}");
        }
    }
}
