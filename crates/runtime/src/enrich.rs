//! Who did it: events that carry the mount namespace of a container get its names (runtime-and-cli.md 1.11).
//!
//! A field tagged `type:gizmo_cgroup_id` tells a container for certain, since the kernel gives each of these ids once; the
//! number of a mount namespace is used again as soon as its container is gone, and then means the last one that had it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use gizmo_model::container::Container;
use gizmo_model::field::{AccessError, FieldSpec};
use gizmo_model::{DataSource, Element, Field, Flow, Kind, Payload, Subscription};
use tracing::warn;

use crate::Error;

/// Containers that are remembered after their end, for events that come late.
const REMEMBERED: usize = 1024;

/// Priority of the subscriptions: before everything that filters or shows.
const PRIORITY: i32 = -1;

/// The containers that events may come from, those that have ended too.
#[derive(Debug, Default)]
pub(crate) struct Identities(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    by_cgroup: HashMap<u64, Arc<Container>>,
    by_mntns: HashMap<u64, Arc<Container>>,
    /// Cgroups and mount namespaces of those that have ended, the oldest first.
    ended: VecDeque<(u64, u64)>,
}

impl Identities {
    /// Takes note of a container, or of more that is known about one.
    pub(crate) fn learn(&self, container: &Arc<Container>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if container.cgroup_id != 0 {
            let (id, container) = (container.cgroup_id, Arc::clone(container));
            known.by_cgroup.insert(id, container);
        }
        if container.mntns_id != 0 {
            let (id, container) = (container.mntns_id, Arc::clone(container));
            known.by_mntns.insert(id, container);
        }
    }

    /// A container has ended. The oldest that has is forgotten.
    pub(crate) fn end(&self, container: &Container) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let place = (container.cgroup_id, container.mntns_id);
        known.ended.push_back(place);
        if known.ended.len() <= REMEMBERED {
            return;
        }
        let Some((cgroup, mntns)) = known.ended.pop_front() else {
            return;
        };
        known.by_cgroup.remove(&cgroup);
        // Another may have got the number since.
        let last = known.by_mntns.get(&mntns);
        if last.is_some_and(|last| last.cgroup_id == cgroup) {
            known.by_mntns.remove(&mntns);
        }
    }

    /// The container of a cgroup, or of a mount namespace when the cgroup is unknown.
    pub(crate) fn find(&self, cgroup: u64, mntns: u64) -> Option<Arc<Container>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match cgroup {
            0 => known.by_mntns.get(&mntns).cloned(),
            cgroup => known.by_cgroup.get(&cgroup).cloned(),
        }
    }
}

/// Adds the fields to every data source that tells a mount namespace, and fills them.
///
/// # Errors
/// A field's name is taken.
pub(crate) fn attach(
    sources: &[Arc<DataSource>],
    identities: &Arc<Identities>,
) -> Result<(), Error> {
    for source in sources {
        let tagged = source.fields_tagged("type:gadget_mntns_id");
        let Some(mntns) = tagged.first().cloned() else {
            continue;
        };
        if tagged.len() > 1 {
            warn!(
                source = source.name(),
                field = mntns.full_name(),
                "several fields tell a mount namespace; the first is used"
            );
        }
        let cgroup = source
            .fields_tagged("type:gizmo_cgroup_id")
            .first()
            .cloned();
        let fields = Fields::add(source)?;
        let identities = Arc::clone(identities);
        let fill = move |_: &DataSource, payload: Payload<'_>| {
            if let Payload::Element(element) = payload {
                let value = |field: &Field| field.value(element).unwrap_or(0);
                let cgroup = cgroup.as_deref().map_or(0, value);
                if let Some(container) = identities.find(cgroup, value(&mntns)) {
                    // An element that is older than the fields stays as it is.
                    let _ = fields.fill(element, &container);
                }
            }
            Flow::Continue
        };
        source.subscribe(Subscription::Element, PRIORITY, fill)?;
    }
    Ok(())
}

struct Fields {
    namespace: Arc<Field>,
    pod_name: Arc<Field>,
    k8s_container: Arc<Field>,
    host_network: Arc<Field>,
    pod_labels: Arc<Field>,
    name: Arc<Field>,
    runtime: Arc<Field>,
    id: Arc<Field>,
    pid: Arc<Field>,
    image_name: Arc<Field>,
    image_digest: Arc<Field>,
    started_at: Arc<Field>,
}

/// Not among the columns unless asked for.
const HIDDEN: bool = true;
const SHOWN: bool = false;

impl Fields {
    /// On a host without Kubernetes the tree `k8s` is there and hidden.
    fn add(source: &DataSource) -> Result<Self, Error> {
        let add = |parent: &Arc<Field>,
                   name: &str,
                   kind,
                   order,
                   hidden: bool,
                   annotations: &[(&str, &str)]| {
            let mut spec = FieldSpec::new(name, kind).at(order).below(parent);
            for (key, value) in annotations {
                spec = spec.annotated(key, value);
            }
            if hidden {
                spec = spec.annotated("columns.hidden", "true");
            }
            source.add_field(spec)
        };
        let k8s = source.add_field(FieldSpec::group("k8s"))?;
        add(
            &k8s,
            "node",
            Kind::String,
            -31,
            HIDDEN,
            &[("template", "node")],
        )?;
        let owner = source.add_field(FieldSpec::group("owner").below(&k8s))?;
        for name in ["kind", "name"] {
            add(&owner, name, Kind::String, 0, HIDDEN, &[])?;
        }
        let runtime = source.add_field(FieldSpec::group("runtime"))?;
        let container = [("template", "container")];
        Ok(Self {
            namespace: add(
                &k8s,
                "namespace",
                Kind::String,
                -30,
                HIDDEN,
                &[("template", "namespace")],
            )?,
            pod_name: add(
                &k8s,
                "podName",
                Kind::String,
                -29,
                HIDDEN,
                &[("template", "pod")],
            )?,
            k8s_container: add(&k8s, "containerName", Kind::String, -28, HIDDEN, &container)?,
            host_network: add(&k8s, "hostnetwork", Kind::Bool, -27, HIDDEN, &[])?,
            pod_labels: add(&k8s, "podLabels", Kind::String, -26, HIDDEN, &[])?,
            name: add(
                &runtime,
                "containerName",
                Kind::String,
                -27,
                SHOWN,
                &container,
            )?,
            runtime: add(
                &runtime,
                "runtimeName",
                Kind::String,
                -26,
                HIDDEN,
                &[("columns.width", "19")],
            )?,
            id: add(
                &runtime,
                "containerId",
                Kind::String,
                -25,
                HIDDEN,
                &[("columns.width", "13"), ("columns.maxwidth", "64")],
            )?,
            pid: add(
                &runtime,
                "containerPid",
                Kind::Uint32,
                -24,
                HIDDEN,
                &[("template", "containerPid")],
            )?,
            image_name: add(
                &runtime,
                "containerImageName",
                Kind::String,
                -23,
                HIDDEN,
                &[("template", "containerImageName")],
            )?,
            image_digest: add(
                &runtime,
                "containerImageDigest",
                Kind::String,
                -22,
                HIDDEN,
                &[("template", "containerImageDigest")],
            )?,
            started_at: add(
                &runtime,
                "containerStartedAt",
                Kind::Int64,
                -21,
                HIDDEN,
                &[("template", "containerStartedAt")],
            )?,
        })
    }

    fn fill(&self, element: &mut Element, container: &Container) -> Result<(), AccessError> {
        let k8s = &container.k8s;
        for (field, text) in [
            (&self.namespace, &k8s.namespace),
            (&self.pod_name, &k8s.pod_name),
            (&self.k8s_container, &k8s.container_name),
            (&self.name, &container.name),
            (&self.runtime, &container.runtime_name),
            (&self.id, &container.id),
            (&self.image_name, &container.image_name),
            (&self.image_digest, &container.image_digest),
        ] {
            field.set_bytes(element, text.as_bytes())?;
        }
        if !k8s.pod_labels.is_empty() {
            let labels: Vec<String> = k8s
                .pod_labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            self.pod_labels
                .set_bytes(element, labels.join(",").as_bytes())?;
        }
        self.host_network
            .set_value(element, u64::from(container.host_network))?;
        self.pid.set_value(element, container.pid.into())?;
        self.started_at
            .set_value(element, container.started_at_ns.cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cgroup_id: u64, mntns_id: u64) -> Arc<Container> {
        Arc::new(Container {
            cgroup_id,
            mntns_id,
            ..Container::default()
        })
    }

    #[test]
    fn those_that_run_are_known_however_many_have_ended() {
        let identities = Identities::default();
        identities.learn(&container(1, 1));
        for id in 2..2 + 2 * REMEMBERED as u64 {
            let ended = container(id, id);
            identities.learn(&ended);
            identities.end(&ended);
        }
        let is_known = |id| identities.find(id, 0).is_some() && identities.find(0, id).is_some();
        assert!(is_known(1));
        let last = 1 + 2 * REMEMBERED as u64;
        assert!(is_known(last) && is_known(last + 1 - REMEMBERED as u64));
        assert!(!is_known(last - REMEMBERED as u64) && !is_known(2));
    }

    #[test]
    fn a_number_that_was_given_again_stays_with_whom_it_has() {
        let identities = Identities::default();
        let (old, new) = (container(1, 7), container(2, 7));
        identities.learn(&old);
        identities.end(&old);
        identities.learn(&new);
        for id in 100..101 + REMEMBERED as u64 {
            identities.end(&container(id, id));
        }
        assert_eq!(identities.find(0, 7), Some(new));
        assert_eq!(identities.find(1, 0), None);
    }
}
