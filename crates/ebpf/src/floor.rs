//! Two programs at the system call tracepoints that do nothing (`bpf/floor.bpf.c`): what seeing every call costs at least.

use libbpf_rs::{Link, Object, ObjectBuilder};

use crate::attach::AttachPoint;
use crate::{Error, kernel_has_btf, libbpf_log, object};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/floor.bpf.o"));

/// The attached programs. Detached when dropped.
pub struct Floor {
    _links: Vec<Link>,
    /// Owns the programs; dropped after the links.
    _object: Object,
}

impl Floor {
    /// Loads and attaches.
    ///
    /// # Errors
    /// The kernel has no BTF, or refuses.
    pub fn attach() -> Result<Self, Error> {
        if !kernel_has_btf() {
            return Err(Error::NoKernelBtf("floor_enter".to_owned()));
        }
        let (opened, log) = libbpf_log::capture(|| {
            let mut builder = ObjectBuilder::default();
            builder.name("floor")?.open_memory(OBJECT)
        });
        let opened = opened.map_err(|source| Error::Open { log, source })?;
        let object = object::load(opened)?;
        let links = object
            .progs_mut()
            .map(|program| {
                // Typed programs have their target from their section, when they are loaded.
                let section = program.section().to_string_lossy().into_owned();
                object::attach(&program, &AttachPoint::BtfTracepoint(section))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            _links: links.into_iter().flatten().collect(),
            _object: object,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "root: loads eBPF programs"]
    fn both_programs_are_attached() {
        let floor = Floor::attach().unwrap();
        assert_eq!(floor._links.len(), 2);
    }
}
