//! Socket addresses of every family as text.
//!
//! Never an error: an address that is too short for its family, or of a family without a form of its own, becomes hex
//! digits behind the family. The family and the fields in host order have the byte order of the ABI.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::memory::Memory;
use super::text::{bare, hex, push};
use crate::Abi;

/// Appends the address as text. `cut` says that the caller's address goes on after `bytes`.
pub(super) fn sockaddr(abi: Abi, bytes: &[u8], cut: bool, out: &mut String) {
    let memory = Memory::new(abi, bytes);
    let Some(family) = memory.u16_at(0) else {
        out.push_str("family ?: ");
        hex(bytes, out);
        return;
    };
    let decoded = match family {
        0 => {
            out.push_str("unspec");
            Some(())
        }
        1 => {
            unix(&bytes[2..], cut, out);
            Some(())
        }
        2 => inet(memory, out),
        10 => inet6(memory, out),
        16 => netlink(memory, out),
        17 => packet(memory, bytes, out),
        38 => alg(bytes, out),
        40 => vsock(memory, out),
        _ => None,
    };
    if decoded.is_none() {
        match family_name(family) {
            Some(name) => push(out, format_args!("{name}: ")),
            None => push(out, format_args!("family {family}: ")),
        }
        hex(bytes, out);
        if cut {
            out.push_str("...");
        }
    }
}

/// The names of the families that have a form of their own.
fn family_name(family: u16) -> Option<&'static str> {
    Some(match family {
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        38 => "alg",
        40 => "vsock",
        _ => return None,
    })
}

/// A path ends at its first NUL; a first NUL means an abstract name, which ends with the address; nothing at all means
/// a socket without a name.
fn unix(name: &[u8], cut: bool, out: &mut String) {
    out.push_str("unix:");
    match name {
        [] => {}
        [0, name @ ..] => {
            out.push('@');
            bare(name, cut, out);
        }
        path => {
            let end = path.iter().position(|&byte| byte == 0);
            let path = &path[..end.unwrap_or(path.len())];
            // A path may begin with the sign that stands for abstract names.
            let path = path
                .strip_prefix(b"@")
                .inspect(|_| out.push_str("\\x40"))
                .unwrap_or(path);
            bare(path, cut && end.is_none(), out);
        }
    }
}

fn inet(memory: Memory<'_>, out: &mut String) -> Option<()> {
    let port = memory.be16_at(2)?;
    let addr = Ipv4Addr::from(memory.array_at::<4>(4)?);
    push(out, format_args!("{addr}:{port}"));
    Some(())
}

/// The scope id came after RFC 2133; the kernel still accepts addresses of 24 bytes without it.
fn inet6(memory: Memory<'_>, out: &mut String) -> Option<()> {
    let port = memory.be16_at(2)?;
    let addr = Ipv6Addr::from(memory.array_at::<16>(8)?);
    match memory.u32_at(24) {
        None | Some(0) => push(out, format_args!("[{addr}]:{port}")),
        Some(scope) => push(out, format_args!("[{addr}%{scope}]:{port}")),
    }
    Some(())
}

fn netlink(memory: Memory<'_>, out: &mut String) -> Option<()> {
    let (pid, groups) = (memory.u32_at(4)?, memory.u32_at(8)?);
    push(out, format_args!("netlink:pid={pid},groups={groups:#x}"));
    Some(())
}

fn packet(memory: Memory<'_>, bytes: &[u8], out: &mut String) -> Option<()> {
    let (protocol, ifindex) = (memory.be16_at(2)?, memory.u32_at(4)? as i32);
    let addr_bytes = usize::from(*bytes.get(11)?).min(8);
    push(
        out,
        format_args!("packet:proto={protocol:#06x},ifindex={ifindex},addr="),
    );
    for (i, byte) in bytes[12..].iter().take(addr_bytes).enumerate() {
        push(
            out,
            format_args!("{}{byte:02x}", if i == 0 { "" } else { ":" }),
        );
    }
    Some(())
}

fn alg(bytes: &[u8], out: &mut String) -> Option<()> {
    let until_nul = |bytes: &[u8]| {
        bytes
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(bytes.len())
    };
    let kind = bytes.get(2..16)?;
    let name = bytes.get(24..)?;
    out.push_str("alg:type=");
    bare(&kind[..until_nul(kind)], false, out);
    out.push_str(",name=");
    bare(
        &name[..until_nul(name)],
        until_nul(name) == name.len() && name.len() < 64,
        out,
    );
    Some(())
}

fn vsock(memory: Memory<'_>, out: &mut String) -> Option<()> {
    let (port, cid) = (memory.u32_at(4)?, memory.u32_at(8)?);
    push(out, format_args!("vsock:{cid}:{port}"));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockaddr(abi: Abi, bytes: &[u8], cut: bool) -> String {
        let mut out = String::new();
        super::sockaddr(abi, bytes, cut, &mut out);
        out
    }

    fn text(bytes: &[u8]) -> String {
        sockaddr(Abi::X86_64, bytes, false)
    }

    #[test]
    fn internet_addresses_have_address_and_port() {
        assert_eq!(text(&[2, 0, 1, 0xbb, 1, 1, 1, 1]), "1.1.1.1:443");
        let mut v6 = [0u8; 28];
        v6[0] = 10;
        v6[2..4].copy_from_slice(&443u16.to_be_bytes());
        v6[23] = 1;
        assert_eq!(text(&v6), "[::1]:443");
        assert_eq!(text(&v6[..24]), "[::1]:443");
        v6[24] = 3;
        assert_eq!(text(&v6), "[::1%3]:443");
    }

    #[test]
    fn unix_addresses_are_paths_abstract_names_or_nothing() {
        assert_eq!(text(b"\x01\0/run/x.sock\0rest"), "unix:/run/x.sock");
        assert_eq!(text(b"\x01\0\0name\0\x01"), r"unix:@name\x00\x01");
        assert_eq!(text(b"\x01\0"), "unix:");
        assert_eq!(text(b"\x01\0@like abstract"), r"unix:\x40like\x20abstract");
        assert_eq!(
            sockaddr(Abi::X86_64, b"\x01\0/very/lo", true),
            "unix:/very/lo..."
        );
    }

    #[test]
    fn kernel_families_name_their_fields() {
        assert_eq!(
            text(&[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]),
            "netlink:pid=7,groups=0x1"
        );
        assert_eq!(text(&[40, 0, 0, 0, 0, 4, 0, 0, 3, 0, 0, 0]), "vsock:3:1024");
        let packet = [
            17, 0, 8, 0, 2, 0, 0, 0, 1, 0, 0, 6, 0xaa, 0xbb, 0xcc, 0, 1, 2, 0, 0,
        ];
        assert_eq!(
            text(&packet),
            "packet:proto=0x0800,ifindex=2,addr=aa:bb:cc:00:01:02"
        );
        let mut alg = [0u8; 88];
        alg[0] = 38;
        alg[2..6].copy_from_slice(b"hash");
        alg[24..30].copy_from_slice(b"sha256");
        assert_eq!(text(&alg), "alg:type=hash,name=sha256");
        assert_eq!(text(&[0; 16]), "unspec");
    }

    #[test]
    fn the_family_has_the_byte_order_of_the_abi_and_the_port_that_of_the_network() {
        let text = |bytes| sockaddr(Abi::S390x, bytes, false);
        assert_eq!(text(&[0, 2, 1, 0xbb, 1, 1, 1, 1]), "1.1.1.1:443");
        assert_eq!(text(b"\0\x01/run/x.sock\0"), "unix:/run/x.sock");
        assert_eq!(
            text(&[0, 16, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1]),
            "netlink:pid=7,groups=0x1"
        );
        assert_eq!(text(&[2, 0, 1, 0xbb]), "family 512: 020001bb");
    }

    #[test]
    fn other_families_and_short_addresses_are_hex_and_never_an_error_text() {
        assert_eq!(text(&[31, 0, 1, 2]), "family 31: 1f000102");
        assert_eq!(text(&[2, 0, 1, 0xbb]), "inet: 020001bb");
        assert_eq!(text(&[2]), "family ?: 02");
        assert_eq!(
            sockaddr(Abi::X86_64, &[99, 0, 1], true),
            "family 99: 630001..."
        );
    }
}
