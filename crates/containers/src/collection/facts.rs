//! What this host tells about a container whose first process is known.

use gizmo_model::container::Container;

use crate::bundle::{self, Bundle, ContainerType};
use crate::host::HostRoot;
use crate::process::{CgroupFacts, Namespaces, ProcessFacts};

/// Everything that is read from `/proc` and from the bundle.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
    pub(super) namespaces: Option<Namespaces>,
    pub(super) cgroups: CgroupFacts,
    pub(super) started_at_ns: i64,
    pub(super) bundle: Option<Bundle>,
    /// Whether the bundle says that this is only a pod's sandbox.
    pub(super) is_sandbox: bool,
}

impl Facts {
    /// Looks; nothing when the process is gone or was replaced meanwhile. What cannot be read stays empty. Reads files, so it
    /// may take a moment.
    pub(super) fn gather(host: &HostRoot, pid: u32, id: &str) -> Option<Self> {
        let process = (pid != 0).then(|| ProcessFacts::of(host, pid))?.ok()?;
        if process.has_ended() {
            return None;
        }
        let log = |what: &'static str| move |error: &std::io::Error| tracing::debug!(container = id, pid, %error, what, "not known");
        let mut facts = Self {
            pid,
            start_ticks: process.start_ticks(),
            namespaces: process.namespaces().inspect_err(log("namespaces")).ok(),
            cgroups: process
                .cgroups()
                .inspect_err(log("cgroup"))
                .unwrap_or_default(),
            started_at_ns: process
                .started_at_ns()
                .inspect_err(log("start"))
                .unwrap_or(0),
            bundle: bundle::find(host, process.parent(), id)
                .inspect_err(log("bundle"))
                .ok(),
            is_sandbox: false,
        };
        if let Some(bundle) = &facts.bundle {
            let mut probe = Container {
                config: bundle.config.clone(),
                ..Default::default()
            };
            facts.is_sandbox = bundle::name_by_annotations(&mut probe) == ContainerType::Sandbox;
        }
        process.is_same().then_some(facts)
    }

    /// Writes them into a record; whether that changed anything.
    pub(super) fn apply(self, container: &mut Container) -> bool {
        let before = container.clone();
        container.pid = self.pid;
        if let Some(namespaces) = self.namespaces {
            container.mntns_id = namespaces.mntns_id;
            container.netns_id = namespaces.netns_id;
            container.host_network = namespaces.host_network;
        }
        if !self.cgroups.path.is_empty() {
            container.cgroup_v1 = self.cgroups.v1;
            container.cgroup_v2 = self.cgroups.v2;
            container.cgroup_path = self.cgroups.path;
            container.cgroup_id = self.cgroups.id;
        }
        if self.started_at_ns != 0 {
            container.started_at_ns = self.started_at_ns;
        }
        if let Some(bundle) = self.bundle {
            container.bundle = bundle.folder;
            container.config = bundle.config;
        }
        bundle::name_by_annotations(container);
        *container != before
    }
}
