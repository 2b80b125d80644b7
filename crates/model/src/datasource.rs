//! Data sources: named streams of packets, their fields and their subscribers.
//!
//! Emission is synchronous: the emitting thread runs every subscriber in order of priority. No lock is held while a
//! subscriber runs, so it may emit on, or add to, any data source, this one included.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::Config;
use crate::field::{Field, FieldMeta, FieldSpec, MemberSpec, Place};
use crate::packet::{Element, Packet};
use crate::template::template;

/// Elements kept for reuse, a few hundred of which may be on their way; more are given back to the allocator.
const POOL_ELEMENTS: usize = 512;

/// Elements that hold more are not kept: guests are untrusted, and few events are as large.
const POOL_ELEMENT_BYTES: usize = 16 << 10;

/// Fields of one data source at most; guests are untrusted and may add fields in a loop.
pub const MAX_FIELDS: usize = 4096;

/// Whether a data source emits single elements or lists of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One element per packet.
    Single,
    /// Any number of elements per packet.
    Array,
}

/// What a subscriber wants to be called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// Each element, also of arrays.
    Element,
    /// The list of an array data source.
    Array,
    /// The packet as it is.
    Packet,
}

/// What a subscriber is called with.
#[derive(Debug)]
pub enum Payload<'a> {
    /// For [`Subscription::Element`].
    Element(&'a mut Element),
    /// For [`Subscription::Array`].
    Array(&'a mut Vec<Element>),
    /// For [`Subscription::Packet`].
    Packet(&'a mut Packet),
}

/// What happens after a subscriber has run.
#[derive(Debug)]
pub enum Flow {
    /// The next subscriber runs.
    Continue,
    /// The element of an array is removed; any other packet ends here, without an error.
    Discard,
    /// Emission ends, and the emitter gets the error.
    Fail(Box<dyn std::error::Error + Send + Sync>),
}

type Callback = dyn Fn(&DataSource, Payload<'_>) -> Flow + Send + Sync;

#[derive(Clone)]
struct Subscriber {
    kind: Subscription,
    priority: i32,
    call: Arc<Callback>,
}

/// Why a field or data source could not be added, or a packet not be emitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The full name is taken.
    #[error("data source `{source_name}` already has a field `{field}`")]
    FieldExists {
        /// Name of the data source.
        source_name: String,
        /// Full name of the field.
        field: String,
    },
    /// [`MAX_FIELDS`] are there already.
    #[error("data source `{0}` has too many fields")]
    TooManyFields(String),
    /// A member lies outside its struct.
    #[error("field `{field}` lies outside the struct of data source `{source_name}`")]
    OutsideStruct {
        /// Name of the data source.
        source_name: String,
        /// Full name of the field.
        field: String,
    },
    /// The name is taken.
    #[error("there is already a data source `{0}`")]
    SourceExists(String),
    /// A packet of the other shape, or of another data source.
    #[error("the packet does not belong to data source `{0}`")]
    ForeignPacket(String),
    /// Lists are only emitted by array data sources.
    #[error("data source `{0}` emits no arrays")]
    NoArrays(String),
    /// A subscriber failed.
    #[error("a subscriber of data source `{source_name}` failed")]
    Subscriber {
        /// Name of the data source.
        source_name: String,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The beginning or the end of packets that are emitted in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Packets will follow.
    Begin,
    /// That was the last one.
    End,
}

type BatchListener = Arc<dyn Fn(Edge) + Send + Sync>;

/// Packets are emitted in a row until this is dropped; see [`DataSource::batch`].
#[must_use = "the batch ends when this is dropped"]
pub struct Batch(Arc<[BatchListener]>);

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.iter().for_each(|tell| tell(Edge::End));
    }
}

#[derive(Default)]
struct Layout {
    fields: Vec<Arc<Field>>,
    by_name: HashMap<String, usize>,
    fixed_bytes: usize,
    slots: usize,
    tags: Vec<String>,
    annotations: BTreeMap<String, String>,
}

/// A named stream of packets.
pub struct DataSource {
    name: String,
    shape: Shape,
    id: u64,
    /// `datasources.<name>` of the metadata.
    config: Config,
    layout: RwLock<Layout>,
    subscribers: RwLock<Arc<[Subscriber]>>,
    batch_listeners: RwLock<Arc<[BatchListener]>>,
    unreferenced: AtomicBool,
    pool: Mutex<Vec<Element>>,
    /// Records that were lost before they could be emitted.
    lost: AtomicU64,
}

impl std::fmt::Debug for DataSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataSource")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl DataSource {
    /// Creates a data source that is not registered; `config` is the gadget's whole metadata.
    pub fn new(name: &str, shape: Shape, config: &Config) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let path = format!("datasources.{name}");
        let own = Config::from_subtree(config, &path);
        let layout = Layout {
            tags: own.get_list("tags"),
            annotations: own.get_map("annotations").into_iter().collect(),
            ..Layout::default()
        };
        Self {
            name: name.to_owned(),
            shape,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            config: own,
            layout: RwLock::new(layout),
            subscribers: RwLock::new(Arc::new([])),
            batch_listeners: RwLock::new(Arc::new([])),
            unreferenced: AtomicBool::new(false),
            pool: Mutex::new(Vec::new()),
            lost: AtomicU64::new(0),
        }
    }

    /// A data source about which everything is known already, such as one of a recording.
    pub fn described(
        name: &str,
        shape: Shape,
        tags: Vec<String>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let source = Self::new(name, shape, &Config::default());
        {
            let mut layout = source.write();
            layout.tags = tags;
            layout.annotations = annotations;
        }
        source
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Single elements or lists.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Tags of the data source itself.
    pub fn tags(&self) -> Vec<String> {
        self.read().tags.clone()
    }

    /// Annotations of the data source itself.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.read().annotations.clone()
    }

    /// One annotation of the data source itself.
    pub fn annotation(&self, key: &str) -> Option<String> {
        self.read().annotations.get(key).cloned()
    }

    /// Sets an annotation unless the metadata has set it.
    pub fn annotate_default(&self, key: &str, value: &str) {
        self.write()
            .annotations
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }

    /// All fields in the order of their indices, unreferenced ones included.
    pub fn fields(&self) -> Vec<Arc<Field>> {
        self.read().fields.clone()
    }

    /// How many fields there are, unreferenced ones included.
    pub fn field_count(&self) -> usize {
        self.read().fields.len()
    }

    /// The field of this full name: the exact one, else the first that differs only in case.
    pub fn field(&self, full_name: &str) -> Option<Arc<Field>> {
        let layout = self.read();
        if let Some(&index) = layout.by_name.get(full_name) {
            return Some(Arc::clone(&layout.fields[index]));
        }
        let wanted = full_name.to_lowercase();
        let same = |field: &&Arc<Field>| {
            !field.meta().unreferenced && field.full_name.to_lowercase() == wanted
        };
        layout.fields.iter().find(same).cloned()
    }

    /// The fields that have a tag.
    pub fn fields_tagged(&self, tag: &str) -> Vec<Arc<Field>> {
        self.read()
            .fields
            .iter()
            .filter(|field| field.has_tag(tag))
            .cloned()
            .collect()
    }

    /// Adds a field with a place of its own. Elements made before do not have it.
    ///
    /// # Errors
    /// The full name is taken, or there are too many fields.
    pub fn add_field(&self, spec: FieldSpec) -> Result<Arc<Field>, Error> {
        let mut layout = self.write();
        let full_name = match &spec.parent {
            Some(parent) => format!("{}.{}", parent.full_name, spec.name),
            None => spec.name.clone(),
        };
        self.check_new(&layout, &full_name)?;
        let place = if spec.empty {
            Place::Nowhere
        } else if let (Some(width), false) = (spec.kind.width(), spec.array) {
            let offset = layout.fixed_bytes.next_multiple_of(width);
            layout.fixed_bytes = offset + width;
            Place::Fixed {
                offset,
                size: width,
            }
        } else {
            layout.slots += 1;
            Place::Slot(layout.slots - 1)
        };
        let parent = spec.parent.as_ref().map(|parent| parent.index);
        Ok(self.insert(&mut layout, spec, full_name, parent, place, false))
    }

    /// Adds the members of a struct of `bytes` bytes that an eBPF program fills. The struct of the first call lies at the
    /// beginning of [`Element::fixed_mut`].
    ///
    /// # Errors
    /// A member lies outside, a name is taken, or there are too many fields. The data source is then unusable.
    pub fn add_struct(
        &self,
        members: Vec<MemberSpec>,
        bytes: usize,
    ) -> Result<Vec<Arc<Field>>, Error> {
        let mut layout = self.write();
        let base = layout.fixed_bytes.next_multiple_of(16);
        layout.fixed_bytes = base + bytes;
        let mut added: Vec<Arc<Field>> = Vec::with_capacity(members.len());
        for member in members {
            let parent = member
                .parent
                .and_then(|position| added.get(position))
                .cloned();
            let full_name = match &parent {
                Some(parent) => format!("{}.{}", parent.full_name, member.spec.name),
                None => member.spec.name.clone(),
            };
            if member
                .offset
                .checked_add(member.size)
                .is_none_or(|end| end > bytes)
            {
                return Err(Error::OutsideStruct {
                    source_name: self.name.clone(),
                    field: full_name,
                });
            }
            self.check_new(&layout, &full_name)?;
            let place = Place::Fixed {
                offset: base + member.offset,
                size: member.size,
            };
            let parent = parent.map(|parent| parent.index);
            added.push(self.insert(&mut layout, member.spec, full_name, parent, place, true));
        }
        Ok(added)
    }

    /// Hides a field from look-up and output and frees its name.
    pub fn unreference_field(&self, field: &Field) {
        field.update_meta(|meta| meta.unreferenced = true);
        self.write().by_name.remove(&field.full_name);
    }

    /// Hides the data source from later look-ups; subscriptions and emission go on.
    pub fn unreference(&self) {
        self.unreferenced.store(true, Ordering::Release);
    }

    /// Whether the data source can still be looked up.
    pub fn is_referenced(&self) -> bool {
        !self.unreferenced.load(Ordering::Acquire)
    }

    /// A new element, all zero and empty.
    pub fn new_element(&self) -> Element {
        let (fixed_bytes, slots) = {
            let layout = self.read();
            (layout.fixed_bytes, layout.slots)
        };
        let mut element = self.pool().pop().unwrap_or_default();
        element.reset(self.id, fixed_bytes, slots);
        element
    }

    /// A new packet of the data source's shape: one empty element, or no elements.
    pub fn new_packet(&self) -> Packet {
        match self.shape {
            Shape::Single => Packet::Single(self.new_element()),
            Shape::Array => Packet::Array(Vec::new()),
        }
    }

    /// Takes back a packet that is not emitted.
    pub fn recycle(&self, packet: Packet) {
        match packet {
            Packet::Single(element) => self.recycle_element(element),
            Packet::Array(elements) => elements
                .into_iter()
                .for_each(|element| self.recycle_element(element)),
        }
    }

    /// Takes back an element.
    pub fn recycle_element(&self, element: Element) {
        if element.source != self.id || element.held_bytes() > POOL_ELEMENT_BYTES {
            return;
        }
        let mut pool = self.pool();
        if pool.len() < POOL_ELEMENTS {
            pool.push(element);
        }
    }

    /// Subscribes; lower priorities run first, equal ones in order of subscription.
    ///
    /// # Errors
    /// [`Error::NoArrays`] for a list subscription on a single data source.
    pub fn subscribe(
        &self,
        kind: Subscription,
        priority: i32,
        call: impl Fn(&DataSource, Payload<'_>) -> Flow + Send + Sync + 'static,
    ) -> Result<(), Error> {
        if kind == Subscription::Array && self.shape != Shape::Array {
            return Err(Error::NoArrays(self.name.clone()));
        }
        let mut subscribers = self
            .subscribers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let at = subscribers.partition_point(|other| other.priority <= priority);
        let mut list = subscribers.to_vec();
        list.insert(
            at,
            Subscriber {
                kind,
                priority,
                call: Arc::new(call),
            },
        );
        *subscribers = list.into();
        Ok(())
    }

    /// Calls a function when packets begin to be emitted in a row, and when that ends: what is made of each packet may wait
    /// until then. Batches of several threads may overlap.
    pub fn on_batch(&self, tell: impl Fn(Edge) + Send + Sync + 'static) {
        let mut listeners = self
            .batch_listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut list = listeners.to_vec();
        list.push(Arc::new(tell));
        *listeners = list.into();
    }

    /// Says that packets will be emitted in a row, until the result is dropped.
    pub fn batch(&self) -> Batch {
        let listeners = Arc::clone(
            &self
                .batch_listeners
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        listeners.iter().for_each(|tell| tell(Edge::Begin));
        Batch(listeners)
    }

    /// Whether anybody would see a packet.
    pub fn has_subscribers(&self) -> bool {
        !self
            .subscribers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Runs every subscriber on a packet and takes it back.
    ///
    /// # Errors
    /// The packet is not this data source's, or a subscriber failed; the packet is gone in any case.
    pub fn emit(&self, mut packet: Packet) -> Result<(), Error> {
        let fits = match (&packet, self.shape) {
            (Packet::Single(element), Shape::Single) => element.source == self.id,
            (Packet::Array(elements), Shape::Array) => {
                elements.iter().all(|element| element.source == self.id)
            }
            _ => false,
        };
        if !fits {
            return Err(Error::ForeignPacket(self.name.clone()));
        }
        let subscribers = Arc::clone(
            &self
                .subscribers
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut outcome = Ok(());
        for subscriber in subscribers.iter() {
            match self.deliver(subscriber, &mut packet) {
                Flow::Continue => {}
                Flow::Discard => break,
                Flow::Fail(source) => {
                    outcome = Err(Error::Subscriber {
                        source_name: self.name.clone(),
                        source,
                    });
                    break;
                }
            }
        }
        self.recycle(packet);
        outcome
    }

    /// Counts records that were lost before emission.
    pub fn report_lost(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Records lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn deliver(&self, subscriber: &Subscriber, packet: &mut Packet) -> Flow {
        match (subscriber.kind, packet) {
            (Subscription::Packet, packet) => (subscriber.call)(self, Payload::Packet(packet)),
            (Subscription::Element, Packet::Single(element)) => {
                (subscriber.call)(self, Payload::Element(element))
            }
            (Subscription::Array, Packet::Array(elements)) => {
                (subscriber.call)(self, Payload::Array(elements))
            }
            (Subscription::Element, Packet::Array(elements)) => {
                let mut failure = None;
                elements.retain_mut(|element| {
                    if failure.is_some() {
                        return true;
                    }
                    match (subscriber.call)(self, Payload::Element(element)) {
                        Flow::Continue => true,
                        Flow::Discard => false,
                        Flow::Fail(error) => {
                            failure = Some(error);
                            true
                        }
                    }
                });
                failure.map_or(Flow::Continue, Flow::Fail)
            }
            (Subscription::Array, Packet::Single(_)) => Flow::Continue,
        }
    }

    fn check_new(&self, layout: &Layout, full_name: &str) -> Result<(), Error> {
        if layout.by_name.contains_key(full_name) {
            return Err(Error::FieldExists {
                source_name: self.name.clone(),
                field: full_name.to_owned(),
            });
        }
        if layout.fields.len() >= MAX_FIELDS {
            return Err(Error::TooManyFields(self.name.clone()));
        }
        Ok(())
    }

    fn insert(
        &self,
        layout: &mut Layout,
        spec: FieldSpec,
        full_name: String,
        parent: Option<usize>,
        place: Place,
        member: bool,
    ) -> Arc<Field> {
        let index = layout.fields.len();
        let meta = self.resolve_meta(&spec, &full_name, index);
        let field = Arc::new(Field {
            source: self.id,
            index,
            name: spec.name,
            full_name: full_name.clone(),
            parent,
            kind: spec.kind,
            array: spec.array,
            place,
            member,
            meta: RwLock::new(meta),
        });
        layout.fields.push(Arc::clone(&field));
        layout.by_name.insert(full_name, index);
        field
    }

    /// Annotations in their order of precedence, gadget-image.md 3.3.
    fn resolve_meta(&self, spec: &FieldSpec, full_name: &str, index: usize) -> FieldMeta {
        let mut annotations: BTreeMap<String, String> = if spec.annotations.is_empty() {
            let defaults = [
                ("columns.width", "16"),
                ("columns.ellipsis", "end"),
                ("columns.alignment", "left"),
            ];
            defaults
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        } else {
            spec.annotations.clone()
        };
        let path = format!("fields.{full_name}");
        let own = self.config.get_map(&format!("{path}.annotations"));
        let own_template = own
            .iter()
            .find(|(key, _)| key == "template")
            .map(|(_, name)| name.clone());
        for name in [spec.annotations.get("template").cloned(), own_template]
            .into_iter()
            .flatten()
        {
            for (key, value) in template(&name).unwrap_or_default() {
                annotations.insert((*key).to_owned(), (*value).to_owned());
            }
        }
        annotations.extend(own);
        let mut tags = spec.tags.clone();
        tags.extend(self.config.get_list(&format!("{path}.tags")));
        FieldMeta {
            hidden: annotations
                .get("columns.hidden")
                .is_some_and(|value| value == "true"),
            unreferenced: false,
            derived: false,
            tags,
            annotations,
            order: spec
                .order
                .unwrap_or_else(|| i32::try_from(index).unwrap_or(i32::MAX)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Layout> {
        self.layout.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layout> {
        self.layout.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Element>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The data sources of one run.
#[derive(Debug, Default)]
pub struct DataSources {
    list: RwLock<Vec<Arc<DataSource>>>,
}

impl DataSources {
    /// Adds a data source.
    ///
    /// # Errors
    /// [`Error::SourceExists`] when the name is taken.
    pub fn register(&self, source: DataSource) -> Result<Arc<DataSource>, Error> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|other| other.name() == source.name()) {
            return Err(Error::SourceExists(source.name));
        }
        let source = Arc::new(source);
        list.push(Arc::clone(&source));
        Ok(source)
    }

    /// The referenced data source of this name.
    pub fn get(&self, name: &str) -> Option<Arc<DataSource>> {
        self.all().into_iter().find(|source| source.name() == name)
    }

    /// All referenced data sources, in order of registration.
    pub fn all(&self) -> Vec<Arc<DataSource>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter()
            .filter(|source| source.is_referenced())
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{AccessError, Kind};

    fn source(shape: Shape, yaml: &str) -> DataSource {
        DataSource::new("ds", shape, &Config::parse(yaml.as_bytes()).unwrap())
    }

    #[test]
    fn values_come_back_with_their_signs() {
        let ds = source(Shape::Single, "");
        let small = ds.add_field(FieldSpec::new("small", Kind::Int8)).unwrap();
        let wide = ds.add_field(FieldSpec::new("wide", Kind::Uint64)).unwrap();
        let text = ds.add_field(FieldSpec::new("text", Kind::String)).unwrap();
        let mut element = ds.new_element();
        small.set_value(&mut element, (-5i64) as u64).unwrap();
        wide.set_value(&mut element, u64::MAX).unwrap();
        text.set_bytes(&mut element, b"hello").unwrap();
        assert_eq!(small.value(&element).unwrap() as i64, -5);
        assert_eq!(wide.value(&element).unwrap(), u64::MAX);
        assert_eq!(text.text(&element).unwrap(), b"hello");
        assert!(matches!(
            wide.scalar(&element, Kind::Uint32),
            Err(AccessError::Length { .. })
        ));
    }

    #[test]
    fn listeners_hear_of_both_ends_of_a_batch() {
        let ds = source(Shape::Single, "");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        ds.on_batch(move |edge| sink.lock().unwrap().push(edge));
        let batch = ds.batch();
        ds.emit(ds.new_packet()).unwrap();
        assert_eq!(*heard.lock().unwrap(), [Edge::Begin]);
        drop(batch);
        assert_eq!(*heard.lock().unwrap(), [Edge::Begin, Edge::End]);
    }

    #[test]
    fn an_element_without_the_field_is_an_error_not_a_panic() {
        let ds = source(Shape::Single, "");
        let mut old = ds.new_element();
        let late = ds.add_field(FieldSpec::new("late", Kind::Uint32)).unwrap();
        assert!(matches!(
            late.set_value(&mut old, 1),
            Err(AccessError::NoPlace(_))
        ));
        let other = source(Shape::Single, "");
        assert!(late.value(&other.new_element()).is_err());
    }

    #[test]
    fn members_lie_at_their_offsets() {
        let ds = source(Shape::Single, "");
        let member = |name: &str, kind, offset, size| MemberSpec {
            spec: FieldSpec::new(name, kind),
            offset,
            size,
            parent: None,
        };
        let members = vec![
            member("pid", Kind::Uint32, 0, 4),
            member("comm", Kind::CString, 4, 16),
        ];
        let fields = ds.add_struct(members, 20).unwrap();
        let mut element = ds.new_element();
        element.fixed_mut()[..4].copy_from_slice(&77u32.to_ne_bytes());
        element.fixed_mut()[4..8].copy_from_slice(b"cat\0");
        assert_eq!(fields[0].value(&element).unwrap(), 77);
        assert_eq!(fields[1].text(&element).unwrap(), b"cat");
        fields[1].set_bytes(&mut element, b"a").unwrap();
        assert_eq!(
            fields[1].bytes(&element).unwrap(),
            b"a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        );
        assert!(fields[1].set_bytes(&mut element, &[0; 17]).is_err());
        let outside = vec![member("x", Kind::Uint64, 16, 8)];
        assert!(matches!(
            source(Shape::Single, "").add_struct(outside, 20),
            Err(Error::OutsideStruct { .. })
        ));
    }

    #[test]
    fn metadata_wins_over_the_template_and_the_creator() {
        let yaml = "datasources: {ds: {annotations: {cli.default-output-mode: none}, fields: {pid: {tags: [t], annotations: \
                    {columns.minwidth: 3, columns.hidden: true}}}}}";
        let ds = source(Shape::Single, yaml);
        let pid = ds
            .add_field(FieldSpec::new("pid", Kind::Uint32).annotated("template", "pid"))
            .unwrap();
        assert_eq!(pid.annotation("columns.minwidth").unwrap(), "3");
        assert_eq!(pid.annotation("columns.alignment").unwrap(), "right");
        assert!(pid.meta().hidden);
        assert!(pid.has_tag("t"));
        assert_eq!(ds.annotation("cli.default-output-mode").unwrap(), "none");
    }

    #[test]
    fn names_are_unique_and_found_without_regard_to_case() {
        let ds = source(Shape::Single, "");
        let group = ds.add_field(FieldSpec::group("k8s")).unwrap();
        ds.add_field(FieldSpec::new("podName", Kind::String).below(&group))
            .unwrap();
        assert_eq!(ds.field("K8S.podname").unwrap().full_name(), "k8s.podName");
        let again = ds.add_field(FieldSpec::new("podName", Kind::String).below(&group));
        assert!(matches!(again, Err(Error::FieldExists { .. })));
    }

    #[test]
    fn subscribers_run_in_order_of_priority_then_of_subscription() {
        let ds = source(Shape::Single, "");
        let seen = Arc::new(Mutex::new(Vec::new()));
        for (name, priority) in [("c", 10), ("a", -1), ("d", 10), ("b", 0)] {
            let seen = Arc::clone(&seen);
            ds.subscribe(Subscription::Element, priority, move |_, _| {
                seen.lock().unwrap().push(name);
                Flow::Continue
            })
            .unwrap();
        }
        ds.emit(ds.new_packet()).unwrap();
        assert_eq!(*seen.lock().unwrap(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn discarding_removes_one_element_of_an_array() {
        let ds = source(Shape::Array, "");
        let n = ds.add_field(FieldSpec::new("n", Kind::Uint32)).unwrap();
        let odd = Arc::clone(&n);
        ds.subscribe(Subscription::Element, 0, move |_, payload| match payload {
            Payload::Element(element) if odd.value(element).unwrap().is_multiple_of(2) => {
                Flow::Discard
            }
            _ => Flow::Continue,
        })
        .unwrap();
        let left = Arc::new(Mutex::new(Vec::new()));
        let (keep, field) = (Arc::clone(&left), Arc::clone(&n));
        ds.subscribe(Subscription::Array, 1, move |_, payload| {
            if let Payload::Array(elements) = payload {
                keep.lock()
                    .unwrap()
                    .extend(elements.iter().map(|element| field.value(element).unwrap()));
            }
            Flow::Continue
        })
        .unwrap();
        let elements = (0..5)
            .map(|value| {
                let mut element = ds.new_element();
                n.set_value(&mut element, value).unwrap();
                element
            })
            .collect();
        ds.emit(Packet::Array(elements)).unwrap();
        assert_eq!(*left.lock().unwrap(), [1, 3]);
    }

    #[test]
    fn a_subscriber_may_emit_on_the_source_it_listens_to() {
        let ds = Arc::new(source(Shape::Single, ""));
        let depth = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&depth);
        ds.subscribe(Subscription::Packet, 0, move |ds, _| {
            if counter.fetch_add(1, Ordering::Relaxed) < 3 {
                ds.emit(ds.new_packet()).unwrap();
            }
            Flow::Continue
        })
        .unwrap();
        ds.emit(ds.new_packet()).unwrap();
        assert_eq!(depth.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn foreign_packets_are_refused() {
        let one = source(Shape::Single, "");
        let other = source(Shape::Single, "");
        assert!(matches!(
            one.emit(other.new_packet()),
            Err(Error::ForeignPacket(_))
        ));
        assert!(matches!(
            one.emit(Packet::Array(Vec::new())),
            Err(Error::ForeignPacket(_))
        ));
    }

    #[test]
    fn recycled_elements_are_clean() {
        let ds = source(Shape::Single, "");
        let text = ds.add_field(FieldSpec::new("text", Kind::String)).unwrap();
        let mut element = ds.new_element();
        text.set_bytes(&mut element, b"secret").unwrap();
        ds.recycle_element(element);
        assert_eq!(text.bytes(&ds.new_element()).unwrap(), b"");
    }

    #[test]
    fn large_elements_are_not_kept() {
        let ds = source(Shape::Single, "");
        let text = ds.add_field(FieldSpec::new("text", Kind::String)).unwrap();
        for (bytes, kept) in [(1000, 1), (100_000, 0)] {
            let mut element = ds.new_element();
            text.set_bytes(&mut element, &vec![b'x'; bytes]).unwrap();
            ds.recycle_element(element);
            assert_eq!(ds.pool().len(), kept, "{bytes}");
        }
    }

    #[test]
    fn unreferenced_sources_cannot_be_looked_up() {
        let sources = DataSources::default();
        let ds = sources.register(source(Shape::Single, "")).unwrap();
        assert!(matches!(
            sources.register(source(Shape::Single, "")),
            Err(Error::SourceExists(_))
        ));
        ds.unreference();
        assert!(sources.get("ds").is_none());
    }
}
